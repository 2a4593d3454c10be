"""Consecutive probe answers, and the verdict they lead to."""

from __future__ import annotations

from ..vocabulary.state import Streak


def extend(
    streak: Streak,
    *,
    ok: bool,
    detail: str,
    started: float,
    at: float,
    seconds: float,
    failures: int,
    successes: int,
    forgiving: bool = False,
) -> Streak:
    """Counts one more answer.

    ``failures`` bad answers in a row make the verdict bad, ``successes`` good ones make it good; in between
    the verdict stays. ``forgiving`` (a start period): a bad answer counts for nothing, a good one does.
    """
    if ok:
        good = streak.good + 1
        return Streak(
            good=good, verdict="good" if good >= successes else streak.verdict, detail="", last_at=at, seconds=seconds
        )
    if forgiving and streak.verdict == "unknown":
        return Streak(verdict="unknown", detail=detail, last_at=at, seconds=seconds)
    bad = streak.bad + 1
    return Streak(
        bad=bad,
        verdict="bad" if bad >= failures else streak.verdict,
        first_bad_at=streak.first_bad_at if streak.bad else started,
        detail=detail,
        last_at=at,
        seconds=seconds,
    )
