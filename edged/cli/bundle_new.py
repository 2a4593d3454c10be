"""``edged bundle new``: a manifest for a folder of files."""

from __future__ import annotations

import argparse
import os
from datetime import UTC, datetime
from pathlib import Path

from . import FAILED, OK, REFUSED, USAGE, Failure


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", metavar="FOLDER", help="holds the files of the bundle, all of them and no others")
    parser.add_argument("--kind", required=True, choices=["model", "config"])
    parser.add_argument("--name", required=True)
    parser.add_argument("--version", required=True)
    parser.add_argument("--sequence", required=True, type=int, metavar="N", help="higher than that of the one before")
    parser.add_argument("--model", metavar="FILE", help="the ONNX file, relative to FOLDER")
    parser.add_argument("--config", metavar="FILE", help="the configuration, when there are several files")
    parser.add_argument("--golden", metavar="FILE", help="an .npz with inputs and the answers they must give")
    parser.add_argument("--rtol", type=float, help="of the golden answers (1e-4)")
    parser.add_argument("--atol", type=float, help="of the golden answers (1e-5)")
    parser.add_argument("--p95", default="", metavar="DURATION", help="budget of one inference, e.g. 20ms")
    parser.add_argument("--memory", default="", metavar="SIZE", help="budget of the loaded model, e.g. 200MiB")
    parser.add_argument(
        "--reference", default="", metavar="DATA",
        help="training data (.csv, .ndjson): becomes FOLDER/reference.json, which drift is measured against",
    )  # fmt: skip
    parser.add_argument(
        "--without", action="append", default=[], metavar="COLUMN", help="no feature: an id, a time; * for any part"
    )
    parser.add_argument("--smoke", default="", metavar="FILE", help="requests for the app, and their answers (.json)")
    parser.add_argument("-o", "--output", metavar="FILE", help="write a .tar there and leave FOLDER as it is")
    parser.add_argument("--force", action="store_true", help="replace the manifest.json that is there")
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = (
        "example: edged bundle new ./detector --kind model --name detector --version 2.1 --sequence 7 \\\n"
        "             --model model.onnx --golden golden.npz --p95 20ms --memory 200MiB \\\n"
        "             --reference training.csv --without id -o detector-2.1.tar"
    )


def main(args: argparse.Namespace) -> int:
    from ..bundles import BundleRefused

    folder = Path(args.folder)
    _check(args)
    try:
        raw = _manifest(args, folder)
        where = _to_tar(folder, raw, Path(args.output)) if args.output else _to_folder(folder, raw, args.force)
    except BundleRefused as refused:
        raise Failure(REFUSED, f"no bundle can be made of this [{refused.code}]: {refused}") from None
    except OSError as error:
        raise Failure(FAILED, f"{error.filename or folder}: {error.strerror}") from None
    from ..bundles import digest

    print(f"{where}: sha256:{digest(raw)}\nnext: edged bundle sign {where} --key FILE")
    return OK


def _check(args: argparse.Namespace) -> None:
    if args.kind == "model" and not args.model:
        raise Failure(USAGE, "a model bundle needs --model FILE")
    of_models = ("model", "golden", "rtol", "atol", "p95", "memory", "reference", "without", "smoke")
    if args.kind == "config" and (
        given := [f"--{name}" for name in of_models if getattr(args, name) not in (None, "", [])]
    ):
        raise Failure(USAGE, f"a config bundle takes no {', '.join(given)}")
    if args.kind == "model" and args.config:
        raise Failure(USAGE, "a model bundle takes no --config")
    if not args.golden and (args.rtol is not None or args.atol is not None):
        raise Failure(USAGE, "--rtol and --atol mean nothing without --golden FILE")
    if args.output and not args.output.endswith(".tar"):
        raise Failure(USAGE, "-o takes a name that ends with .tar")


def _manifest(args: argparse.Namespace, folder: Path) -> bytes:
    from ..bundles import make
    from ..bundles.manifest import AppConfig, Budgets, Golden

    model = None
    if args.model:
        tolerances = {name: value for name in ("rtol", "atol") if (value := getattr(args, name)) is not None}
        golden = Golden(file=args.golden, **tolerances) if args.golden else None
        budgets = Budgets(p95=args.p95, memory=args.memory)
        reference = _reference(args, folder) if args.reference else ""
        model = make.describe_model(folder, args.model, golden, budgets, reference, args.smoke)
    return make.render(
        kind=args.kind, name=args.name, version=args.version, sequence=args.sequence, created=_now(),
        files=make.list_files(folder), model=model, config=AppConfig(file=args.config) if args.config else None,
    )  # fmt: skip


def _reference(args: argparse.Namespace, folder: Path) -> str:
    """The path of the reference in the bundle; training data is made into one first."""
    from ..adapters.atomic import write_atomic
    from ..inputs import reference
    from .reference import NAME, described, make

    if args.reference.endswith(".json"):
        return str(args.reference)
    data = Path(args.reference)
    if data.resolve().is_relative_to(folder.resolve()):
        raise Failure(USAGE, f"{data} lies in {folder}, so it would become a part of the bundle: put it elsewhere")
    made, refused = make(data, args.without)
    write_atomic(folder / NAME, reference.encode(made), 0o644)
    print("\n".join(described(made)))
    if refused:
        print(f"not used   {'; '.join(f'{reason}: {number}' for reason, number in refused.items())}")
    return NAME


def _now() -> str:
    """Whole seconds; ``SOURCE_DATE_EPOCH`` makes builds reproducible."""
    stamp = os.environ.get("SOURCE_DATE_EPOCH", "")
    moment = datetime.fromtimestamp(int(stamp), UTC) if stamp.isdigit() else datetime.now(UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _to_folder(folder: Path, raw: bytes, force: bool) -> Path:
    from ..adapters.atomic import write_atomic

    if (folder / "manifest.json").exists() and not force:
        raise Failure(FAILED, f"{folder}/manifest.json is there already; --force replaces it and removes its signature")
    (folder / "manifest.sig").unlink(missing_ok=True)
    write_atomic(folder / "manifest.json", raw, 0o644)
    return folder


def _to_tar(folder: Path, raw: bytes, target: Path) -> Path:
    from ..bundles import make
    from ..bundles.blob import Blob

    make.pack(raw, None, lambda path: Blob.of_file(folder / path), target)
    return target
