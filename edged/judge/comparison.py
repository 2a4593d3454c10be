"""What both models made of recorded inputs, as checks that are only told: however far apart, none fails."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..vocabulary.deployments import GateCheck

MOST = 8
"""Outputs that are told of, those that differ most first."""


def checks(validated: Mapping[str, Any]) -> tuple[GateCheck, ...]:
    """``validated``: what the trial of a new artifact has measured."""
    found = validated.get("disagreement")
    return tuple(_checks(found)) if isinstance(found, Mapping) else ()


def _checks(found: Mapping[str, Any]) -> Iterator[GateCheck]:
    rows, skipped, note = int(found.get("rows", 0)), int(found.get("skipped", 0)), str(found.get("note", ""))
    for output in sorted(found.get("outputs", ()), key=lambda output: -_number(output, "beyond"))[:MOST]:
        yield GateCheck(
            name="disagreement", ok=True, why=_words(output, rows), observed=_number(output, "beyond"), samples=rows
        )
    if skipped or note or not rows:
        parts = (f"{rows} recorded inputs compared", f"{skipped} did not fit" if skipped else "", note)
        yield GateCheck(name="recorded", ok=True, why="; ".join(part for part in parts if part), samples=rows)


def _words(output: Mapping[str, Any], rows: int) -> str:
    """For people."""
    name = str(output.get("output", ""))[:60]
    words = [
        f"{name} differs beyond its tolerance in {_number(output, 'beyond'):.1%} of {rows} recorded inputs, by "
        f"{_number(output, 'max'):.3g} at most and {_number(output, 'mean'):.3g} on average"
    ]
    if output.get("argmax") is not None:
        words.append(f"another class in {_number(output, 'argmax'):.1%}")
    if bad := _number(output, "not_finite"):
        words.append(f"not finite in {bad:.1%}")
    return "; ".join(words)


def _number(output: Mapping[str, Any], key: str) -> float:
    return float(output.get(key) or 0.0)
