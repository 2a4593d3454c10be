"""Two incidents that turn out to be one. Pure."""

from __future__ import annotations

from msgspec.structs import replace

from ...vocabulary.incidents import Harm, Incident
from . import record
from .opening import MOST_HINTS, worse


def merged(into: Incident, gone: Incident) -> Incident:
    """``into`` with all that ``gone`` had."""
    lines = sorted((*into.timeline, *gone.timeline), key=lambda line: line.at)
    deeds = sorted((*into.actions, *gone.actions), key=lambda deed: deed.at)
    bare = replace(
        into,
        timeline=(),
        actions=(),
        left_out=into.left_out + gone.left_out,
        actions_left_out=into.actions_left_out + gone.actions_left_out,
    )
    for line in lines:
        bare = record.entered(bare, line.at, line.kind, line.subject, line.text)
    for deed in deeds:
        bare = record.begun(bare, deed)
    for alert in gone.alerts:
        bare = record.joined(bare, alert)
    for exhibit in gone.evidence:
        bare = record.exhibited(bare, exhibit)
    responded = [t for t in (into.responded_at, gone.responded_at) if t is not None]
    return replace(
        bare,
        severity=worse(into.severity, gone.severity),
        began_at=min(into.began_at, gone.began_at),
        respond_by=min(into.respond_by, gone.respond_by),
        resolve_by=min(into.resolve_by, gone.resolve_by),
        responded_at=min(responded, default=None),
        acknowledged=into.acknowledged or gone.acknowledged,
        impact=_impact(into.impact, gone.impact),
        changes=tuple(sorted({*into.changes, *gone.changes}, key=lambda c: c.at))[-10:],
        likely=into.likely or gone.likely,
        hints=tuple(dict.fromkeys((*into.hints, *gone.hints)))[:MOST_HINTS],
        escalated=(*into.escalated, *gone.escalated),
        merged=(*into.merged, gone.id, *gone.merged),
        well_at=None,
        stirred_at=max(into.stirred_at, gone.stirred_at),
    )


def _impact(one: dict[str, Harm], other: dict[str, Harm]) -> dict[str, Harm]:
    """Of an app in both the longer one: it is the same time."""
    both = dict(one)
    for name, harm in other.items():
        mine = both.get(name, Harm())
        times = [t for t in (mine.since, harm.since) if t is not None]
        worst = max((w for w in (mine.worst, harm.worst) if w), key=record.BAD.index, default="")
        both[name] = Harm(max(mine.seconds, harm.seconds), min(times, default=None), worst)
    return dict([*both.items()][: record.MOST_HARMED])
