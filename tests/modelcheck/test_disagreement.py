"""Both models over recorded inputs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from msgspec import structs
from onnx import save_model

from edged.modelcheck.types import Disagreement, ModelCheck, OutputDisagreement, Port

from .bundles import DOUBLE, ENDLESS, X, bundle, model
from .conftest import Check

ROWS = np.random.default_rng(1).normal(size=(130, 3)).astype(np.float32)


def against(request: ModelCheck, current: str, recorded: np.ndarray | dict[str, np.ndarray]) -> ModelCheck:
    """The request with another model as the current one."""
    folder = Path(request.model).parent
    save_model(model(current), folder / "current.onnx")
    if isinstance(recorded, dict):
        np.savez(folder / "recorded.npz", **recorded)
    else:
        np.save(folder / "recorded.npy", recorded)
    name = "recorded.npz" if isinstance(recorded, dict) else "recorded.npy"
    return structs.replace(request, current=str(folder / "current.onnx"), recorded=str(folder / name))


def disagreement(check: Check, request: ModelCheck) -> Disagreement:
    verdict = check(request)
    assert verdict.ok, verdict
    assert verdict.disagreement is not None
    return verdict.disagreement


def test_the_same_model_agrees(check: Check, tmp_path: Path) -> None:
    found = disagreement(check, against(bundle(tmp_path), DOUBLE, {"x": ROWS}))
    same = OutputDisagreement(output="y", mean=0, max=0, beyond=0, not_finite=0, argmax=None)
    assert found == Disagreement(rows=130, outputs=(same,))


def test_how_far_they_are_apart(check: Check, tmp_path: Path) -> None:
    """y is x + max(x, 0) now, 2x in the new one: equal where x is positive, x apart elsewhere."""
    current = "agraph (float[batch, 3] x) => (float[batch, 3] y) { r = Relu(x) y = Add(x, r) }"
    found = disagreement(check, against(bundle(tmp_path), current, ROWS))
    (output,) = found.outputs
    apart = np.maximum(-ROWS, 0)
    assert found.rows == 130
    assert output.mean == pytest.approx(apart.mean(), rel=1e-5)
    assert output.max == pytest.approx(apart.max(), rel=1e-5)
    assert output.beyond == pytest.approx((ROWS < 0).any(axis=1).mean(), abs=0.01)


def test_classes_that_change(check: Check, tmp_path: Path) -> None:
    graph = """agraph (float[batch, 3] x) => (float[batch, 2] y) {{
        w = Constant<value = float[3, 2] {{{0}}}>()
        y = MatMul(x, w)
    }}"""
    new, old = graph.format("1.0, 0.0, 0.0, 1.0, 0.0, 0.0"), graph.format("0.0, 1.0, 1.0, 0.0, 0.0, 0.0")
    outputs = (Port(name="y", dtype="float32", shape=("batch", 2)),)
    request = bundle(tmp_path, new, outputs=outputs, arrays={"x": X, "y": X[:, :2]})
    (output,) = disagreement(check, against(request, old, ROWS)).outputs
    assert output.argmax == 1.0
    (output,) = disagreement(check, against(request, new, ROWS)).outputs
    assert output.argmax == 0.0


def test_nan_on_real_inputs_is_seen(check: Check, tmp_path: Path) -> None:
    graph = "agraph (float[batch, 3] x) => (float[batch, 3] y) { y = Sqrt(x) }"
    request = bundle(tmp_path, graph, arrays={"x": X, "y": np.sqrt(X)})
    (output,) = disagreement(check, against(request, DOUBLE, ROWS)).outputs
    assert output.not_finite == pytest.approx((ROWS < 0).any(axis=1).mean())
    assert output.beyond == 1.0
    assert np.isfinite([output.mean, output.max]).all()


def test_a_model_for_one_row_at_a_time(check: Check, tmp_path: Path) -> None:
    one = DOUBLE.replace("batch", "1")
    port = Port(name="x", dtype="float32", shape=(1, 3))
    request = bundle(
        tmp_path, one, inputs=(port,), outputs=(structs.replace(port, name="y"),), arrays={"x": X[:1], "y": X[:1] * 2}
    )
    assert disagreement(check, against(request, one, ROWS[:20])).rows == 20


@pytest.mark.parametrize(
    ("recorded", "words"),
    [
        (ROWS.astype(np.float64), "do not fit: 'x' is float64"),
        (ROWS[:, :2], "do not fit: 'x' is float32 [130, 2]"),
        ({"z": ROWS}, "do not fit: 'x' is missing"),
        (np.float32(1), "do not fit: 'x' is float32 []"),
    ],
)
def test_a_recording_that_does_not_fit(check: Check, tmp_path: Path, recorded: np.ndarray, words: str) -> None:
    assert words in disagreement(check, against(bundle(tmp_path), DOUBLE, recorded)).note


def test_a_recording_or_current_model_that_cannot_be_read(check: Check, tmp_path: Path) -> None:
    request = against(bundle(tmp_path), DOUBLE, ROWS)
    for path in (request.current, request.recorded):
        Path(path).write_bytes(b"junk")
        assert disagreement(check, request).note.startswith("ended after 0 rows: ")
        assert disagreement(check, request).rows == 0


def test_a_current_model_with_other_inputs(check: Check, tmp_path: Path) -> None:
    other = "agraph (float[batch, 3] z) => (float[batch, 3] y) { y = Add(z, z) }"
    assert disagreement(check, against(bundle(tmp_path), other, ROWS)).note == "the current model takes other inputs"


def test_time_bounds_the_comparison(check: Check, tmp_path: Path) -> None:
    request = structs.replace(against(bundle(tmp_path), DOUBLE, ROWS), compare_seconds=0.0)
    found = disagreement(check, request)
    assert (found.rows, found.note) == (16, "only 16 of 130 rows: the time for it was over")


def test_a_current_model_that_hangs_does_not_keep_the_new_one_out(check: Check, tmp_path: Path) -> None:
    verdict = check(against(bundle(tmp_path), ENDLESS, ROWS), timeout=8)
    assert verdict.ok and verdict.latency is not None
    assert verdict.disagreement == Disagreement(
        note="ended after 8 s, while it was at: the current model, on recorded inputs"
    )


def test_a_new_model_that_hangs_on_real_inputs_is_kept_out(check: Check, tmp_path: Path) -> None:
    """It turns as often as its largest input says: not at all for the golden ones."""
    graph = """agraph (float[batch, 3] x) => (float[batch, 3] y) {
        go = Constant<value = bool {1}>()
        largest = ReduceMax<keepdims = 0>(x)
        most = Cast<to = 7>(largest)
        y = Loop(most, go, x) <body = turn (int64 i, bool again, float[batch, 3] have)
            => (bool more, float[batch, 3] next) {
            more = Identity(again)
            next = Sin(have)
        }>
    }"""
    request = bundle(tmp_path, graph, arrays={"x": -X, "y": -X})
    verdict = check(against(request, DOUBLE, np.full((4, 3), 1e18, np.float32)), timeout=8)
    assert [problem.code for problem in verdict.problems] == ["hung"]
    assert verdict.stage == "the new model, on recorded inputs"
    assert not verdict.ok
