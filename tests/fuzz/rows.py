"""Hostile inputs of an app: lines, files, answers, messages, references. Nothing may crash, grow or be told twice."""

from __future__ import annotations

import json
import random
import resource
import shutil
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import msgspec

from edged.adapters.inputs.row_file import FileRows
from edged.inputs import reference
from edged.ports import PortError
from tests.bench.measure import Figure

from .inputs import NUMBERS, mutated
from .row_lines import FEATURES, NAMES, cells, line
from .row_yard import BAD, Clock, Yard

_DEADLINE = 5.0
"""Seconds that one input may take at the very most, its judgement included; 3 MiB of hostile rows on a busy machine."""
_HOSTILE = 1000
"""Inputs until a calm comes, in which all that was told must be over."""


def _files(yard: Yard, name: str, make: Callable[[random.Random], bytes], header: bytes) -> str:
    rng, path = yard.rng, yard.folder / f"rows.{name}"
    if header and not path.exists():
        path.write_bytes(rng.choice([header, header, header, b"", b"\n", b"a,a,a\n", rng.randbytes(30) + b"\n"]))
    with path.open("ab") as file:
        file.write(
            b"\n".join([*(make(rng) for _ in range(rng.randrange(12))), b"\0"]) + rng.choice([b"\n", b"\n", b""])
        )
    how = rng.randrange(40)
    if how == 0:
        path.replace(path.with_name(path.name + ".1"))
    elif how == 1:
        path.write_bytes(rng.randbytes(rng.randrange(2000)))
    elif how == 2:
        with path.open("r+b") as file:
            file.truncate(rng.randrange(path.stat().st_size + 1))
    elif how in (3, 5, 6):
        path.unlink()
    elif how == 4 and rng.random() < 0.1:
        with path.open("ab") as file:
            file.truncate(path.stat().st_size + 3 * 2**20)  # a hole
    outcome = yard.take(name)
    if path.exists() and path.stat().st_size > 2**20:
        path.unlink()
    return f"{name} {outcome}"


def _http(yard: Yard) -> str:
    rng = yard.rng
    rows = b",".join(line(rng) for _ in range(rng.randrange(8)))
    rows = mutated(rng, rows) if rng.random() < 0.2 else rows
    cursor = json.dumps(rng.choice([*(str(rng.random()) for _ in range(5)), "", "x" * 5000, 7, None, "same"])).encode()
    body = rng.choice([
        b'{"rows":[' + b",".join(filter(None, (rows, BAD))) + b'],"cursor":' + cursor + b"}",
        b"\n".join([*(line(rng) for _ in range(4)), BAD, b'{"cursor":' + cursor + b"}"]),
        rows, b"", b"{}", b"null", b"[" * 50_000,
    ])  # fmt: skip
    yard.prober.body = body
    yard.prober.status = rng.choice([200, 200, 200, 200, 204, 404, 410, 500])
    yard.prober.asked = 0
    return f"http {yard.take('http')}"


def _mqtt(yard: Yard) -> str:
    rng = yard.rng
    for _ in range(rng.randrange(1, 6)):
        data = line(rng)
        yard.messages.waiting.append(rng.choice([data, b"[" + data + b"," + line(rng) + b"]", b"[]", b"[1,", b""]))
    yard.messages.waiting.append(BAD)
    return f"mqtt {yard.take('mqtt')}"


def _shipped(yard: Yard) -> str:
    try:
        reference.decode(mutated(yard.rng, yard.shipped_bytes))
    except ValueError:
        return "reference refused"
    return "reference taken"


def _position(yard: Yard) -> str:
    rng = yard.rng
    at = json.dumps({"inode": rng.choice(NUMBERS), "offset": rng.choice(NUMBERS), "print": rng.choice(NAMES)}).encode()
    position = rng.choice([at, mutated(rng, at), rng.randbytes(20)]).decode("utf-8", "replace")
    try:
        FileRows(yard.folder / "rows.ndjson", csv=False, position=position).read(1000)
    except PortError:
        return "position refused"
    return "position taken"


def run(count: int, seed: int) -> list[Figure]:
    """``count`` inputs; each seed has its own."""
    memory = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp(prefix="edged-rows-", dir=memory if memory.is_dir() else None))
    try:
        return _run(Yard(folder, random.Random(seed)), count)
    finally:
        shutil.rmtree(folder)


def _run(yard: Yard, count: int) -> list[Figure]:
    makers: list[Callable[[], str]] = [
        lambda: _files(yard, "ndjson", line, b""), lambda: _files(yard, "csv", cells, b"temp,flow,mode\n"),
        lambda: _http(yard), lambda: _mqtt(yard), lambda: _shipped(yard), lambda: _position(yard),
    ]  # fmt: skip
    outcomes: Counter[str] = Counter()
    crashes, slowest, first = 0, 0.0, 0
    begun = time.monotonic()
    for number in range(count):
        if number == min(1000, count // 2):
            first = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        at = time.monotonic()
        try:
            outcome = yard.rng.choice(makers)()
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            crashes += 1
            outcome = f"CRASH {type(error).__name__}"
            print(f"input {number} crashed:", file=sys.stderr)
            traceback.print_exc(limit=-5, file=sys.stderr)
        slowest = max(slowest, time.monotonic() - at)
        outcomes[outcome] += 1
        if number % _HOSTILE == _HOSTILE - 1:
            yard.calm()
            yard.over()
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - first) / 1024
    rate = count / (time.monotonic() - begun)
    told = ", ".join(f"{code} {n}" for code, n in outcomes.most_common())
    print(f"{count} inputs, {rate:.0f} a second: {told}", file=sys.stderr)
    for wrong in yard.wrong[:20]:
        print(wrong, file=sys.stderr)
    kept = max((len(msgspec.json.encode(inputs)) for inputs in yard.state.inputs.values()), default=0)
    hours = (yard.clock.now_ - Clock.now_) / 3600.0
    phases = count // _HOSTILE
    return [
        Figure("inputs: that crashed", crashes, 0, "", count),
        Figure("inputs: growth of peak memory", grown, 64.0, "MB", count),
        Figure("inputs: slowest one", slowest, _DEADLINE, "s", count),
        Figure("inputs: not told once as it began and once as it ended", len(yard.wrong), 0, "", count, None,
               f"{phases} hostile times of {len(yard.apps)} sources: {yard.events} events in {hours:.0f} hours"),
        Figure("inputs: what is remembered of an app", kept / 1024, 4.0 * len(FEATURES) + 4.0, "KB", count),
    ]  # fmt: skip
