"""The shipped example bundle is what its manifest says and what `make_bundle.py` makes, and finds faults."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import sys
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

MODELS = Path(__file__).resolve().parents[2] / "models"
BUNDLE = MODELS / "vibration-autoencoder"
BUILT_WITH = {"numpy": "2.4.6", "onnx": "1.23.2"}  # other versions may write other bytes for the same model


@pytest.fixture(scope="module")
def maker() -> ModuleType:
    """`models/make_bundle.py` as a module; it is a script, not part of any package."""
    spec = importlib.util.spec_from_file_location("make_bundle", MODELS / "make_bundle.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def manifest() -> dict[str, Any]:
    content: dict[str, Any] = json.loads((BUNDLE / "manifest.json").read_text())
    return content


@pytest.fixture(scope="module")
def session() -> Any:
    """The shipped model in a real onnxruntime, which must not report to its maker from a test run either."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ORT_DISABLE_TELEMETRY", "1")
        import onnxruntime

        return onnxruntime.InferenceSession(BUNDLE / "model.onnx", providers=["CPUExecutionProvider"])


def score(session: Any, windows: NDArray[Any]) -> NDArray[np.float32]:
    """Scores [n] of windows [n, 64] in g."""
    return np.asarray(session.run(["score"], {"window": windows.astype(np.float32)})[0])


def test_manifest_has_the_agreed_fields(manifest: dict[str, Any]) -> None:
    wide = {"dtype": "float32", "shape": ["batch", 64]}
    model = manifest.pop("model")
    files = manifest.pop("files")
    assert manifest == {
        "format": 1,
        "kind": "model",
        "name": "vibration-autoencoder",
        "version": "1.0.0",
        "sequence": 1,
        "created": "2026-01-01T00:00:00Z",
    }
    assert [entry["path"] for entry in files] == ["model.onnx", "golden.npz"]
    assert model == {
        "file": "model.onnx",
        "inputs": [{"name": "window", **wide}],
        "outputs": [{"name": "score", "dtype": "float32", "shape": ["batch"]}, {"name": "reconstruction", **wide}],
        "opset": 17,
        "golden": {"file": "golden.npz", "rtol": 1e-4, "atol": 1e-5},
        "budgets": {"p95": "20ms", "memory": "200MiB"},
    }


def test_manifest_text_is_canonical() -> None:
    text = (BUNDLE / "manifest.json").read_text()
    assert text == json.dumps(json.loads(text), indent=2, sort_keys=True) + "\n"


def test_files_match_their_digests_and_nothing_else_is_shipped() -> None:
    files = json.loads((BUNDLE / "manifest.json").read_text())["files"]
    for entry in files:
        data = (BUNDLE / entry["path"]).read_bytes()
        assert entry["size"] == len(data)
        assert entry["sha256"] == hashlib.sha256(data).hexdigest()
    assert {path.name for path in BUNDLE.iterdir()} == {entry["path"] for entry in files} | {"manifest.json"}
    assert sum(path.stat().st_size for path in BUNDLE.iterdir()) < 100_000


def test_model_declares_the_promised_ports_opset_and_old_enough_format(session: Any) -> None:
    import onnx

    model = onnx.load(BUNDLE / "model.onnx")
    assert [(opset.domain, opset.version) for opset in model.opset_import] == [("", 17)]
    assert model.ir_version == 8
    assert [(p.name, p.type, p.shape) for p in session.get_inputs()] == [("window", "tensor(float)", ["batch", 64])]
    assert [(p.name, p.type, p.shape) for p in session.get_outputs()] == [
        ("score", "tensor(float)", ["batch"]),
        ("reconstruction", "tensor(float)", ["batch", 64]),
    ]


def test_golden_vectors_are_reproduced(session: Any) -> None:
    with np.load(BUNDLE / "golden.npz", allow_pickle=False) as stored:
        golden = dict(stored)
    assert {name: array.dtype.name for name, array in golden.items()} == dict.fromkeys(
        ("window", "score", "reconstruction"), "float32"
    )
    got = session.run(["score", "reconstruction"], {"window": golden["window"]})
    np.testing.assert_allclose(got[0], golden["score"], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(got[1], golden["reconstruction"], rtol=1e-4, atol=1e-5)


def test_golden_vectors_are_not_batch_dependent(session: Any) -> None:
    with np.load(BUNDLE / "golden.npz", allow_pickle=False) as stored:
        windows, expected = stored["window"], stored["score"]
    singly = [score(session, window[None])[0] for window in windows]
    np.testing.assert_allclose(singly, expected, rtol=1e-4, atol=1e-5)


def test_faults_score_higher_than_normals(session: Any, maker: ModuleType) -> None:
    rng = np.random.default_rng(2026)
    normal = score(session, maker.normal_windows(rng, 5000))
    bearing = score(session, maker.bearing_windows(rng, 1000, peak=0.5))
    unbalanced = score(session, maker.normal_windows(rng, 1000, imbalance=1.6))
    assert (normal > 1).mean() < 0.005
    assert (bearing > 1).mean() > 0.99
    assert (unbalanced > 1).mean() > 0.99
    assert np.median(normal) < np.median(bearing) / 3
    assert np.median(normal) < np.median(unbalanced) / 3


def test_a_rebuild_gives_the_shipped_bundle(maker: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    exact = all(version(package) == wanted for package, wanted in BUILT_WITH.items())
    code = maker.main(["--check"])
    said = capsys.readouterr().out
    assert "model scores" not in said
    assert code == 0 or not exact, said


def test_check_notices_a_changed_file(maker: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for path in BUNDLE.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "manifest.json").write_text("{}\n")
    # A rebuild by copying: training again would only cost time here.
    monkeypatch.setattr(
        maker, "build", lambda to: [(to / p.name).write_bytes(p.read_bytes()) for p in BUNDLE.iterdir()]
    )
    assert maker.check(tmp_path) == ["manifest.json"]
    assert maker.main(["--check", "-o", str(tmp_path)]) == 1
