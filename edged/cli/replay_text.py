"""What ``edged replay`` prints."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

from ..flight.replay import Count, Decided, Difference
from ..flight.whatif import Change, Comparison, Moment, Outcome
from ..report.journal import sentence
from .render import paint, plain


def moment(wall: float) -> str:
    """In UTC, as every other verb tells it."""
    return time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(wall))


def span(seconds: float) -> str:
    """``2 min 5 s``: how long, to two units."""
    whole = round(abs(seconds))
    units = [(86400, "d"), (3600, "h"), (60, "min"), (1, "s")]
    parts = []
    for size, unit in units:
        if whole >= size:
            parts.append(f"{whole // size} {unit}")
            whole %= size
    return " ".join(parts[:2]) or "0 s"


def decision_lines(decided: Decided) -> Iterator[str]:
    at = moment(decided.wall)
    for action in decided.actions:
        yield plain(f"{at}  do    {type(action).__name__} {action.subject}: {action.reason}")
    for event in decided.events:
        yield plain(f"{at}  tell  {sentence(event)}")


def verdict_lines(count: Count, took: float) -> Iterator[str]:
    yield from _notes(count)
    times = count.seconds / took if took > 0.0 else 0.0
    yield (
        f"{count.facts} facts of {span(count.seconds)} judged in {took:.1f} s ({times:.0f} x real time): "
        f"{count.decisions} decisions"
    )
    if not count.differing:
        yield paint("all of them are those of then", "green")
        return
    yield paint(f"{count.differing} times it is not what was decided then:", "red")
    for one in count.differences:
        yield from _difference(one)
    if count.differing > len(count.differences):
        yield f"  … and {count.differing - len(count.differences)} more"


def _difference(one: Difference) -> Iterator[str]:
    yield plain(f"  {moment(one.wall)}  {one.fact}")
    for word, trees in (("then", one.then), ("now", one.now)):
        for tree in trees:
            yield plain(f"    {word:<4} {_brief(tree)}")


def _brief(tree: dict[str, Any]) -> str:
    return json.dumps(tree, ensure_ascii=False)[:300]


def comparison_lines(outcome: Outcome, count: Count) -> Iterator[str]:
    yield from _notes(count)
    yield f"{count.facts} facts of {span(count.seconds)}, {moment(count.begin)} to {moment(count.end)}"
    for name, one in (("alerts", outcome.alerts), ("actions", outcome.actions)):
        yield from _comparison(name, one)
    if outcome.actions.spared:
        yield "Whether what was spared would only have come later cannot be known: what was done ended the trouble."


def _comparison(name: str, one: Comparison) -> Iterator[str]:
    earlier = [change for change in one.moved if change.seconds < 0.0]
    later = [change for change in one.moved if change.seconds > 0.0]
    yield paint(
        f"{name}: {one.same} the same, {len(one.spared)} spared, {len(one.added)} added, "
        f"{len(earlier)} earlier, {len(later)} later",
        "bold",
    )
    for sign, moments in (("-", one.spared), ("+", one.added)):
        for each in moments:
            yield plain(f"  {sign} {_moment_line(each)}")
    for change in one.moved:
        yield plain(f"  ~ {_change_line(change)}")


def _moment_line(one: Moment) -> str:
    return f"{moment(one.wall)}  {one.kind} {one.subject}  {one.why}".rstrip()


def _change_line(change: Change) -> str:
    word = "earlier" if change.seconds < 0.0 else "later"
    return f"{_moment_line(change.then)}  ({span(change.seconds)} {word})"


def _notes(count: Count) -> Iterator[str]:
    for note in count.notes:
        yield paint(plain(f"note: {note}"), "yellow")
