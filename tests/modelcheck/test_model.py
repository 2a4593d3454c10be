"""The checks of a model, in a real child with the real runtime."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from msgspec import structs
from onnx import save_model

from edged.adapters.model_check import ChildRuntime
from edged.modelcheck.types import Budgets, Golden, ModelCheck, ModelVerdict, Port, enough_memory

from .bundles import DOUBLE, MIB, X, bundle, filled, model, sized, slow, weighted
from .conftest import Check

EXAMPLE = Path(__file__).parents[2] / "models/vibration-autoencoder"


def codes(verdict: ModelVerdict) -> list[str]:
    return [problem.code for problem in verdict.problems]


def test_the_shipped_example_passes_with_every_figure(check: Check) -> None:
    stated = json.loads((EXAMPLE / "manifest.json").read_text())["model"]
    ports = {
        kind: tuple(Port(name=p["name"], dtype=p["dtype"], shape=tuple(p["shape"])) for p in stated[kind])
        for kind in ("inputs", "outputs")
    }
    golden = Golden(file=str(EXAMPLE / "golden.npz"), rtol=stated["golden"]["rtol"], atol=stated["golden"]["atol"])
    request = ModelCheck(
        model=str(EXAMPLE / "model.onnx"), golden=golden, budgets={"p95": 0.02, "memory": 200 * MIB}, **ports
    )
    verdict = check(request)
    assert verdict.ok, verdict
    assert verdict.runtime.startswith("onnxruntime 1.")
    assert verdict.network == "cut"
    assert verdict.latency is not None and verdict.memory is not None and verdict.load_seconds is not None
    assert 0 < verdict.latency.p50 <= verdict.latency.p95 <= verdict.latency.p99 < 1
    assert verdict.latency.runs >= 64 and verdict.latency.rows == 32
    assert verdict.memory.baseline > 20 * MIB
    assert 0 < verdict.memory.session <= verdict.memory.peak < 100 * MIB
    assert 0 < verdict.load_seconds < verdict.seconds
    assert verdict.disagreement is None


def test_a_wrong_output_names_its_worst_element(check: Check, tmp_path: Path) -> None:
    want = X * 2
    want[1, 1] += 0.5
    want[2, 0] += 3
    verdict = check(bundle(tmp_path, arrays={"x": X, "y": want}))
    assert codes(verdict) == ["golden_mismatch"]
    assert verdict.mismatch is not None
    assert (verdict.mismatch.output, verdict.mismatch.index) == ("y", (2, 0))
    assert (verdict.mismatch.expected, verdict.mismatch.got, verdict.mismatch.elements) == ("15.0", "12.0", 2)
    assert verdict.mismatch.tolerance == pytest.approx(1e-5 + 1e-4 * 15)
    assert verdict.latency is not None, "figures are wanted of a wrong model too"


def test_nan_is_a_problem_of_its_own(check: Check, tmp_path: Path) -> None:
    graph = "agraph (float[batch, 3] x) => (float[batch, 3] y) { y = Log(x) }"
    verdict = check(bundle(tmp_path, graph, arrays={"x": X - 5, "y": X}))
    assert codes(verdict) == ["nan", "golden_mismatch"]
    assert "'y' holds nan at [0, 0], 6 of 12" in verdict.problems[0].text


def test_integers_are_exact(check: Check, tmp_path: Path) -> None:
    graph = "agraph (float[batch, 3] x) => (int64[batch] y) { y = ArgMax<axis = 1, keepdims = 0>(x) }"
    outputs = (Port(name="y", dtype="int64", shape=("batch",)),)
    right = np.full(4, 2, np.int64)
    assert check(bundle(tmp_path, graph, outputs=outputs, arrays={"x": X, "y": right})).ok
    wrong = check(bundle(tmp_path, graph, outputs=outputs, arrays={"x": X, "y": np.array([2, 2, 1, 2])}))
    assert codes(wrong) == ["golden_mismatch"]
    assert wrong.mismatch is not None and wrong.mismatch.index == (2,) and wrong.mismatch.tolerance == 0


def test_strings_can_be_compared(check: Check, tmp_path: Path) -> None:
    graph = """agraph (float[batch, 3] x) => (string[1] y) { y = Constant<value_strings = ["ball"]>() }"""
    outputs = (Port(name="y", dtype="string", shape=(1,)),)
    assert check(bundle(tmp_path, graph, outputs=outputs, arrays={"x": X, "y": np.array(["ball"])})).ok
    wrong = check(bundle(tmp_path, graph, outputs=outputs, arrays={"x": X, "y": np.array(["shaft"])}))
    assert codes(wrong) == ["golden_mismatch"]
    assert "got ball, the golden vectors say shaft" in wrong.problems[0].text


def test_strings_can_be_inputs(check: Check, tmp_path: Path) -> None:
    graph = "agraph (string[batch] x) => (string[batch] y) { y = Identity(x) }"
    port = Port(name="x", dtype="string", shape=("batch",))
    words = np.array(["ball", "outer race"])
    request = bundle(
        tmp_path, graph, inputs=(port,), outputs=(structs.replace(port, name="y"),), arrays={"x": words, "y": words}
    )
    assert check(request).ok


@pytest.mark.parametrize("threads", [1, 4, 16])
def test_enough_memory_is_enough(tmp_path: Path, threads: int) -> None:
    request = bundle(tmp_path, slow(256), arrays={"x": X, "y": X}, threads=threads, memory=32 * MIB)
    verdict = ChildRuntime().check_model(request, timeout=60, memory_limit=enough_memory(request), cpu_seconds=60)
    assert verdict.ok, verdict


@pytest.mark.parametrize(
    ("kind", "port", "words"),
    [
        ("inputs", Port(name="z", dtype="float32", shape=("batch", 3)), "'z', which the model does not have"),
        ("inputs", Port(name="x", dtype="float64", shape=("batch", 3)), "is float32, the manifest says float64"),
        ("inputs", Port(name="x", dtype="float32", shape=("batch", 4)), "[batch, 3], the manifest says [batch, 4]"),
        (
            "inputs",
            Port(name="x", dtype="float32", shape=("batch", "any")),
            "[batch, 3], the manifest says [batch, any]",
        ),
        ("outputs", Port(name="y", dtype="float32", shape=("batch",)), "the manifest says [batch]"),
    ],
)
def test_a_port_unlike_the_manifest(check: Check, tmp_path: Path, kind: str, port: Port, words: str) -> None:
    dtype, shape = port.dtype, tuple(4 if dim == "batch" else 3 if dim == "any" else dim for dim in port.shape)
    arrays = {"x": X, "y": X * 2, port.name: np.ones(shape, dtype)}
    verdict = check(structs.replace(bundle(tmp_path, arrays=arrays), **{kind: (port,)}))
    assert {kind} == set(codes(verdict)), verdict
    assert any(words in problem.text for problem in verdict.problems), verdict.problems


def test_a_model_with_more_than_the_manifest_names(check: Check, tmp_path: Path) -> None:
    graph = "agraph (float[batch, 3] x) => (float[batch, 3] y, float[batch, 3] z) { y = Add(x, x) z = Abs(x) }"
    verdict = check(bundle(tmp_path, graph))
    assert codes(verdict) == ["outputs"]
    assert "the model has 'z'" in verdict.problems[0].text


def test_a_shape_that_only_a_run_shows(check: Check, tmp_path: Path) -> None:
    outputs = (Port(name="y", dtype="float32", shape=(4,)),)
    verdict = check(bundle(tmp_path, sized("y = Expand(zero, size)"), outputs=outputs, arrays={"x": X, "y": X[:, 0]}))
    assert codes(verdict) == ["outputs"]
    assert "'y' is float32 [11], the manifest says float32 [4]" in verdict.problems[0].text


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"x": X}, "'y' is missing"),
        ({"x": X.astype(np.float64), "y": X}, "'x' is float64 [4, 3]"),
        ({"x": X, "y": X[:2]}, "'y' is float32 [2, 3]"),
        ({"x": X, "y": X * np.float32("nan")}, "'y' holds values that are not finite"),
    ],
)
def test_golden_vectors_that_do_not_fit(check: Check, tmp_path: Path, arrays: dict[str, object], words: str) -> None:
    verdict = check(bundle(tmp_path, arrays=arrays))
    assert codes(verdict) == ["golden_missing"]
    assert words in verdict.problems[0].text
    assert verdict.load_seconds is not None, "the model is looked at all the same"


def test_golden_vectors_that_cannot_be_read(check: Check, tmp_path: Path) -> None:
    request = bundle(tmp_path)
    golden = Path(request.golden.file)
    whole = golden.read_bytes()
    for data in (b"", b"junk", whole[: len(whole) // 2], whole.replace(b"NUMPY", b"NUMBY")):
        golden.write_bytes(data)
        assert codes(check(request)) == ["golden_missing"]
    np.savez(golden, x=X, y=np.array([print], dtype=object))
    pickled = check(request)
    assert codes(pickled) == ["golden_missing"] and "pickle" in pickled.problems[0].text
    golden.unlink()
    assert codes(check(request)) == ["golden_missing"]


def test_files_that_are_no_model(check: Check, tmp_path: Path) -> None:
    request = bundle(tmp_path)
    path = Path(request.model)
    whole = path.read_bytes()
    for data in (b"", b"\x00" * 100, whole[: len(whole) // 2], b"\xff" * 4096):
        path.write_bytes(data)
        verdict = check(request)
        assert codes(verdict) == ["load"], (data[:10], verdict)
        assert 0 < len(verdict.problems[0].text) < 300
    path.unlink()
    assert codes(check(request)) == ["load"]


def test_external_data_cut_short(check: Check, tmp_path: Path) -> None:
    request = bundle(tmp_path)
    save_model(weighted(1.0, 4096), request.model, save_as_external_data=True, location="w.bin", size_threshold=0)
    data = tmp_path / "w.bin"
    assert "load" not in codes(check(request))
    data.write_bytes(data.read_bytes()[:1000])
    assert codes(check(request)) == ["load"]
    data.unlink()
    assert codes(check(request)) == ["load"]


def test_an_opset_from_the_future(check: Check, tmp_path: Path) -> None:
    request = bundle(tmp_path)
    for made, field in ((model(DOUBLE), "opset"), (model(DOUBLE), "ir")):
        if field == "opset":
            made.opset_import[0].version = 999
        else:
            made.ir_version = 999
        save_model(made, request.model)
        assert codes(check(request)) == ["unsupported_opset"]


def test_a_model_that_fails_on_its_golden_inputs(check: Check, tmp_path: Path) -> None:
    outputs = (Port(name="y", dtype="float32", shape=(11,)),)
    arrays = {"x": X, "y": np.zeros(11, np.float32)}
    verdict = check(bundle(tmp_path, sized("y = Reshape(x, size)"), outputs=outputs, arrays=arrays))
    assert codes(verdict) == ["run"]
    assert "Reshape" in verdict.problems[0].text


def test_too_slow(check: Check, tmp_path: Path) -> None:
    verdict = check(bundle(tmp_path, slow(256), arrays={"x": X, "y": X}, p95=0.0005))
    assert codes(verdict) == ["latency"], verdict
    assert "the budget is 0.5 ms" in verdict.problems[0].text
    assert verdict.latency is not None and verdict.latency.p95 > 0.0005


def test_too_large(check: Check, tmp_path: Path) -> None:
    graph = filled("3456, 8192")  # 108 MiB
    verdict = check(bundle(tmp_path, graph, arrays={"x": X, "y": X}, memory=100 * MIB))
    assert codes(verdict) == ["memory"], verdict
    assert "the budget is 100 MiB" in verdict.problems[0].text
    assert verdict.memory is not None
    assert 120 * MIB < verdict.memory.peak < 300 * MIB
    assert verdict.memory.session < 60 * MIB, "it grew when it ran"


def test_weights_count_as_session(check: Check, tmp_path: Path) -> None:
    verdict = check(bundle(tmp_path, weighted(0.0, 8 * MIB), arrays={"x": X, "y": X}))
    assert verdict.ok, verdict
    assert verdict.memory is not None and 30 * MIB < verdict.memory.session <= verdict.memory.peak


def test_without_golden_vectors_it_must_load_and_run_within_its_budgets(check: Check, tmp_path: Path) -> None:
    none = Golden(file="", rtol=0.0, atol=0.0)
    verdict = check(structs.replace(bundle(tmp_path), golden=none))
    assert verdict.ok, verdict
    assert verdict.latency is not None and verdict.latency.rows == 1 and verdict.memory is not None
    late = check(
        structs.replace(bundle(tmp_path, slow(400)), golden=none, budgets=Budgets(p95=1e-6, memory=MIB * 4096))
    )
    assert codes(late) == ["latency"]
    other = (Port(name="z", dtype="float32", shape=("batch", 3)),)
    assert "inputs" in codes(check(structs.replace(bundle(tmp_path, inputs=other), golden=none)))
