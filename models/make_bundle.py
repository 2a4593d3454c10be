"""Build the example bundle `vibration-autoencoder`: train, export to ONNX, write golden vectors and manifest.

`python models/make_bundle.py` rebuilds it in place, `--check` proves that the shipped files are what this
script makes. The model learns healthy windows only: 64 samples of acceleration in g, taken at 1 kHz. What it
cannot redraw (bearing impulses, a grown first harmonic) leaves a large reconstruction error: the score.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import os
import sys
import tempfile
import zipfile
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Layers = list[tuple[Array, Array]]  # (weights [in, out], bias [out]) of each layer
NAME, OPSET, IR_VERSION = "vibration-autoencoder", 17, 8  # onnxruntime >= 1.17 reads IR 8
CREATED = "2026-01-01T00:00:00Z"  # fixed, so that a rebuild gives the same bytes
FILES = ("model.onnx", "golden.npz", "manifest.json")
WINDOW, RATE_HZ = 64, 1000.0
HARMONICS = ((1, 0.50), (2, 0.20), (3, 0.10), (6, 0.08))  # (multiple of shaft speed, amplitude in g)
LAYERS = (WINDOW, 32, 12, 32, WINDOW)
TRAIN_WINDOWS, BATCH, STEPS, LEARNING_RATE, CODE_NOISE = 8192, 512, 2000, 3e-3, 0.05
WIDE: list[str | int] = ["batch", WINDOW]
PORTS = {"window": WIDE, "score": WIDE[:1], "reconstruction": WIDE}  # input first, then outputs; all float32
GRAPH = f"""<ir_version: {IR_VERSION}, opset_import: ["": {OPSET}], producer_name: "edged">
autoencoder (float[batch, {WINDOW}] window) => (float[batch] score, float[batch, {WINDOW}] reconstruction) {{
    scaled = Div(window, std)
    linear0 = Gemm(scaled, w0, b0)
    tanh0 = Tanh(linear0)
    linear1 = Gemm(tanh0, w1, b1)
    code = Tanh(linear1)
    linear2 = Gemm(code, w2, b2)
    tanh2 = Tanh(linear2)
    redrawn = Gemm(tanh2, w3, b3)
    reconstruction = Mul(redrawn, std)
    error = Sub(redrawn, scaled)
    squared = Mul(error, error)
    mean = ReduceMean<axes = [1], keepdims = 0>(squared)
    score = Div(mean, limit)
}}"""


class Network(NamedTuple):
    """A trained autoencoder; `std` in g scales its input, a mean squared error of `limit` is score 1.0."""

    layers: Layers
    std: float
    limit: float

    def run(self, window: Array) -> tuple[Array, Array]:
        """Window [n, 64] in g -> (score [n], reconstruction [n, 64] in g)."""
        scaled = window / self.std
        redrawn = forward(self.layers, scaled)[-1]
        return ((redrawn - scaled) ** 2).mean(axis=1) / self.limit, redrawn * self.std


def normal_windows(rng: np.random.Generator, count: int, imbalance: float = 1.0) -> Array:
    """Healthy windows [count, 64] in g, shaft near 1500 rpm; `imbalance` multiplies the first harmonic."""
    seconds, shaft_hz = np.arange(WINDOW) / RATE_HZ, rng.uniform(24.5, 25.5, (count, 1))
    signal = rng.normal(0.0, 0.03, (count, WINDOW))
    for multiple, grams in HARMONICS:
        amplitude = grams * rng.uniform(0.85, 1.15, (count, 1)) * (imbalance if multiple == 1 else 1.0)
        phase = rng.uniform(0.0, 2 * np.pi, (count, 1))
        signal += amplitude * np.sin(2 * np.pi * multiple * shaft_hz * seconds + phase)
    return np.round(signal, 4)  # a sensor with 0.1 mg steps; also hides last-bit differences between CPUs


def bearing_windows(rng: np.random.Generator, count: int, peak: float = 1.0) -> Array:
    """Windows [count, 64] in g with a 310 Hz ringing of `peak` g at each pass of a damaged ball (28 ms)."""
    seconds, period, signal = np.arange(WINDOW) / RATE_HZ, 0.028, normal_windows(rng, count)
    first = rng.uniform(-period, 0.0, (count, 1))
    for number in range(4):
        since = seconds - first - number * period
        ringing = np.exp(-np.clip(since, 0.0, None) / 0.005) * np.sin(2 * np.pi * 310.0 * since)
        signal += peak * rng.uniform(0.8, 1.2, (count, 1)) * ringing * (since >= 0)
    return np.round(signal, 4)


def forward(layers: Layers, scaled: Array, code_noise: Array | float = 0.0) -> list[Array]:
    """Every layer's output, the input [n, 64] first; `code_noise` [n, 12] is added to the narrowest layer."""
    outputs = [scaled]
    for index, (weights, bias) in enumerate(layers):
        value = outputs[-1] @ weights + bias
        value = np.tanh(value) if index < len(layers) - 1 else value
        outputs.append(value + code_noise if index == 1 else value)
    return outputs


def train(windows: Array, seed: int) -> Network:
    """Fit by Adam on `windows` [n, 64]. Noise on the code makes the network use tanh's bent ends, so that an
    amplitude it never saw is not simply carried through (a linear code would redraw imbalance perfectly)."""
    rng, std = np.random.default_rng(seed), round(float(windows.std()), 4)
    scaled = windows / std
    parameters = [part for i, o in pairwise(LAYERS) for part in (rng.normal(0, i**-0.5, (i, o)), np.zeros(o))]
    layers = list(zip(parameters[::2], parameters[1::2], strict=True))
    mean, square = [np.zeros_like(p) for p in parameters], [np.zeros_like(p) for p in parameters]
    for step in range(1, STEPS + 1):
        start = (step - 1) * BATCH % len(scaled)
        batch = scaled[start : start + BATCH]
        noise = rng.normal(0.0, CODE_NOISE, (len(batch), LAYERS[2]))
        gradients = backward(layers, forward(layers, batch, noise), noise)
        rate = LEARNING_RATE * min(1.0, 2 * (1 - step / STEPS) + 0.02)
        for p, g, m, v in zip(parameters, gradients, mean, square, strict=True):
            m += 0.1 * (g - m)
            v += 0.001 * (g * g - v)
            p -= rate * (m / (1 - 0.9**step)) / (np.sqrt(v / (1 - 0.999**step)) + 1e-8)
    # Rounded weights: CPUs differ in the last bits of a sum, and the shipped bytes must not.
    layers = [(np.round(weights, 4), np.round(bias, 4)) for weights, bias in layers]
    draft = Network(layers, std, limit=1.0)
    return draft._replace(limit=float(f"{np.quantile(draft.run(windows)[0], 0.999):.4g}"))


def backward(layers: Layers, outputs: list[Array], noise: Array) -> list[Array]:
    """Gradients of the mean squared error, in the order weights, bias, weights, bias, ..."""
    delta = 2 * (outputs[-1] - outputs[0]) / outputs[0].size
    gradients: list[Array] = []
    for index in reversed(range(len(layers))):
        gradients[:0] = [outputs[index].T @ delta, delta.sum(axis=0)]
        clean = outputs[index] - noise if index == 2 else outputs[index]
        delta = (delta @ layers[index][0].T) * (1 - clean**2)
    return gradients


def to_onnx(network: Network) -> bytes:
    """The network as ONNX bytes, normalisation and score inside, without any time or host in it."""
    from onnx import checker, numpy_helper, parser

    values: dict[str, Array | float] = {"std": network.std, "limit": network.limit}
    for index, (weights, bias) in enumerate(network.layers):
        values |= {f"w{index}": weights, f"b{index}": bias}
    model = parser.parse_model(GRAPH)
    arrays = {name: np.asarray(value, dtype=np.float32) for name, value in values.items()}
    model.graph.initializer.extend(numpy_helper.from_array(a, name) for name, a in arrays.items())
    checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString(deterministic=True))


def manifest(folder: Path, *more: str) -> dict[str, Any]:
    """The bundle's manifest for the files in `folder`, and `more` of them; shapes name the free dimension `batch`."""
    data = {name: (folder / name).read_bytes() for name in (*FILES[:2], *more)}
    files = [{"path": n, "size": len(d), "sha256": hashlib.sha256(d).hexdigest()} for n, d in data.items()]
    ports = [{"name": name, "dtype": "float32", "shape": shape} for name, shape in PORTS.items()]
    golden, budgets = {"file": FILES[1], "rtol": 1e-4, "atol": 1e-5}, {"p95": "20ms", "memory": "200MiB"}
    model = {"file": FILES[0], "inputs": ports[:1], "outputs": ports[1:], "opset": OPSET, "golden": golden}
    head = {"format": 1, "kind": "model", "name": NAME, "version": "1.0.0", "sequence": 1}
    return {**head, "created": CREATED, "files": files, "model": {**model, "budgets": budgets}}


def build(folder: Path) -> None:
    """Write the whole bundle into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    network = train(normal_windows(np.random.default_rng(1), TRAIN_WINDOWS), seed=2)
    rng = np.random.default_rng(3)
    windows = [normal_windows(rng, 16), bearing_windows(rng, 8), normal_windows(rng, 8, imbalance=2.0)]
    window = np.vstack(windows).astype(np.float32)
    score, redrawn = network.run(window.astype(np.float64))  # numpy: an opinion independent of onnxruntime
    (folder / FILES[0]).write_bytes(to_onnx(network))
    save(folder / FILES[1], {"window": window, "score": np.float32(score), "reconstruction": np.float32(redrawn)})
    (folder / FILES[2]).write_text(json.dumps(manifest(folder), indent=2, sort_keys=True) + "\n")


def save(file: Path, arrays: dict[str, Any]) -> None:
    """What `np.savez` does, with the same bytes under every Python: zip headers of open streams differ."""
    with zipfile.ZipFile(file, "w") as archive:
        for name, array in arrays.items():
            buffer = io.BytesIO()
            np.lib.format.write_array(buffer, array, allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), buffer.getvalue())


def check(folder: Path) -> list[str]:
    """What differs between `folder` and a fresh build: names of files with other bytes, `model scores`."""
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # onnxruntime >= 1.29 reports to its maker otherwise
    from onnxruntime import InferenceSession

    with tempfile.TemporaryDirectory() as temporary:
        build(fresh := Path(temporary))
        unequal = [n for n in FILES if (folder / n).read_bytes() != (fresh / n).read_bytes()]
        inputs = {"window": np.load(fresh / FILES[1])["window"]}
        ours, theirs = (InferenceSession(f / FILES[0]).run(["score"], inputs)[0] for f in (folder, fresh))
    return unequal + ([] if np.allclose(ours, theirs, rtol=1e-2, atol=1e-3) else ["model scores"])


def main(arguments: list[str] | None = None) -> int:
    """Command line entry; returns the exit code."""
    parser = argparse.ArgumentParser(description="Build or check the example model bundle.")
    parser.add_argument("-o", "--output", type=Path, default=Path(__file__).with_name(NAME), metavar="DIR")
    parser.add_argument("--check", action="store_true", help="compare DIR with a fresh build, write nothing")
    options = parser.parse_args(arguments)
    if not options.check:
        build(options.output)
        return 0
    unequal = ", ".join(check(options.output))
    print(f"{options.output} against a fresh build: {unequal or 'the same'}")
    return int(bool(unequal))


if __name__ == "__main__":
    sys.exit(main())
