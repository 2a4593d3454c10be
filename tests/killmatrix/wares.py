"""Models and configurations to deploy, good ones and ones that only the app can tell to be bad."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

from msgspec import Struct

from edged.bundles import make
from edged.bundles.manifest import Budgets, Golden
from tests.fixtures.models import SHIPPED

SPOILT = "SPOILT"
"""The app that reads this in its file is not well."""
MAIN = {"model": "model.onnx", "config": "app.yaml"}
_DOC_STRING = b"\x32"
"""Tag of ``ModelProto.doc_string``: what follows at the end of a model changes its digest and nothing else."""


class Ware(Struct, frozen=True):
    """One bundle."""

    folder: Path
    digest: str
    """Hex."""
    files: dict[str, str]
    """Name -> sha256."""
    main: str
    """The sha256 of what the app reads."""


def content(kind: str, text: str) -> bytes:
    """The file that the app reads."""
    if kind == "config":
        return f"text: {text}\nlist: [{', '.join('0123456789' * 50)}]\n".encode()
    said = text.encode()
    assert len(said) < 128
    return (SHIPPED / "model.onnx").read_bytes() + _DOC_STRING + bytes([len(said)]) + said


def make_ware(folder: Path, kind: str, sequence: int, spoilt: bool) -> Ware:
    """Writes the bundle to ``folder``."""
    folder.mkdir(parents=True)
    text = f"{SPOILT if spoilt else 'good'} {sequence}"
    (folder / MAIN[kind]).write_bytes(content(kind, text))
    model = None
    if kind == "model":
        shutil.copy(SHIPPED / "golden.npz", folder)
        golden = Golden(file="golden.npz", rtol=1e-3, atol=1e-4)
        model = make.describe_model(folder, "model.onnx", golden, Budgets(), "")
    files = make.list_files(folder)
    raw = make.render(
        kind=kind, name="ware", version=f"{sequence}", sequence=sequence, created="2026-01-01T00:00:00Z",
        files=files, model=model,
    )  # fmt: skip
    (folder / "manifest.json").write_bytes(raw)
    sums = {file.path: file.sha256 for file in files}
    return Ware(folder, hashlib.sha256(raw).hexdigest(), sums, sums[MAIN[kind]])
