"""Alerts that mattered, and thresholds that would have told only of those."""

from __future__ import annotations

from edged.ports.history import MINUTE, Point, Series
from edged.review.advising import advice, limit
from edged.review.material import Firing
from edged.review.quality import matters, quality

END = 100_000.0


def firing(begin: float, seconds: float = 60.0, worst: str = "warning") -> Firing:
    return Firing("HighMemory", "detector", begin, begin + seconds, worst, 0.8)


def test_what_became_critical_lasted_or_was_acted_on_mattered() -> None:
    assert not matters(firing(0.0), (), END)
    assert matters(firing(0.0, worst="critical"), (), END)
    assert matters(firing(0.0, seconds=400.0), (), END)
    assert matters(firing(0.0), (30.0,), END) and not matters(firing(0.0), (90.0,), END)
    assert matters(Firing("HighMemory", "detector", END - 1000.0), (), END), "it fires still"


def test_quality_counts_each_alert_of_each_subject() -> None:
    ones = [firing(0.0), firing(1000.0, 200.0), firing(2000.0, worst="critical")]
    (found,) = quality(ones, {}, END)
    assert (found.raised, found.critical, found.mattered) == (3, 1, 1)
    assert (found.seconds, found.median_seconds) == (320.0, 60.0)


def test_advice_is_made_from_what_the_daemon_tells() -> None:
    told = {"subject": "detector", "alert": "HighMemory", "key": "memory.warn", "metric": "memory.share", "warn": 0.8,
            "critical": 0.95, "for": 30.0, "unit": "share"}  # fmt: skip
    begins = [MINUTE * 100 * n for n in range(8)]
    points = [Point(begin + MINUTE * k, 12, 0.4, 0.5, 0.83 if k else 0.5, 0.83) for begin in begins for k in range(3)]
    signs = [
        sign
        for begin in begins
        for sign in (
            (begin + 70.0, "alert.raised", "detector", {"name": "HighMemory", "severity": "warning"}),
            (begin + 170.0, "alert.cleared", "detector", {"name": "HighMemory"}),
        )
    ]
    series = Series("detector", "memory.share", MINUTE, tuple(points))
    (found,) = advice([limit(told)], [series], signs)
    assert (found.advised, found.spared) == (0.85, 8) and "memory.warn: 85%" in found.text
    assert advice([limit(told)], [], signs) == [] and advice([limit(told)], [series], []) == []
