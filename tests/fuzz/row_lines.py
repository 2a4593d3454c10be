"""Rows, good ones and all kinds of bad ones."""

from __future__ import annotations

import json
import random
from typing import Any

from .inputs import NUMBERS, mutated

FEATURES = ("temp", "flow", "mode", "n.a")
NAMES = ("", "temp", "\0", "x" * 5000, "é" * 200, "\u202e", "a.b", "__class__", "n", "temp\n", "\ud800")


def _value(rng: random.Random) -> Any:
    return rng.choice((
        rng.gauss(20, 1), rng.choice(NUMBERS), float("nan"), float("inf"), -1e308, 1e-320, "a", "b" * 3000, "\ud800",
        rng.choice(NAMES), None, True, [1, [2]], {"a": 1}, {"a": {"b": 2}}, {str(n): n for n in range(50)}, -0.0,
        10**400,
    ))  # fmt: skip


def line(rng: random.Random) -> bytes:
    """One row, or what is to pass for one."""
    kind = rng.randrange(8)
    if kind == 0:
        return rng.randbytes(rng.choice([0, 1, 50, 3000]))
    row: Any = _row(rng)
    for _ in range(rng.choice([0, 1, 1, 3])):
        row[rng.choice([*FEATURES, *NAMES, f"k{rng.random()}"])] = _value(rng)
    if kind == 1:
        row = rng.choice([[row], 1, None, "x", [], {}, True])
    data = json.dumps(row).encode()
    if kind == 2:
        data = mutated(rng, data)
    if kind == 3 and rng.random() < 0.02:
        data = rng.choice(
            [b"[" * 100_000, b'{"a":' * 50_000, b"9" * 100_000, b" " * 100_000, b'{"temp":' + b"1" * 60_000]
        )
    return data


def cells(rng: random.Random) -> bytes:
    odd = ("1", "", "nan", "-inf", "1e999", "a", '"', '"a,b"', "\0", "1_0", "é", "0x1", " 5 ", "9" * 400)
    values = [rng.choice(odd) for _ in range(rng.choice([3, 3, 3, 0, 1, 50]))]
    data = ",".join(values).encode()
    return mutated(rng, data) if rng.random() < 0.2 else data


def _row(rng: random.Random) -> dict[str, Any]:
    return {"temp": rng.gauss(20, 1), "flow": rng.random(), "mode": rng.choice("ab"), "n": {"a": 1}}


def good(rng: random.Random) -> bytes:
    return json.dumps(_row(rng)).encode()


def good_cells(rng: random.Random) -> bytes:
    return f"{rng.gauss(20, 1)},{rng.random()},{rng.choice('ab')},1".encode()
