"""The shares of a drifted feature before and now, as lines of an incident, which outlive the windows."""

from __future__ import annotations

from ...vocabulary.drift import DriftFeature

MOST = 12
"""Bins of a line: those that changed most."""
TOLD = 0.1
"""PSI below which the last full window is from before the change."""


def lines(features: tuple[DriftFeature, ...]) -> list[str]:
    return [_line(one) for one in features if one.psi >= TOLD]


def _line(one: DriftFeature) -> str:
    names = [*one.labels, "anything else"] if one.labels else ["below", *(f"{edge:.4g}" for edge in one.edges)]
    rows = list(zip(names, one.before, one.after, strict=False))
    chosen = sorted(range(len(rows)), key=lambda at: -abs(rows[at][1] - rows[at][2]))[:MOST]
    shares = ", ".join(
        f"{name[:20]} {100.0 * before:.0f}→{100.0 * after:.0f}"
        for name, before, after in (rows[at] for at in sorted(chosen))
    )
    by = " from" if one.edges else ""
    return f"{one.name[:40]} {one.direction[:30]}, PSI {one.psi:.2f}; % of rows before→now{by}: {shares}"
