"""Every reason to refuse, by its code; and the shipped bundle is taken."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from edged.adapters import ed25519
from edged.bundles import CODES, BundleRefused, Limits, Rules, Trust, open_source, parse, verify
from edged.bundles import trust as trusts

from .maker import EXAMPLE, MODEL, SEED, dump, manifest, public, sign, write

FILES = {"c.yaml": b"a: 1\n", "sub/d.txt": b"d"}


def refusal(path: Path, rules: Rules | None = None) -> str:
    with pytest.raises(BundleRefused) as caught, open_source(path) as source:
        verify(source, rules or Rules())
    assert caught.value.code in CODES and str(caught.value)
    return caught.value.code


def trust_of(role: str = "deployer", **more: Any) -> Trust:
    return trusts.parse(dump({"keys": [{"id": "k", "public": public(), "role": role} | more]}), "trust.yaml")


def signed_by(role: str = "deployer", **more: Any) -> Rules:
    return Rules(trust=trust_of(role, **more), check=ed25519.verify, device="press-7", now=1.8e9)


def test_the_example() -> None:
    with open_source(EXAMPLE) as source:
        checked = verify(source, Rules(kind="model", opset=17, ir_version=8, committed=1))
    assert checked.manifest.name == "vibration-autoencoder" and checked.key is None
    assert checked.manifest.model is not None and checked.manifest.model.budgets.p95_seconds == 0.02


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"format": 2, "news": 1}, "format"),
        ({"format": 0}, "manifest"),
        ({"format": True}, "manifest"),
        ({"format": "1"}, "manifest"),
        ({"kind": "script"}, "manifest"),
        ({"kind": "model"}, "manifest"),
        ({"extra": 1}, "manifest"),
        ({"name": "a/b"}, "manifest"),
        ({"version": "\x1b[0m"}, "manifest"),
        ({"sequence": -1}, "manifest"),
        ({"sequence": 2**53}, "manifest"),
        ({"sequence": 1.5}, "manifest"),
        ({"created": "yesterday"}, "manifest"),
        ({"created": "2026-01-01T00:00:00"}, "manifest"),
        ({"files": []}, "manifest"),
        ({"config": None}, "manifest"),
        ({"config": {"file": "other"}}, "manifest"),
        ({"files": [{"path": "c.yaml", "size": -1, "sha256": "0" * 64}]}, "manifest"),
        ({"files": [{"path": "c.yaml", "size": 1, "sha256": "F" * 64}]}, "manifest"),
        ({"files": [{"path": "../c", "size": 1, "sha256": "0" * 64}]}, "path"),
        ({"files": [{"path": "a", "size": 1, "sha256": "0" * 64}] * 2}, "path"),
    ],
)
def test_bad_manifests(tmp_path: Path, changes: dict[str, Any], code: str) -> None:
    assert refusal(write(tmp_path, FILES, **changes)) == code


@pytest.mark.parametrize(
    "raw",
    [b"", b"{", b"[]", b"null", b"\xff", b'{"format":1}', b"[" * 100_000, b'{"a":' * 100_000,
     b'{"format":' + b"9" * 5000 + b"}", b" " * (2**20 + 1),
     dump(manifest(FILES)).replace(b'"sequence"', b'"sequence": 9, "sequence"')],
    ids=range(11),
)  # fmt: skip
def test_no_manifests(tmp_path: Path, raw: bytes) -> None:
    with pytest.raises(BundleRefused) as caught:
        parse(raw)
    assert caught.value.code in ("manifest", "format")
    assert refusal(write(tmp_path, FILES, raw=raw)) in ("manifest", "format")


def test_budgets() -> None:
    model = manifest({"model.onnx": b""})
    for budgets in ({"p95": "20"}, {"p95": "0s"}, {"memory": "much"}, {"cpu": "1"}):
        model["model"]["budgets"] = budgets
        with pytest.raises(BundleRefused) as caught:
            parse(dump(model))
        assert caught.value.code == "manifest"


def test_files_against_the_list(tmp_path: Path) -> None:
    bundle = write(tmp_path / "b", FILES)
    file = bundle / "c.yaml"
    file.write_bytes(b"a: 2\n")
    assert refusal(bundle) == "digest_mismatch"
    file.write_bytes(b"a: 22\n")
    assert refusal(bundle) == "size_mismatch"
    file.unlink()
    assert refusal(bundle) == "missing_file"
    file.symlink_to("sub/d.txt")
    assert refusal(bundle) == "link"
    file.unlink()
    os.mkfifo(file)
    assert refusal(bundle) == "special_file"
    file.unlink()
    file.write_bytes(FILES["c.yaml"])
    (bundle / "more").write_bytes(b"")
    assert refusal(bundle) == "unlisted_file"
    (bundle / "more").rename(bundle / "back\\slash")
    assert refusal(bundle) == "unlisted_file"
    (bundle / "back\\slash").unlink()
    (bundle / "manifest.json").unlink()
    assert refusal(bundle) == "missing_file"
    assert refusal(Path("/dev/null")) == "special_file"


def test_rules(tmp_path: Path) -> None:
    bundle = write(tmp_path / "c", FILES)
    assert refusal(bundle, Rules(kind="model")) == "wrong_kind"
    assert refusal(bundle, Rules(committed=4)) == "sequence"
    assert refusal(bundle, Rules(limits=Limits(files=1))) == "too_many_files"
    assert refusal(bundle, Rules(limits=Limits(bytes=5))) == "too_large"
    with open_source(bundle) as source:
        digest = verify(source, Rules(committed=3)).digest
    assert refusal(bundle, Rules(quarantined={digest})) == "quarantined"
    with pytest.raises(BundleRefused) as caught:
        open_source(write(tmp_path / "many", {f"f{n}": b"" for n in range(40)}), most_files=10)
    assert caught.value.code == "too_many_files"


def test_models(tmp_path: Path) -> None:
    good = write(tmp_path / "good", {"model.onnx": MODEL})
    assert refusal(good, Rules(opset=16)) == "opset"
    assert refusal(good, Rules(ir_version=7)) == "runtime"
    model = {"file": "model.onnx", "inputs": [], "outputs": [], "opset": 17}
    assert refusal(write(tmp_path / "empty", {"model.onnx": MODEL}, model=model)) == "manifest"
    lying = manifest({"model.onnx": MODEL})
    lying["model"]["opset"] = 11
    assert refusal(write(tmp_path / "lying", {"model.onnx": MODEL}, raw=dump(lying))) == "opset"
    for name, data in {"nothing": b"", "text": b"hello world", "cut": MODEL[:-100]}.items():
        assert refusal(write(tmp_path / name, {"model.onnx": data})) == "malformed_model"


def test_signatures(tmp_path: Path) -> None:
    bundle = write(tmp_path / "b", FILES)
    raw = (bundle / "manifest.json").read_bytes()
    signature = bundle / "manifest.sig"
    assert refusal(bundle, signed_by()) == "unsigned"
    signature.write_bytes(sign(raw))
    with open_source(bundle) as source:
        checked = verify(source, signed_by(expires="2030-01-01T00:00:00Z", devices=["press-7"]))
    assert checked.key is not None and checked.key.id == "k"
    assert refusal(bundle, signed_by("viewer")) == "role"
    assert refusal(bundle, signed_by("operator")) == "role"
    assert refusal(bundle, signed_by(expires="2020-01-01T00:00:00Z")) == "expired_key"
    assert refusal(bundle, signed_by(devices=["press-8"])) == "wrong_device"
    assert refusal(bundle, signed_by(id="other")) == "unknown_key"
    assert refusal(bundle, signed_by(public=public(b"x" * 32))) == "bad_signature"
    signature.write_bytes(sign(raw + b" "))
    assert refusal(bundle, signed_by()) == "bad_signature"
    signature.write_bytes(sign(raw, kind="application/vnd.edged.command+json"))
    assert refusal(bundle, signed_by()) == "payload_type"
    for junk in (b"", b"{}", b"x" * (2 * 2**20 + 1), b'{"payload":"*","payloadType":"x","signatures":[{"sig":""}]}'):
        signature.write_bytes(junk)
        assert refusal(bundle, signed_by()) == "signature_format"
    # Without a trust file a signature is no reason for anything.
    signature.write_bytes(sign(raw, seed=SEED[::-1]))
    with open_source(bundle) as source:
        assert verify(source, Rules()).key is None


def test_an_unsigned_manifest_is_not_even_parsed(tmp_path: Path) -> None:
    assert refusal(write(tmp_path, {}, raw=b"[" * 100_000), signed_by()) == "unsigned"
    assert json.loads(sign(b"x"))["payloadType"] == "application/vnd.edged.manifest+json"
