"""Making bundles: the manifest for a folder of files, signatures, and the tar. For the developer's machine."""

from __future__ import annotations

import io
import json
import os
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from ..inputs.reference import MOST_BYTES as MOST_REFERENCE
from . import dsse, onnx_file, smoke
from . import manifest as manifests
from .blob import BLOCK, Blob
from .folders import scan
from .manifest import AppConfig, Budgets, File, Golden, Model
from .names import MANIFEST, RESERVED, SIGNATURE, check_path
from .refusal import BundleRefused, Refusal
from .source import MOST_FILES, Source
from .verify import check_reference


def list_files(folder: Path) -> tuple[File, ...]:
    """Every file below ``folder`` but manifest and signature, sorted. Raises ``BundleRefused`` or ``OSError``."""
    root = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        paths = sorted(scan(root, MOST_FILES + len(RESERVED)).keys() - RESERVED)
    finally:
        os.close(root)
    files = []
    for path in paths:
        check_path(path)
        with Blob.of_file(folder / path) as blob:
            files.append(File(path=path, size=blob.size, sha256=blob.sha256()))
    return tuple(files)


def describe_model(
    folder: Path, file: str, golden: Golden | None, budgets: Budgets, reference: str, smoke_test: str = ""
) -> Model:  # fmt: skip
    """What the manifest says about a model: ports and opset are read from the ONNX file itself."""
    check_path(file)
    with Blob.of_file(folder / file) as blob:
        found = onnx_file.read(blob.read_at, blob.size)
    if smoke_test:
        check_path(smoke_test)
        with Blob.of_file(folder / smoke_test) as blob:
            smoke.parse(blob.read_at(0, smoke.MOST_BYTES + 1))
    if reference:
        check_path(reference)
        with Blob.of_file(folder / reference) as blob:
            check_reference(blob.read_at(0, MOST_REFERENCE + 1), reference)
    return Model(
        file=file,
        inputs=found.inputs,
        outputs=found.outputs,
        opset=found.opset,
        golden=golden,
        budgets=budgets,
        reference=reference,
        smoke=smoke_test,
    )


def render(
    *, kind: str, name: str, version: str, sequence: int, created: str, files: tuple[File, ...],
    model: Model | None = None, config: AppConfig | None = None,
) -> bytes:  # fmt: skip
    """``manifest.json``, checked by the same eyes as on the device. Raises ``BundleRefused``."""
    content = {
        "format": manifests.FORMAT, "kind": kind, "name": name, "version": version, "sequence": sequence,
        "created": created, "files": msgspec.to_builtins(files),
    }  # fmt: skip
    if model is not None:
        content["model"] = _without_empty(msgspec.to_builtins(model))
    if config is not None:
        content["config"] = msgspec.to_builtins(config)
    data = (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode()
    manifests.parse(data)
    return data


def sign(source: Source, keyid: str, signer: Callable[[bytes], bytes]) -> bytes:
    """``manifest.sig`` with a signature added, or renewed if that key has signed before.

    Signatures for another manifest are left behind. Raises nothing about them: they meant nothing any more.
    """
    kept: tuple[dsse.Signature, ...] = ()
    if source.signature is not None:
        try:
            before = dsse.decode(source.signature, manifests.MOST_SIGNATURE)
        except Refusal:
            before = None
        if before is not None and (before.payload_type, before.payload) == (dsse.MANIFEST_TYPE, source.manifest):
            kept = tuple(s for s in before.signatures if s.keyid != keyid)
    added = dsse.Signature(keyid, signer(dsse.pae(dsse.MANIFEST_TYPE, source.manifest)))
    if len(kept) >= dsse.MOST_SIGNATURES:
        raise BundleRefused("signature_format", f"the bundle has {len(kept)} signatures already")
    return dsse.encode(dsse.Envelope(dsse.MANIFEST_TYPE, source.manifest, (*kept, added)))


def pack(raw: bytes, signature: bytes | None, content: Callable[[str], Blob], target: Path) -> None:
    """Writes ``target`` as a tar of the bundle: the same bytes for the same bundle, whoever packs it, and when.

    ``raw`` is the manifest; ``content`` opens its files. Raises ``BundleRefused`` or ``OSError``.
    """
    manifest = manifests.parse(raw)
    temporary = target.with_name(f".{target.name}.part")
    try:
        with temporary.open("wb") as stream:
            with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive:
                _add(archive, MANIFEST, len(raw), io.BytesIO(raw))
                if signature is not None:
                    _add(archive, SIGNATURE, len(signature), io.BytesIO(signature))
                for file in manifest.files:
                    with content(file.path) as blob:
                        _add(archive, file.path, file.size, io.BufferedReader(_BlobFile(blob), BLOCK))
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


class _BlobFile(io.RawIOBase):
    def __init__(self, blob: Blob) -> None:
        self._blob = blob
        self._offset = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        part = self._blob.read_at(self._offset, len(buffer))
        buffer[: len(part)] = part
        self._offset += len(part)
        return len(part)


def _add(archive: tarfile.TarFile, path: str, size: int, content: io.BytesIO | io.BufferedReader) -> None:
    info = tarfile.TarInfo(path)
    info.size = size
    archive.addfile(info, content)


def _without_empty(model: dict[str, object]) -> dict[str, object]:
    budgets = model["budgets"]
    assert isinstance(budgets, dict)
    model["budgets"] = {name: value for name, value in budgets.items() if value}
    return {name: value for name, value in model.items() if value not in (None, "", {})}
