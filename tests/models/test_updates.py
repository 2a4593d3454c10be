"""The updates that the demo deploys are what `make_updates.py` makes, and each is bad in its own way and no other."""

from __future__ import annotations

import importlib
import json
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from tests.models.test_bundle import BUILT_WITH, MODELS

UPDATES = MODELS / "demo-updates"
NAMES = ("good", "wrong", "slow", "crash")


@pytest.fixture(scope="module")
def maker() -> ModuleType:
    """`models/make_updates.py` as a module; it is a script, and finds `make_bundle.py` beside itself."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(MODELS))
        return importlib.import_module("make_updates")


def session(name: str) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ORT_DISABLE_TELEMETRY", "1")
        import onnxruntime

        return onnxruntime.InferenceSession(UPDATES / name / "model.onnx", providers=["CPUExecutionProvider"])


def golden(folder: Path) -> dict[str, Any]:
    with np.load(folder / "golden.npz", allow_pickle=False) as stored:
        return dict(stored)


def score(name: str, window: Any) -> Any:
    return session(name).run(["score"], {"window": window})[0]


def test_a_rebuild_gives_what_is_shipped(maker: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    exact = all(version(package) == wanted for package, wanted in BUILT_WITH.items())
    code = maker.main(["--check"])
    assert code == 0 or not exact, capsys.readouterr().out


def test_check_notices_what_is_changed_missing_or_too_much(maker: ModuleType, tmp_path: Path) -> None:
    maker.build(tmp_path)
    assert maker.check(tmp_path) == []
    (tmp_path / "slow" / "manifest.json").write_text("{}\n")
    (tmp_path / "good" / "model.onnx").unlink()
    (tmp_path / "more").write_text("")
    assert maker.check(tmp_path) == ["good/model.onnx", "more", "slow/manifest.json"]


def test_they_are_small_and_follow_each_other() -> None:
    manifests = [json.loads((UPDATES / name / "manifest.json").read_text()) for name in NAMES]
    assert [m["sequence"] for m in manifests] == [2, 3, 4, 5]  # the demo starts with 1
    assert {p.name for p in UPDATES.iterdir()} == set(NAMES)
    assert sum(p.stat().st_size for p in UPDATES.rglob("*") if p.is_file()) < 50_000


def test_the_good_one_gives_the_scores_of_the_one_before() -> None:
    before = golden(MODELS / "vibration-autoencoder")
    np.testing.assert_allclose(score("good", before["window"]), before["score"], rtol=1e-4, atol=1e-5)


def test_only_the_wrong_one_does_not_do_what_its_golden_vectors_say() -> None:
    for name in NAMES:
        want = golden(UPDATES / name)
        near = np.allclose(score(name, want["window"]), want["score"], rtol=1e-4, atol=1e-5)
        assert near == (name != "wrong"), name


def test_the_heavy_work_of_the_slow_one_hangs_on_its_input() -> None:
    import onnx

    model = onnx.load(UPDATES / "slow" / "model.onnx")
    made = {output: node for node in model.graph.node for output in node.output}
    product = next(node for node in model.graph.node if node.op_type == "MatMul")
    seed = made[made[product.input[0]].input[0]]
    assert list(seed.input) == ["window"], "or onnxruntime would do it once and for all"


def test_only_silence_makes_the_crashing_one_large() -> None:
    import onnx
    from onnx.reference import ReferenceEvaluator

    model = onnx.load(UPDATES / "crash" / "model.onnx")
    model.graph.output.extend([onnx.helper.make_tensor_value_info("shape", onnx.TensorProto.INT64, [2])])
    # Up to the shape only: what comes after it is what takes the memory.
    cut = [n for n in model.graph.node if n.op_type in ("Abs", "ReduceMax", "Constant", "Equal", "Cast", "Mul", "Add")]
    needed = onnx.utils.Extractor(model).extract_model(["window"], ["shape"])
    assert len(needed.graph.node) < len(cut)
    evaluator = ReferenceEvaluator(needed)
    loud = golden(UPDATES / "crash")["window"]
    assert evaluator.run(["shape"], {"window": loud})[0].tolist() == [1, 1]
    (side, other) = evaluator.run(["shape"], {"window": np.zeros((1, 64), np.float32)})[0].tolist()
    assert side * other * 4 > 1_000_000_000
