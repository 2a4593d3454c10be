"""``edged bundle new|sign|verify|show``."""

from __future__ import annotations

import argparse
import contextlib
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import FAILED, OK, REFUSED, USAGE, Failure

if TYPE_CHECKING:
    from ..bundles import Source, Trust


def arguments(parser: argparse.ArgumentParser, verb: str) -> None:
    verbs = parser.add_subparsers(dest="what", metavar="new|sign|verify|show", required=True)
    new = verbs.add_parser("new", help="write manifest.json for a folder of files")
    from . import bundle_new

    bundle_new.arguments(new)
    sign = verbs.add_parser("sign", help="sign a bundle; a signature by another key is kept")
    sign.add_argument("bundle", metavar="BUNDLE", help="a folder or a .tar")
    sign.add_argument("--key", required=True, metavar="FILE", help="made by `edged key new`")
    sign.epilog = "example: edged bundle sign detector-2.tar --key release.key"
    verify = verbs.add_parser("verify", help="everything a device would check before it takes the bundle")
    verify.add_argument("bundle", metavar="BUNDLE", help="a folder or a .tar")
    verify.add_argument("--trust", metavar="FILE", help="also who signed it: trust.yaml")
    verify.add_argument("--device", default="", metavar="ID", help="for keys that are meant for some devices only")
    verify.add_argument("--json", action="store_true")
    verify.epilog = (
        "example: edged bundle verify detector-2.tar --trust trust.yaml\n\nexit 3 and a reason code when refused"
    )
    show = verbs.add_parser("show", help="what a bundle says about itself; nothing is verified but the manifest")
    show.add_argument("bundle", metavar="BUNDLE", help="a folder or a .tar")
    show.add_argument("--json", action="store_true")
    show.epilog = "example: edged bundle show detector-2.tar"
    parser.epilog = "example: edged bundle new ./detector --kind model --name d --version 2 --sequence 2 --model m.onnx"
    for sub in (sign, verify, show):
        sub.formatter_class = argparse.RawDescriptionHelpFormatter


def main(args: argparse.Namespace, verb: str) -> int:
    if args.what == "new":
        from . import bundle_new

        return bundle_new.main(args)
    return {"sign": _sign, "verify": _verify, "show": _show}[args.what](args)


@contextlib.contextmanager
def opened(path: str) -> Iterator[Source]:
    """The bundle; what cannot be opened or is refused ends the verb."""
    from ..bundles import BundleRefused, open_source

    try:
        with open_source(Path(path)) as source:
            yield source
    except BundleRefused as refused:
        raise Failure(REFUSED, f"refused [{refused.code}]: {refused}") from None
    except OSError as error:
        raise Failure(FAILED, f"{error.filename or path}: {error.strerror}") from None


def _verify(args: argparse.Namespace) -> int:
    from ..bundles import BundleRefused, Rules, open_source, verify

    rules = Rules()
    if args.trust:
        from ..adapters import ed25519

        rules = Rules(trust=_trust(args.trust), check=ed25519.verify, device=args.device, now=time.time())
    try:
        with open_source(Path(args.bundle)) as source:
            signed, checked = source.signature is not None, verify(source, rules)
    except BundleRefused as refused:
        if not args.json:
            raise Failure(REFUSED, f"refused [{refused.code}]: {refused}") from None
        print(json.dumps({"ok": False, "reason": refused.code, "message": str(refused)}, indent=2))
        return REFUSED
    except OSError as error:
        raise Failure(FAILED, f"{error.filename or args.bundle}: {error.strerror}") from None
    who = checked.key.id if checked.key is not None else ""
    if args.json:
        shown = {"ok": True, "digest": f"sha256:{checked.digest}", "signed_by": who or None}
        print(json.dumps(shown | _head(checked.manifest), indent=2))
        return OK
    m = checked.manifest
    print(f"{m.name} {m.version} is whole: {len(m.files)} files, {m.total} bytes, sha256:{checked.digest}")
    unknown = "signed, but by whom was not checked (--trust FILE)" if signed else "not signed"
    print(f"signed by {who} ({checked.key.role})" if checked.key is not None else unknown)
    return OK


def _show(args: argparse.Namespace) -> int:
    from msgspec import to_builtins

    from ..bundles import digest, parse
    from ..config.units import format_size

    with opened(args.bundle) as source:
        manifest, raw = parse(source.manifest), source.manifest
        signers = _signers(source.signature)
        reference = _reference(source, manifest)
    if args.json:
        told = {"digest": f"sha256:{digest(raw)}", "signatures": signers, "manifest": json.loads(raw)}
        if reference is not None:
            told["reference"] = to_builtins(reference)
        print(json.dumps(told, indent=2))
        return OK
    lines = [
        f"{manifest.kind} {manifest.name} {manifest.version}, sequence {manifest.sequence}, made {manifest.created}",
        f"digest   sha256:{digest(raw)}",
        f"signed   {'with ' + ', '.join(signers) + ' (not verified)' if signers else 'no'}",
        *(f"file     {file.path}  {format_size(file.size)}" for file in manifest.files),
    ]
    if (model := manifest.model) is not None:
        lines += [f"input    {p.name}: {p.dtype} {list(p.shape)}" for p in model.inputs]
        lines += [f"output   {p.name}: {p.dtype} {list(p.shape)}" for p in model.outputs]
        limits = ", ".join(f"{name} {text}" for name in ("p95", "memory") if (text := getattr(model.budgets, name)))
        lines += [f"opset    {model.opset}", f"budgets  {limits or 'none'}"]
        lines += [f"smoke    {model.smoke}"] if model.smoke else []
    if reference is not None:
        from .reference import described

        lines += described(reference)
    from .render import plain

    print("\n".join(plain(line).replace("\n", "?") for line in lines))
    return OK


def _reference(source: Source, manifest: Any) -> Any:
    """What drift is measured against; ``None``: the bundle brings nothing, or nothing that could be read."""
    from ..inputs.reference import MOST_BYTES, decode

    path = manifest.model.reference if manifest.model is not None else ""
    if not path or path not in source.sizes:
        return None
    with source.open(path) as blob:
        try:
            return decode(blob.read_at(0, MOST_BYTES + 1))
        except ValueError:
            return None


def _sign(args: argparse.Namespace) -> int:
    from ..adapters import ed25519
    from ..adapters.atomic import write_atomic
    from ..bundles import Rules, make, verify
    from .key import read

    key_id, seed = read(Path(args.key))
    path = Path(args.bundle)
    with opened(args.bundle) as source:
        # A signature says "take this": nobody should put his name to a bundle that every device refuses.
        verify(source, Rules())
        signature = make.sign(source, key_id, lambda message: ed25519.sign(seed, message))
        if path.is_dir():
            write_atomic(path / "manifest.sig", signature, 0o644)
        else:
            make.pack(source.manifest, signature, source.open, path)
    print(f"{args.bundle} is signed by {key_id}")
    return OK


def _trust(file: str) -> Trust:
    from ..bundles import trust
    from ..config.problem import ConfigError

    try:
        return trust.load(Path(file))
    except ConfigError as error:
        raise Failure(USAGE, f"the trust file cannot be used\n{error}") from None


def _signers(signature: bytes | None) -> list[str]:
    from ..bundles import Refusal, dsse
    from ..bundles.manifest import MOST_SIGNATURE

    if signature is None:
        return []
    try:
        return [s.keyid or "(no key id)" for s in dsse.decode(signature, MOST_SIGNATURE).signatures]
    except Refusal:
        return ["(malformed)"]


def _head(manifest: Any) -> dict[str, Any]:
    return {name: getattr(manifest, name) for name in ("kind", "name", "version", "sequence", "created")}
