"""Whether a bundle may be used here: who signed it, what it says, and that every file is what it says."""

from __future__ import annotations

from collections.abc import Container

from msgspec import Struct

from ..inputs import reference
from . import dsse, onnx_file, smoke
from . import manifest as manifests
from .blob import Blob
from .manifest import File, Manifest
from .names import check_path, shown
from .refusal import BundleRefused, Refusal
from .source import MOST_FILES, Source
from .trust import SIGNERS, Key, Trust


class Limits(Struct, frozen=True, kw_only=True):
    """How large a bundle may be."""

    files: int = MOST_FILES
    bytes: int = 4 * 2**30


class Rules(Struct, frozen=True, kw_only=True):
    """What this device asks of a bundle. The defaults ask for nothing but that it is whole."""

    trust: Trust | None = None
    """``None``: signatures are not looked at."""
    check: dsse.CheckSignature | None = None
    """Needed with ``trust``."""
    device: str = ""
    now: float = 0.0
    """Unix time, for keys that expire."""
    kind: str = ""
    """``model`` or ``config``; empty for either."""
    committed: int = 0
    """The highest sequence ever committed. 0 for a rollback."""
    quarantined: Container[str] = ()
    """Digests that failed here before."""
    opset: int | None = None
    """The highest that the runtime knows."""
    ir_version: int | None = None
    limits: Limits = Limits()


class Checked(Struct, frozen=True):
    manifest: Manifest
    digest: str
    """sha256 of ``manifest.json``, hex."""
    key: Key | None
    """Who signed, when there was a trust file."""


def inspect(manifest: bytes, signature: bytes | None, rules: Rules) -> Checked:
    """Everything that can be told without the files. The signature comes first: nothing unsigned is even parsed.

    Raises ``BundleRefused``.
    """
    key = _signer(manifest, signature, rules)
    checked = Checked(manifests.parse(manifest), manifests.digest(manifest), key)
    _check_rules(checked, rules)
    return checked


def verify(source: Source, rules: Rules) -> Checked:
    """Everything, every byte read once, nothing written. Raises ``BundleRefused`` or ``OSError``."""
    checked = inspect(source.manifest, source.signature, rules)
    check_listing(checked.manifest, source.sizes, frozenset())
    for file in checked.manifest.files:
        with source.open(file.path) as blob:
            check_size(file, blob.size)
            check_digest(file, blob.sha256())
    for file in checked.manifest.files:
        if is_read(checked.manifest, file):
            with source.open(file.path) as blob:
                check_content(checked.manifest, file, blob, rules)
    return checked


def check_listing(manifest: Manifest, sizes: dict[str, int], held: Container[str]) -> None:
    """The files there are against those listed, by name and size. ``held``: paths that may be missing."""
    listed = {file.path for file in manifest.files}
    for path in sorted(sizes.keys() - listed):
        raise BundleRefused("unlisted_file", f"{shown(path)} is not listed in manifest.json")
    for file in manifest.files:
        if file.path in sizes:
            check_size(file, sizes[file.path])
        elif file.path not in held:
            raise BundleRefused("missing_file", f"{shown(file.path)} is listed in manifest.json, but not there")


def check_size(file: File, size: int) -> None:
    if size != file.size:
        raise BundleRefused("size_mismatch", f"{shown(file.path)} has {size} bytes, manifest.json says {file.size}")


def check_digest(file: File, sha256: str) -> None:
    if sha256 != file.sha256:
        raise BundleRefused(
            "digest_mismatch", f"{shown(file.path)} has sha256 {sha256[:16]}…, manifest.json says {file.sha256[:16]}…"
        )


def is_read(manifest: Manifest, file: File) -> bool:
    """Whether the file is more than bytes to edged or to a runtime."""
    return _is_model(manifest, file) or _is_smoke(manifest, file) or _is_reference(manifest, file)


def check_content(manifest: Manifest, file: File, blob: Blob, rules: Rules) -> None:
    """Whether it can be read as what it is. Raises ``BundleRefused`` or ``OSError``."""
    if _is_model(manifest, file):
        _check_model(manifest, file, blob, rules)
    if _is_smoke(manifest, file):
        smoke.parse(blob.read_at(0, smoke.MOST_BYTES + 1))
    if _is_reference(manifest, file):
        check_reference(blob.read_at(0, reference.MOST_BYTES + 1), file.path)


def _is_model(manifest: Manifest, file: File) -> bool:
    """Whether a runtime may come to read the file as ONNX."""
    return manifest.kind == "model" and (file.path == manifest.main or file.path.lower().endswith(".onnx"))


def _is_smoke(manifest: Manifest, file: File) -> bool:
    return manifest.model is not None and file.path == manifest.model.smoke


def _is_reference(manifest: Manifest, file: File) -> bool:
    return manifest.model is not None and file.path == manifest.model.reference


def check_reference(data: bytes, path: str) -> None:
    """Raises ``BundleRefused``: the device could not count inputs against it."""
    try:
        reference.decode(data)
    except ValueError as error:
        raise BundleRefused("reference", f"{shown(path)} {error}") from None


def _check_model(manifest: Manifest, file: File, blob: Blob, rules: Rules) -> None:
    """An ONNX file: reads nothing outside the bundle, and needs nothing newer than what is here."""
    found = onnx_file.read(blob.read_at, blob.size)
    folder = file.path.rpartition("/")[0]
    listed = {other.path for other in manifest.files}
    for location in found.locations:
        try:
            check_path(location)
        except BundleRefused as refused:
            raise BundleRefused("external_data", f"{shown(file.path)} reads weights elsewhere: {refused}") from None
        # Some runtimes take this one for an address in memory.
        if "_ORT_MEM_ADDR_" in location or (f"{folder}/{location}" if folder else location) not in listed:
            raise BundleRefused(
                "external_data", f"{shown(file.path)} reads weights from {shown(location)}, which is not in the bundle"
            )
    if rules.ir_version is not None and found.ir_version > rules.ir_version:
        raise BundleRefused(
            "runtime",
            f"{shown(file.path)} has ONNX IR version {found.ir_version}, the runtime here reads up to"
            f" {rules.ir_version}; update the runtime, or export the model for an older one",
        )
    if rules.opset is not None and found.opset > rules.opset:
        raise _opset_too_new(found.opset, rules.opset)
    if manifest.model is not None and file.path == manifest.main and found.opset != manifest.model.opset:
        raise BundleRefused(
            "opset", f"the model needs opset {found.opset}, but manifest.json says {manifest.model.opset}"
        )


def _signer(manifest: bytes, signature: bytes | None, rules: Rules) -> Key | None:
    if rules.trust is None:
        return None
    if rules.check is None:
        raise ValueError("a trust file without a way to check signatures")
    if signature is None:
        raise BundleRefused("unsigned", "the bundle is not signed (no manifest.sig); `edged bundle sign` does it")
    try:
        envelope = dsse.decode(signature, manifests.MOST_SIGNATURE)
        signed = dsse.verify(
            envelope, dsse.MANIFEST_TYPE, rules.trust, rules.now, rules.device, rules.check, SIGNERS
        )  # fmt: skip
    except Refusal as refusal:
        raise BundleRefused(refusal.code, str(refusal)) from None
    if signed.payload != manifest:
        raise BundleRefused("bad_signature", "manifest.sig was made for another manifest.json than the one beside it")
    return signed.key


def _check_rules(checked: Checked, rules: Rules) -> None:
    manifest = checked.manifest
    if rules.kind and manifest.kind != rules.kind:
        raise BundleRefused("wrong_kind", f"this is a {manifest.kind} bundle, and a {rules.kind} bundle is expected")
    if checked.digest in rules.quarantined:
        what = f"{manifest.name} {manifest.version}"
        why = f"{what} failed on this device before (edged deployments tells why); make a new bundle of what was mended"
        raise BundleRefused("quarantined", why)
    if manifest.sequence < rules.committed:
        raise BundleRefused(
            "sequence",
            f"{manifest.name} {manifest.version} has sequence {manifest.sequence}, and {rules.committed} was committed"
            " already; to go back, roll back on the device",
        )
    if manifest.model is not None and rules.opset is not None and manifest.model.opset > rules.opset:
        raise _opset_too_new(manifest.model.opset, rules.opset)
    if len(manifest.files) > rules.limits.files:
        raise BundleRefused("too_many_files", f"{len(manifest.files)} files; at most {rules.limits.files} are taken")
    if manifest.total > rules.limits.bytes:
        raise BundleRefused(
            "too_large", f"{manifest.total} bytes; at most {rules.limits.bytes} are taken (bundles.max_size)"
        )


def _opset_too_new(needed: int, known: int) -> BundleRefused:
    return BundleRefused(
        "opset",
        f"the model needs opset {needed}, the runtime here knows up to {known}; update the runtime, or export the model"
        f" with opset {known}",
    )
