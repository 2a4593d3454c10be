"""``edged key`` and ``edged bundle`` as a developer and an operator use them."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bundles.maker import EXAMPLE
from tests.fixtures.engine import REPO


def call(*args: str | Path, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "edged", *map(str, args)],
        capture_output=True, text=True, timeout=60, env=os.environ | env,
    )  # fmt: skip


@pytest.fixture
def key(tmp_path: Path) -> Path:
    """A private key; ``trust.yaml`` beside it, the template with one line more, knows it."""
    made = call("key", "new", tmp_path / "release.key", "--id", "release 2026")
    assert made.returncode == 0, made.stderr
    (tmp_path / "trust.yaml").write_text((REPO / "config/trust.yaml").read_text() + made.stdout)
    return tmp_path / "release.key"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(EXAMPLE, tmp_path / "files")
    (tmp_path / "files/manifest.json").unlink()
    return tmp_path / "files"


NEW = ("--kind", "model", "--name", "d", "--version", "2", "--sequence", "7", "--model", "model.onnx")


def test_keys(key: Path, tmp_path: Path) -> None:
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    before = key.read_bytes()
    again = call("key", "new", key, "--id", "x")
    assert again.returncode == 1 and "exists already" in again.stderr and key.read_bytes() == before
    assert call("key", "show", key).stdout in (tmp_path / "trust.yaml").read_text()
    assert json.loads(call("key", "show", key, "--json").stdout)["id"] == "release 2026"
    assert before.decode().split()[-1].strip('"') not in call("key", "show", key).stdout
    key.chmod(0o640)
    assert call("key", "show", key).returncode == 2
    assert call("key", "show", tmp_path / "none").returncode == 2
    assert call("key", "new", tmp_path / "k", "--id", "").returncode == 2
    key.chmod(0o600)
    key.write_text("id: x\nprivate: c2VjcmV0\n")
    broken = call("key", "show", key)
    assert broken.returncode == 2 and "release.key:2: private" in broken.stderr and "c2VjcmV0" not in broken.stderr


def test_from_files_to_a_verified_tar(key: Path, folder: Path, tmp_path: Path) -> None:
    tar, trust = tmp_path / "d.tar", tmp_path / "trust.yaml"
    golden = ("--golden", "golden.npz", "--rtol", "1e-3", "--p95", "20ms", "--memory", "200MiB")
    made = call("bundle", "new", folder, *NEW, *golden, "-o", tar, SOURCE_DATE_EPOCH="1767225600")
    assert made.returncode == 0, made.stderr
    assert sorted(p.name for p in folder.iterdir()) == ["golden.npz", "model.onnx"]
    shown = json.loads(call("bundle", "show", tar, "--json").stdout)
    model = shown["manifest"]["model"]
    assert model["inputs"] == [{"name": "window", "dtype": "float32", "shape": ["batch", 64]}]
    assert (model["opset"], model["golden"]) == (17, {"file": "golden.npz", "rtol": 1e-3, "atol": 1e-5})
    assert model["budgets"] == {"p95": "20ms", "memory": "200MiB"} and shown["signatures"] == []
    assert shown["manifest"]["created"] == "2026-01-01T00:00:00Z"
    unsigned = call("bundle", "verify", tar, "--trust", trust)
    assert unsigned.returncode == 3 and "[unsigned]" in unsigned.stderr
    first = tar.read_bytes()
    assert call("bundle", "sign", tar, "--key", key).returncode == 0
    verified = call("bundle", "verify", tar, "--trust", trust, "--json")
    assert verified.returncode == 0 and json.loads(verified.stdout)["signed_by"] == "release 2026"
    assert "digest" in shown and json.loads(verified.stdout)["digest"] == shown["digest"]
    assert call("bundle", "new", folder, *NEW, *golden, "-o", tar, SOURCE_DATE_EPOCH="1767225600").returncode == 0
    assert tar.read_bytes() == first
    trust.write_text(trust.read_text().replace("deployer", "viewer"))
    call("bundle", "sign", tar, "--key", key)
    refused = call("bundle", "verify", tar, "--trust", trust, "--json")
    assert refused.returncode == 3 and json.loads(refused.stdout)["reason"] == "role"


def test_a_folder_with_two_signatures(key: Path, folder: Path, tmp_path: Path) -> None:
    assert call("bundle", "new", folder, *NEW).returncode == 0
    assert call("bundle", "new", folder, *NEW).returncode == 1
    call("key", "new", tmp_path / "b.key", "--id", "b")
    for name in ("b.key", "release.key", "b.key"):
        assert call("bundle", "sign", folder, "--key", tmp_path / name).returncode == 0
    assert json.loads(call("bundle", "show", folder, "--json").stdout)["signatures"] == ["release 2026", "b"]
    assert (
        "signed by release 2026 (deployer)"
        in call("bundle", "verify", folder, "--trust", tmp_path / "trust.yaml").stdout
    )
    assert "by whom was not checked" in call("bundle", "verify", folder).stdout
    (folder / "golden.npz").write_bytes(b"x")
    refused = call("bundle", "sign", folder, "--key", key)
    assert refused.returncode == 3 and "[size_mismatch]" in refused.stderr
    assert call("bundle", "new", folder, *NEW, "--force").returncode == 0
    assert not (folder / "manifest.sig").exists()


def test_what_is_refused(folder: Path, tmp_path: Path) -> None:
    nothing = call("bundle", "verify", tmp_path / "none.tar")
    assert nothing.returncode == 1 and "none.tar" in nothing.stderr
    assert call("bundle", "verify", folder).returncode == 3
    bad_trust = tmp_path / "trust.yaml"
    bad_trust.write_text("keys:\n  - {id: a, role: boss, public: x}\n")
    told = call("bundle", "verify", EXAMPLE, "--trust", bad_trust)
    assert told.returncode == 2 and "trust.yaml:2: keys.0.role" in told.stderr
    for wrong in (("--kind", "model"), ("--kind", "config", "--p95", "1s"), ("--kind", "config", "--rtol", "1")):
        assert call("bundle", "new", folder, *wrong, "--name", "x", "--version", "1", "--sequence", "1").returncode == 2
    link = folder / "link"
    link.symlink_to("model.onnx")
    refused = call("bundle", "new", folder, *NEW)
    assert refused.returncode == 3 and "[link]" in refused.stderr
    link.unlink()
    (folder / "model.onnx").write_bytes(b"no model")
    refused = call("bundle", "new", folder, *NEW)
    assert refused.returncode == 3 and "[malformed_model]" in refused.stderr


def test_a_configuration(tmp_path: Path) -> None:
    (tmp_path / "c").mkdir()
    (tmp_path / "c/config.yaml").write_text("a: 1\n")
    assert call(
        "bundle", "new", tmp_path / "c", "--kind", "config", "--name", "c", "--version", "1", "--sequence", "1"
    ).returncode == 0  # fmt: skip
    shown = call("bundle", "show", tmp_path / "c")
    assert shown.returncode == 0 and "config c 1, sequence 1" in shown.stdout and "config.yaml  5B" in shown.stdout


def test_the_example_and_help() -> None:
    assert call("bundle", "verify", EXAMPLE).returncode == 0
    assert "window: float32 ['batch', 64]" in call("bundle", "show", EXAMPLE).stdout
    for verb in (
        ("key",),
        ("key", "new"),
        ("key", "show"),
        ("bundle",),
        *(("bundle", w) for w in ("new", "sign", "verify", "show")),
    ):
        told = call(*verb, "--help")
        assert told.returncode == 0 and "example: edged" in told.stdout
    assert call("bundle").returncode == 2


def test_smoke_inputs(folder: Path) -> None:
    smoke = folder / "smoke.json"
    smoke.write_text(json.dumps({"requests": [{"path": "http://elsewhere/"}]}))
    refused = call("bundle", "new", folder, *NEW, "--smoke", "smoke.json")
    assert refused.returncode == 3 and "[smoke]" in refused.stderr and not (folder / "manifest.json").exists()
    smoke.write_text(json.dumps({"requests": [{"path": "/predict", "expect": {"status": 200}}]}))
    assert call("bundle", "new", folder, *NEW, "--smoke", "smoke.json").returncode == 0
    assert "smoke    smoke.json" in call("bundle", "show", folder).stdout
    assert call("bundle", "verify", folder).returncode == 0
    missing = call("bundle", "new", folder, *NEW, "--smoke", "none.json", "--force")
    assert missing.returncode == 1 and "none.json" in missing.stderr
    config = ("--kind", "config", "--name", "x", "--version", "1", "--sequence", "1", "--smoke", "smoke.json")
    assert call("bundle", "new", folder, *config).returncode == 2
