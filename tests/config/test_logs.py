"""The section ``logs``: forms, defaults, and expressions that could make edged stand still."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edged.config import App, Logs, app_from_labels
from edged.config.log_rules import LOOK, trouble
from edged.config.logs import DEFAULT, Switch, asked

from .conftest import Load, Refuse


def read(load_text: Load, rest: str) -> Logs | Switch | None:
    return load_text(f"apps: {{a: {{{rest}}}}}").config.apps["a"].logs


def test_the_contracts_example(load_text: Load) -> None:
    text = 'logs: {errors: "ERROR|CRITICAL|FATAL", auth: "unauthorized|login failed", warn_per_minute: 10}'
    found = read(load_text, text)
    assert found == Logs(errors="ERROR|CRITICAL|FATAL", auth="unauthorized|login failed", warn_per_minute=10)


@pytest.mark.parametrize(
    ("text", "configured", "discovered"),
    [
        ("priority: 1", DEFAULT, None),
        ("logs: ", DEFAULT, None),
        ("logs: off", None, None),
        ("logs: on", DEFAULT, DEFAULT),
        ("logs: {warn_per_minute: 3}", Logs(warn_per_minute=3), Logs(warn_per_minute=3)),
    ],
)
def test_on_for_apps_of_the_file_and_off_for_others(
    load_text: Load, text: str, configured: Logs | None, discovered: Logs | None
) -> None:
    given = read(load_text, text)
    assert (asked(given, False), asked(given, True)) == (configured, discovered)


def test_labels() -> None:
    on, problems = app_from_labels("a", {"edged.enable": "true", "edged.logs": "on"}, None)
    assert asked(on.logs, True) == DEFAULT and not problems
    some, problems = app_from_labels("a", {"edged.logs.errors": "ALARM", "edged.logs.warn_per_minute": "3"}, None)
    assert some.logs == Logs(errors="ALARM", warn_per_minute=3) and not problems
    off, problems = app_from_labels("a", {"edged.logs": "off"}, App())
    assert asked(off.logs, False) is None and not problems
    bad, problems = app_from_labels("a", {"edged.logs.errors": "(x+x+)+y"}, None)
    assert bad.logs in (None, DEFAULT) and len(problems) == 1 and "may take very long" in problems[0]


def test_refused_with_line_and_reason(refuse: Refuse) -> None:
    [problem] = refuse("apps:\n  a:\n    logs:\n      errors: '(a+)+$'\n")
    assert (problem.line, problem.key) == (4, "apps.a.logs.errors")
    assert "may take very long" in problem.reason and ".{0,40}" in problem.hint
    [problem] = refuse("apps: {a: {logs: {slow: '['}}}")
    assert "is not a regular expression" in problem.reason
    [problem] = refuse("apps: {a: {logs: maybe}}")
    assert "is not one of off, on" in problem.reason
    [problem] = refuse("apps: {a: {logs: {auth: 'x*'}}}")
    assert "matches every line" in problem.reason
    [problem] = refuse("apps: {a: {logs: {auth: '" + "x" * 501 + "'}}}")
    assert "longer than 500" in problem.reason


GOOD = (
    "ERROR|CRITICAL|FATAL", DEFAULT.slow, DEFAULT.auth, ".*ERROR.*", "login.*failed", r"took \d+\.\d+ s",
    r"status=5\d\d .*ms", r"(\d{1,3}\.){3}\d{1,3}", r"^(?!.*debug).*error", r"\bfail(ed|ure)?\b", "(?:foo|bar)+x",
    r"level=(error|fatal|panic)", r'"level": ?"error"', r"\w+ failed \w+", r"\w+\s+\w+\s+x", "é+x", r"\s+$", "(?>a+)b",
    "a++b", ".{0,40}x.{0,40}y", "(?i)größe", r"\[E\d{4}\]", "(?:a|b)*c", r"^[^ ]+ [^ ]+ ERROR",
)  # fmt: skip
BAD = (
    "(a+)+$", "(a|a)*b", "(a|ab)*c", r"([a-z]+\s*)*x", "a.*b.*c", "(?i)(x+x+)+y", "(.+)+x", "(a?){30}a{30}",
    "((a{0,30}){0,30}){0,30}x", "(x{1,2000}){1,2000}", "(.)\\1", "(?P<q>a)(?P=q)", "(a)?(?(1)b|c)", r"\w*\d*\w*x",
    "(?:(?:a|b)*c?)*d", "(?=(a+)+b)x", "[a-z]*[A-Z0-9a]*[a-f]*q", "(?i)x*X*x*y",
)  # fmt: skip


@pytest.mark.parametrize("pattern", GOOD)
def test_usual_expressions_are_taken(pattern: str) -> None:
    assert trouble(pattern) is None
    assert slowest(pattern) < 0.5


@pytest.mark.parametrize("pattern", BAD)
def test_expressions_that_explode_are_refused(pattern: str) -> None:
    found = trouble(pattern)
    assert found is not None and "may take very long" in found[0] and found[1]


def slowest(pattern: str) -> float:
    """Seconds of processor time for the worst of some lines made to be bad for it."""
    search = re.compile(pattern).search
    letters = "".join(dict.fromkeys(c for c in pattern if c.isalnum()))[:5] or "a"
    words = re.findall(r"[A-Za-z]{2,}", pattern)
    lines = [*letters, *(a + b for a in letters for b in letters), *words, *(word[:-1] for word in words), " ", "a "]
    worst = 0.0
    for line in lines:
        began = time.thread_time()
        search((line * LOOK)[:LOOK])
        search((line * LOOK)[: LOOK - 1] + "!")
        worst = max(worst, time.thread_time() - began)
    return worst


ATOM = st.sampled_from(("a", "b", ".", "[ab]", r"\w", r"\d", "x", "(?:a|b)", "(?:a|ab)", " "))
REPEAT = st.sampled_from(("", "", "", "*", "+", "?", "{0,20}", "{2}", "*?", "{0,3}", "++"))
PART = st.builds(lambda one, times: one + times, ATOM, REPEAT)
FLAT = st.lists(PART, min_size=1, max_size=4).map("".join)
NESTED = st.builds(lambda one, times: f"(?:{one}){times}", FLAT, REPEAT)
ANY = st.lists(st.one_of(PART, NESTED, FLAT.map(lambda one: f"(?:{one}|b{one})")), min_size=1, max_size=4).map("".join)


@settings(deadline=None, max_examples=150)
@given(ANY)
def test_whatever_is_taken_is_quick_on_bad_lines(pattern: str) -> None:
    if trouble(pattern) is None:
        assert slowest(pattern) < 1.0, "seconds on a line made to be bad; a usual one takes microseconds"
