"""The evidence of an incident, fetched from the daemon: printed, or unpacked into a folder. For ``edged incidents``."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
import sys
from pathlib import Path
from typing import Any

from . import FAILED, OK, REFUSED, Failure
from .client import command

_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,199}")


def read(socket: str | None, which: str) -> Any:
    """One record, or all that fit of an incident. Raises ``Failure``."""
    return piece_together(socket, "evidence.get", {"which": which})


def piece_together(socket: str | None, type_: str, args: dict[str, Any]) -> Any:
    """What a command reads out, put together from its pieces and checked. Raises ``Failure``."""
    pieces: list[bytes] = []
    answer: dict[str, Any] = {}
    for answer in command(socket, type_, args):
        result = answer["result"]
        if result.get("phase") == "data":
            pieces.append(base64.b64decode(result["data"]))
    if answer.get("status") != "succeeded":
        code = REFUSED if answer.get("status") == "rejected" else FAILED
        raise Failure(code, str(answer.get("message", "edged ended before it gave the result")))
    content = gzip.decompress(b"".join(pieces))
    if answer["result"]["digest"] != f"sha256:{hashlib.sha256(content).hexdigest()}":
        raise Failure(FAILED, "what came is not what edged sent")
    return json.loads(content)


def whole(socket: str | None, incident: str) -> dict[str, Any]:
    """Each record of an incident by its name: what did not fit into one answer is asked for by itself."""
    got = read(socket, incident)
    records: dict[str, Any] = dict(got["records"])
    for name in got["left_out"]:
        try:
            records[name] = read(socket, name)
        except Failure as failure:
            print(f"edged: {name}: {failure}", file=sys.stderr)
    return {name: records[name] for name in sorted(records)}


def save(socket: str | None, incident: str, where: str) -> int:
    """``where``: a folder that is made, or ``-`` for JSON on standard output. Returns the exit code."""
    records = whole(socket, incident)
    if where == "-":
        print(json.dumps({"incident": incident, "records": records}, indent=2))
        return OK
    folder = Path(where)
    try:
        for name, record in records.items():
            if not _PLAIN.fullmatch(name):
                raise Failure(FAILED, f"{name!r} is no record's name")
            _unpack(folder / name, record)
    except OSError as error:
        raise Failure(FAILED, f"{error.filename}: {error.strerror}") from None
    print(f"{folder}: {len(records)} records of {incident}")
    return OK


def _unpack(folder: Path, record: dict[str, Any]) -> None:
    """Logs as text, the engine's description by itself, and all the rest."""
    folder.mkdir(parents=True, exist_ok=True)
    rest = dict(record)
    if isinstance(logs := rest.pop("logs", None), str):
        (folder / "logs.txt").write_text(logs)
    for part in ("inspect", "moment", "usage", "removed"):
        if part in rest:
            (folder / f"{part}.json").write_text(json.dumps(rest.pop(part), indent=2) + "\n")
    (folder / "record.json").write_text(json.dumps(rest, indent=2) + "\n")
