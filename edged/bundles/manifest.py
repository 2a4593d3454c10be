"""``manifest.json``: its types, and what must hold between them. Pure."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct

from ..config.units import Unreadable, parse_duration, parse_size
from .names import check_distinct, check_path, shown
from .refusal import BundleRefused

T = TypeVar("T")

FORMAT = 1
MOST_MANIFEST = 2**20
"""Bytes. A thousand files need 150 KB."""
MOST_SIGNATURE = 2 * MOST_MANIFEST
"""Bytes. The envelope repeats the manifest in base64."""

Path = Annotated[str, Meta(min_length=1, max_length=1000)]
Text = Annotated[str, Meta(min_length=1, max_length=128, pattern=r"^[^\x00-\x1f\x7f]*$")]
Name = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$")]
# JavaScript and many a JSON reader lose what is beyond.
Number = Annotated[int, Meta(ge=0, le=2**53 - 1)]
Tolerance = Annotated[float, Meta(ge=0, le=1e6)]


class Part(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A piece of the manifest. An unknown key could change the meaning of the others, so it is refused."""


class File(Part, frozen=True, kw_only=True):
    path: Path
    size: Number
    sha256: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]


class Port(Part, frozen=True, kw_only=True):
    """One input or output. A dimension is a length, the name of a free one, or null."""

    name: Text
    dtype: Text
    shape: Annotated[tuple[Number | Text | None, ...], Meta(max_length=32)]


class Golden(Part, frozen=True, kw_only=True):
    """Inputs with the answers they must give, ``|answer - golden| <= atol + rtol * |golden|``."""

    file: Path
    rtol: Tolerance = 1e-4
    atol: Tolerance = 1e-5


class Budgets(Part, frozen=True, kw_only=True):
    p95: str = ""
    memory: str = ""

    @property
    def p95_seconds(self) -> float | None:
        return parse_duration(self.p95) if self.p95 else None

    @property
    def memory_bytes(self) -> int | None:
        return parse_size(self.memory) if self.memory else None


class Model(Part, frozen=True, kw_only=True):
    file: Path
    inputs: Annotated[tuple[Port, ...], Meta(min_length=1, max_length=256)]
    outputs: Annotated[tuple[Port, ...], Meta(min_length=1, max_length=256)]
    opset: Annotated[int, Meta(ge=1, le=1000)]
    golden: Golden | None = None
    budgets: Budgets = Budgets()
    reference: Path = ""
    smoke: Path = ""
    """Requests for the app itself, see ``smoke``."""


class AppConfig(Part, frozen=True, kw_only=True):
    """Which of the files is the configuration; needed only when there are several."""

    file: Path


class Manifest(Part, frozen=True, kw_only=True):
    format: Literal[1]
    kind: Literal["model", "config"]
    name: Name
    version: Text
    sequence: Number
    created: Text
    files: Annotated[tuple[File, ...], Meta(min_length=1)]
    model: Model | None = None
    config: AppConfig | None = None

    @property
    def total(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)

    @property
    def main(self) -> str:
        """Path of the model or the configuration file."""
        if self.model is not None:
            return self.model.file
        return self.config.file if self.config is not None else self.files[0].path


class _Head(Struct):
    format: Any = None


def digest(data: bytes) -> str:
    """What a bundle is known by: sha256 of ``manifest.json`` exactly as stored, hex."""
    return hashlib.sha256(data).hexdigest()


def parse(data: bytes) -> Manifest:
    """The manifest in ``data``, consistent in itself, or ``BundleRefused``."""
    if len(data) > MOST_MANIFEST:
        raise BundleRefused("manifest", f"manifest.json is larger than {MOST_MANIFEST} bytes")
    try:
        made_for = msgspec.json.decode(data, type=_Head).format
        if isinstance(made_for, int) and not isinstance(made_for, bool) and made_for > FORMAT:
            raise BundleRefused(
                "format", f"the bundle has format {made_for}, this edged reads up to {FORMAT}; update edged first"
            )
    except (msgspec.MsgspecError, RecursionError, ValueError) as error:
        raise BundleRefused("manifest", f"manifest.json: {_brief(error)}") from None
    manifest = strict(data, Manifest, "manifest", "manifest.json")
    _check(manifest)
    return manifest


def strict(data: bytes, kind: type[T], code: str, what: str) -> T:
    """JSON as a ``kind`` and nothing beside it, or ``BundleRefused`` with ``code``; ``what`` it is, for people."""
    try:
        read = msgspec.json.decode(data, type=kind)
        # Readers disagree on which of two equal keys counts, and msgspec takes one silently.
        json.loads(data, object_pairs_hook=_once)
    except (msgspec.MsgspecError, RecursionError, ValueError) as error:
        raise BundleRefused(code, f"{what}: {_brief(error)}") from None
    return read


def _once(pairs: list[tuple[str, Any]]) -> None:
    if len({key for key, _ in pairs}) != len(pairs):
        raise ValueError("a key is given twice")


def _check(manifest: Manifest) -> None:
    for file in manifest.files:
        check_path(file.path)
    paths = [file.path for file in manifest.files]
    check_distinct(paths)
    if (manifest.kind == "model") != (manifest.model is not None):
        raise BundleRefused("manifest", f"kind is {manifest.kind}, which does not go with its other keys")
    if manifest.config is not None and manifest.kind != "config":
        raise BundleRefused("manifest", "a model bundle has no key config")
    if manifest.kind == "config" and manifest.config is None and len(paths) > 1:
        raise BundleRefused("manifest", "config.file must say which of the files is the configuration")
    for named in _named(manifest):
        if named not in paths:
            raise BundleRefused("manifest", f"{shown(named)} is named, but not among the files")
    try:
        if datetime.fromisoformat(manifest.created).tzinfo is None:
            raise BundleRefused("manifest", "created has no time zone; write it like 2026-01-01T00:00:00Z")
        budgets = manifest.model.budgets if manifest.model is not None else Budgets()
        if budgets.p95_seconds == 0 or budgets.memory_bytes == 0:
            raise BundleRefused("manifest", "a budget of 0 can never be met; leave it out instead")
    except Unreadable as error:
        raise BundleRefused("manifest", f"a budget {error.reason} ({error.hint})") from None
    except ValueError:
        raise BundleRefused("manifest", "created is no time; write it like 2026-01-01T00:00:00Z") from None


def _named(manifest: Manifest) -> list[str]:
    model = manifest.model
    if model is None:
        return [manifest.config.file] if manifest.config is not None else []
    golden = [model.golden.file] if model.golden is not None else []
    return [model.file, *golden, *(path for path in (model.reference, model.smoke) if path)]


def _brief(error: Exception) -> str:
    text = "is nested too deeply" if isinstance(error, RecursionError) else str(error)
    return "".join(c if c.isprintable() else "?" for c in text[:200])
