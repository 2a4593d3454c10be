"""``edged key new|show``: Ed25519 keys that sign bundles and commands."""

from __future__ import annotations

import argparse
import base64
import os
import stat
from pathlib import Path

from . import FAILED, OK, USAGE, Failure


def arguments(parser: argparse.ArgumentParser, verb: str) -> None:
    verbs = parser.add_subparsers(dest="what", metavar="new|show", required=True)
    new = verbs.add_parser("new", help="make a key; its public half is printed for trust.yaml")
    new.add_argument("file", metavar="FILE", help="where the private key goes; never overwritten")
    new.add_argument("--id", required=True, metavar="ID", help="how trust.yaml and signatures call it")
    new.add_argument("--role", default="deployer", choices=["viewer", "operator", "deployer", "admin"])
    show = verbs.add_parser("show", help="print the public half again")
    show.add_argument("file", metavar="FILE")
    show.add_argument("--role", default="deployer", choices=["viewer", "operator", "deployer", "admin"])
    for sub in (new, show):
        sub.formatter_class = argparse.RawDescriptionHelpFormatter
        sub.add_argument("--json", action="store_true", help="id and public key as JSON")
    new.epilog = (
        "example: edged key new release.key --id release-2026\n\n"
        "What it prints belongs under `keys:` in the trust.yaml of the devices; the file stays with whoever signs."
    )
    show.epilog = "example: edged key show release.key"
    parser.epilog = new.epilog


def main(args: argparse.Namespace, verb: str) -> int:
    from ..adapters import ed25519

    path = Path(args.file)
    if args.what == "new":
        _check_id(args.id)
        key_id, seed = args.id, ed25519.new_seed()
        _write(path, key_id, seed)
    else:
        key_id, seed = read(path)
    public = base64.b64encode(ed25519.public_of(seed)).decode()
    if args.json:
        import json

        print(json.dumps({"id": key_id, "public": public}))
    else:
        print(
            f"# under `keys:` in trust.yaml\n  - {{id: {quoted(key_id)}, public: {quoted(public)}, role: {args.role}}}"
        )
    return OK


def read(path: Path) -> tuple[str, bytes]:
    """(id, seed) of a private key file that nobody else can read. Raises ``Failure``."""
    from ..bundles.trust import load_key
    from ..config.problem import ConfigError

    try:
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise Failure(
                USAGE, f"{path} can be read by others; the key may be known to them. chmod 600 it, or replace it"
            )
        return load_key(path)
    except ConfigError as error:
        raise Failure(USAGE, f"no key could be read\n{error}") from None
    except OSError as error:
        raise Failure(USAGE, f"{path} cannot be read: {error.strerror}") from None


def quoted(text: str) -> str:
    """As a double-quoted YAML value."""
    import json

    return json.dumps(text, ensure_ascii=False)


def _check_id(key_id: str) -> None:
    if not 1 <= len(key_id) <= 128 or not key_id.isprintable():
        raise Failure(USAGE, "--id takes 1 to 128 printable characters")


def _write(path: Path, key_id: str, seed: bytes) -> None:
    private = base64.b64encode(seed).decode()
    text = f"# A private key of edged: keep it secret.\nid: {quoted(key_id)}\nprivate: {quoted(private)}\n"
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise Failure(FAILED, f"{path} exists already, and a key is never overwritten; choose another name") from None
    except OSError as error:
        raise Failure(FAILED, f"{path} cannot be written: {error.strerror}") from None
    with os.fdopen(descriptor, "w") as file:
        os.fchmod(descriptor, 0o600)
        file.write(text)
        file.flush()
        os.fsync(descriptor)
