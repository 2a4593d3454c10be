"""Makes bundles for tests, good and bad, without any of the code under test but the signing."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import tarfile
from copy import deepcopy
from pathlib import Path
from typing import Any

from edged.adapters import ed25519
from edged.bundles import Limits, dsse

EXAMPLE = Path(__file__).resolve().parents[2] / "models" / "vibration-autoencoder"
MODEL = (EXAMPLE / "model.onnx").read_bytes()
SEED = bytes(range(32))
FILES_LIMIT = Limits(files=30, bytes=8 * 2**20)
PORTS = [{"name": "x", "dtype": "float32", "shape": ["n", 4]}]


def manifest(files: dict[str, bytes], /, **changes: Any) -> dict[str, Any]:
    """A config bundle's manifest for ``files``, or a model's when there is a model.onnx."""
    listed = [{"path": p, "size": len(d), "sha256": hashlib.sha256(d).hexdigest()} for p, d in files.items()]
    head: dict[str, Any] = {
        "format": 1, "kind": "config", "name": "b", "version": "1", "sequence": 3, "created": "2026-01-01T00:00:00Z",
        "files": listed,
    }  # fmt: skip
    if "model.onnx" in files:
        model = {"file": "model.onnx", "inputs": deepcopy(PORTS), "outputs": deepcopy(PORTS), "opset": 17}
        head |= {"kind": "model", "model": model}
    elif len(files) > 1:
        head["config"] = {"file": next(iter(files))}
    return head | changes


def dump(content: dict[str, Any]) -> bytes:
    return json.dumps(content).encode()


def write(folder: Path, files: dict[str, bytes], /, raw: bytes | None = None, **changes: Any) -> Path:
    """A bundle as a folder."""
    for path, data in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "manifest.json").write_bytes(dump(manifest(files, **changes)) if raw is None else raw)
    return folder


def pack(files: dict[str, bytes], form: int = tarfile.PAX_FORMAT) -> bytes:
    """Bytes of a tar with exactly these members."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as archive:
        for path, data in files.items():
            info = tarfile.TarInfo(path)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def sign(payload: bytes, keyid: str = "k", seed: bytes = SEED, kind: str = dsse.MANIFEST_TYPE) -> bytes:
    signature = dsse.Signature(keyid, ed25519.sign(seed, dsse.pae(kind, payload)))
    return dsse.encode(dsse.Envelope(kind, payload, (signature,)))


def public(seed: bytes = SEED) -> str:
    return base64.b64encode(ed25519.public_of(seed)).decode()
