"""Make the updates that `edged demo` deploys over `vibration-autoencoder`: one good, three bad in their own way.

`python models/make_updates.py` writes models/demo-updates/, `--check` proves that the shipped files are what this
script makes. Like `make_bundle.py` it needs the package onnx; whoever runs the demo does not.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from make_bundle import FILES, GRAPH, IR_VERSION, LAYERS, NAME, OPSET, WINDOW, Array, Network, manifest, save
from onnx import ModelProto, checker, load, numpy_helper, parser

HERE = Path(__file__).resolve().parent
BASE, UPDATES = HERE / NAME, HERE / "demo-updates"
SMOKE = "smoke.json"
VECTORS = 4  # golden windows in each of the small ones
HEAVY = 700  # 0.7 GFLOP in one product: no core of today does that in the 1 ms that its budget allows
HUGE = 20_000  # squared, 1.6 GB: more than the demo's container has
LIGHT = "reconstruction = Identity(window) square = Mul(window, window) score = ReduceMean<axes = [1], keepdims = 0>"


class Update(NamedTuple):
    """One bundle: what it is like, its model, and the answers that its golden vectors want."""

    what: str
    model: Callable[[], ModelProto]
    answers: Callable[[Array], tuple[Array, Array]]
    p95: str = "20ms"


def light(body: str) -> ModelProto:
    """A model of a few hundred bytes with the ports of the real one: the score is the window's power."""
    text = (
        f'<ir_version: {IR_VERSION}, opset_import: ["": {OPSET}], producer_name: "edged">\n'
        f"light (float[batch, {WINDOW}] window) => (float[batch] score, float[batch, {WINDOW}] reconstruction) {{\n"
        f"    {body}\n}}"
    )
    return parser.parse_model(text)


def power(window: Array) -> tuple[Array, Array]:
    """What `light` answers."""
    return (window * window).mean(axis=1), window


def network() -> Network:
    """The shipped one, read back."""
    values = {i.name: numpy_helper.to_array(i).astype(np.float64) for i in load(BASE / FILES[0]).graph.initializer}
    layers = [(values[f"w{index}"], values[f"b{index}"]) for index in range(len(LAYERS) - 1)]
    return Network(layers, float(values["std"]), float(values["limit"]))


def good() -> ModelProto:
    """The same answers with a step less: the scale of the input is in the first weights."""
    shipped = network()
    text = GRAPH.replace("linear0 = Gemm(scaled, w0, b0)", "linear0 = Gemm(window, w0, b0)")
    model = parser.parse_model(text)
    values: dict[str, Any] = {"std": shipped.std, "limit": shipped.limit}
    for index, (weights, bias) in enumerate(shipped.layers):
        values |= {f"w{index}": weights / shipped.std if index == 0 else weights, f"b{index}": bias}
    arrays = {name: np.asarray(value, dtype=np.float32) for name, value in values.items()}
    model.graph.initializer.extend(numpy_helper.from_array(a, name) for name, a in arrays.items())
    return model


def wrong() -> ModelProto:
    return light(f"{LIGHT}(square)")


def slow() -> ModelProto:
    """The work hangs on the input, or onnxruntime would do it once, when it loads the model."""
    return light(
        f"size = Constant<value_ints = [{HEAVY}, {HEAVY}]>() seed = ReduceMax<keepdims = 0>(window) "
        "full = Expand(seed, size) product = MatMul(full, full) most = ReduceMax<keepdims = 0>(product) "
        f"zero = Constant<value_float = 0.0>() none = Mul(most, zero) {LIGHT.replace('score', 'plain')}(square) "
        "score = Add(plain, none)"
    )


def crash() -> ModelProto:
    """Right for each window that a sensor gives. For all zeros, which this app tries at its start, it takes 1.6 GB."""
    return light(
        "size = Abs(window) most = ReduceMax<keepdims = 0>(size) zero = Constant<value_float = 0.0>() "
        "silent = Equal(most, zero) count = Cast<to = 7>(silent) "
        f"more = Constant<value_ints = [{HUGE - 1}, {HUGE - 1}]>() one = Constant<value_ints = [1, 1]>() "
        "grown = Mul(more, count) shape = Add(grown, one) full = Expand(most, shape) "
        f"top = ReduceMax<keepdims = 0>(full) none = Mul(top, zero) {LIGHT.replace('score', 'plain')}(square) "
        "score = Add(plain, none)"
    )


BUNDLES = {
    "good": Update("the same answers with a step less", good, lambda window: network().run(window)),
    "wrong": Update("other answers than its golden vectors want", wrong, lambda window: network().run(window)),
    "slow": Update("right, and far over its own budget", slow, power, p95="1ms"),
    "crash": Update("sound by itself, but this app dies of it", crash, power),
}
"""In the order of the demo; that is also the order of their sequence numbers, from 2 on."""


def build(folder: Path) -> None:
    """Writes all bundles below `folder`."""
    with np.load(BASE / FILES[1], allow_pickle=False) as golden:
        window = golden["window"][:VECTORS]
    for sequence, (name, update) in enumerate(BUNDLES.items(), 2):
        (to := folder / name).mkdir(parents=True, exist_ok=True)
        model = update.model()
        checker.check_model(model, full_check=True)
        (to / FILES[0]).write_bytes(model.SerializeToString(deterministic=True))
        score, redrawn = update.answers(window.astype(np.float64))
        save(to / FILES[1], {"window": window, "score": np.float32(score), "reconstruction": np.float32(redrawn)})
        smoke(to, window[:1].astype(np.float64), score[:1])
        head = manifest(to, SMOKE)
        head |= {"sequence": sequence, "version": f"{sequence}.0.0-{name}"}
        head["model"]["budgets"]["p95"] = update.p95
        head["model"]["smoke"] = SMOKE
        (to / FILES[2]).write_text(json.dumps(head, indent=2, sort_keys=True) + "\n")


def smoke(to: Path, window: Array, score: Array) -> None:
    """Writes what the app itself must answer. The good one scores as the one before: the digest differs."""
    digest = hashlib.sha256((to / FILES[0]).read_bytes()).hexdigest()
    request = {"windows": np.round(window, 4).tolist()}
    answer = {"scores": np.round(score, 4).tolist(), "model_digest": digest}
    test = {"requests": [{"path": "/predict", "body": request, "expect": {"status": 200, "body": answer}}]}
    (to / SMOKE).write_text(json.dumps(test, sort_keys=True) + "\n")


def check(folder: Path) -> list[str]:
    """Files below `folder` with other bytes than a fresh build has, or that are only in one of the two."""
    with tempfile.TemporaryDirectory() as temporary:
        build(fresh := Path(temporary))
        made, shipped = (
            {p.relative_to(f): p for f in [top] for p in f.rglob("*") if p.is_file()} for top in (fresh, folder)
        )
        names = sorted(made.keys() | shipped.keys())
        return [
            str(n)
            for n in names
            if n not in made or n not in shipped or made[n].read_bytes() != shipped[n].read_bytes()
        ]


def main(arguments: list[str] | None = None) -> int:
    """Command line entry; returns the exit code."""
    options = argparse.ArgumentParser(description="Build or check the updates that the demo deploys.")
    options.add_argument("-o", "--output", type=Path, default=UPDATES, metavar="DIR")
    options.add_argument("--check", action="store_true", help="compare DIR with a fresh build, write nothing")
    given = options.parse_args(arguments)
    if not given.check:
        build(given.output)
        return 0
    unequal = ", ".join(check(given.output))
    print(f"{given.output} against a fresh build: {unequal or 'the same'}")
    return int(bool(unequal))


if __name__ == "__main__":
    sys.exit(main())
