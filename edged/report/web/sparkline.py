"""A line of numbers as a small inline SVG, and in words for who does not see it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from .markup import Html, el

POINTS = 48
WIDTH, HEIGHT = 96, 22
NOTHING = math.nan


def thin(values: Sequence[float], points: int = POINTS) -> list[float]:
    """At most ``points`` values, each the highest of its part: a peak is what one looks for."""
    if len(values) <= points:
        return list(values)
    parts = [values[len(values) * i // points : len(values) * (i + 1) // points] for i in range(points)]
    return [max((v for v in part if math.isfinite(v)), default=NOTHING) for part in parts]


def sparkline(name: str, values: Sequence[float], form: Callable[[float], str], span: str) -> Html | None:
    """``values``: oldest first, NaN where nothing is known. ``span``: how long that is, in words.

    ``None``: too little is known for a line. It begins at zero, so its height says how much, not only how it moves.
    """
    known = [v for v in values if math.isfinite(v)]
    if len(known) < 3:
        return None
    words = f"{name}, {span}: {form(min(known))} to {form(max(known))}, now {form(known[-1])}"
    drawn = el("path", d=path(thin(values)))
    return el("svg", drawn, class_="spark", viewBox=f"0 0 {WIDTH} {HEIGHT}", role="img", aria_label=words)


def path(values: Sequence[float]) -> str:
    """Relative moves with whole numbers: a fifth of the bytes of a polyline."""
    top = max((v for v in values if math.isfinite(v)), default=0.0) or 1.0
    step = WIDTH / max(1, len(values) - 1)
    out, at = [], None
    for i, value in enumerate(values):
        if not math.isfinite(value):
            at = None
            continue
        here = round(i * step), HEIGHT - 1 - round(max(0.0, value) / top * (HEIGHT - 3))
        if at is None:
            out.append(f"M{here[0]} {here[1]}l0 0")
        else:
            out.append(f"l{here[0] - at[0]} {here[1] - at[1]}")
        at = here
    return "".join(out)
