"""Consecutive answers and their verdict."""

from typing import Any

from edged.judge.streak import extend
from edged.vocabulary.state import Streak


def answers(*oks: bool, failures: int = 3, successes: int = 1, **more: Any) -> Streak:
    streak = Streak()
    for at, ok in enumerate(oks):
        streak = extend(
            streak,
            ok=ok,
            detail="" if ok else f"HTTP {500 + at}",
            started=at - 0.5,
            at=float(at),
            seconds=0.5,
            failures=failures,
            successes=successes,
            **more,
        )
    return streak


def test_one_good_answer_is_a_verdict() -> None:
    assert answers(True).verdict == "good"


def test_some_bad_answers_are_none() -> None:
    assert answers(False, False).verdict == "unknown"


def test_enough_bad_answers_in_a_row_are() -> None:
    assert answers(False, False, False).verdict == "bad"


def test_a_good_answer_in_between_begins_the_count_anew() -> None:
    assert answers(True, False, False, True, False, False).verdict == "good"


def test_a_bad_verdict_stays_until_enough_good_answers() -> None:
    assert answers(False, False, False, True, successes=2).verdict == "bad"
    assert answers(False, False, False, True, True, successes=2).verdict == "good"


def test_the_first_sign_is_when_the_first_bad_probe_was_sent() -> None:
    assert answers(True, False, False).first_bad_at == 0.5


def test_the_last_failure_says_what_was_wrong() -> None:
    assert answers(False, False).detail == "HTTP 501"


def test_a_start_period_forgives_bad_answers() -> None:
    assert answers(False, False, False, False, forgiving=True) == Streak(
        verdict="unknown", detail="HTTP 503", last_at=3.0, seconds=0.5
    )


def test_a_start_period_ends_with_the_first_good_answer() -> None:
    assert answers(True, False, False, False, forgiving=True).verdict == "bad"
