"""The section ``runbooks``: every alert has a built-in one, and a wrong one is told with its place."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import msgspec
import pytest

from edged.cli.runbooks import text
from edged.config import Config, ConfigError, load
from edged.config.incidents import BUILT_IN as RATED
from edged.config.runbook_builtin import ABOUT, BUILT_IN, OCCASION, about, names, runbook
from edged.config.runbook_rules import runbook_faults
from edged.config.runbooks import KINDS, WORDS, Step, StepName, Steps, Word, timeout_of, verify_of
from edged.judge.runbooks import conditions
from edged.judge.runbooks.permission import EVIDENCE_FIRST, TELLING
from edged.judge.runbooks.steps import LASTING, REMEDIES, STEPS
from edged.report.runbooks import listed

REPO = Path(__file__).resolve().parents[2]
ALERTS = set(re.findall(r"^\| ([A-Z][A-Za-z]+) \|", (REPO / "docs" / "alerts.md").read_text(), re.MULTILINE))


def read(tmp_path: Path, content: str) -> Config:
    file = tmp_path / "edged.yaml"
    file.write_text(content)
    return load(file, {}, "box").config


def problems(tmp_path: Path, content: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, content)
    return str(caught.value).replace(str(tmp_path), "").splitlines()


def test_every_alert_has_a_built_in_runbook_and_nothing_else_has() -> None:
    assert {name.partition("/")[0] for name in BUILT_IN} == ALERTS | {OCCASION}
    assert set(RATED) <= {name.partition("/")[0] for name in BUILT_IN}
    assert ABOUT.keys() <= {name.partition("/")[0] for name in BUILT_IN}


def test_the_built_in_ones_pass_the_rules() -> None:
    assert list(runbook_faults(BUILT_IN)) == []


def test_every_step_and_every_word_is_described_and_carried_out() -> None:
    steps, words = set(get_args(StepName)), {word for word in get_args(Word) if not word.startswith("not ")}
    assert steps == KINDS.keys() == STEPS.keys()
    assert steps >= {*LASTING, *REMEDIES, *EVIDENCE_FIRST, *TELLING}
    assert words == WORDS.keys() == conditions.WORDS.keys()
    assert {f"not {word}" for word in words} | words == set(get_args(Word))


@pytest.mark.parametrize("name", sorted(BUILT_IN))
def test_what_edged_prints_can_be_put_into_the_file(tmp_path: Path, name: str) -> None:
    (one,) = [one for one in listed(Config()) if one["name"] == name]
    again = read(tmp_path, "\n".join(text(one)))
    alert, _, subject = name.partition("/")
    here, there = runbook(again.runbooks, alert, subject), runbook({}, alert, subject)
    assert not here.built_in and there.built_in
    assert [(s.do, timeout_of(s), s.when, verify_of(s)) for s in here.steps] == [
        (s.do, timeout_of(s), s.when, verify_of(s)) for s in there.steps
    ]


def test_the_nearest_one_counts() -> None:
    def book(step: str) -> Steps:
        return msgspec.convert((step,), Steps)

    mine = {"HighMemory": book("notify"), "AppDown/a": book("escalate")}
    assert runbook(mine, "HighMemory", "a").does == ("notify",)
    assert runbook(mine, "HighMemory", "host").does == ("pause_lower_priority",), "that one has its own"
    assert runbook(mine, "AppDown", "a").does == ("escalate",) and runbook(mine, "AppDown", "b").built_in
    assert runbook(mine, "NeverHeardOf", "b").does == ("notify",)
    assert names(mine)[-1] == "AppDown/a" and about("HighMemory/host") == ("host",)


def test_steps_that_differ_have_another_digest_and_the_long_form_has_the_same() -> None:
    short, long = msgspec.convert(("restart",), Steps), (Step(do="restart"),)
    assert runbook({"AppDown": short}, "AppDown").digest == runbook({"AppDown": long}, "AppDown").digest
    other = (Step(do="restart", timeout=9.0),)
    assert runbook({"AppDown": other}, "AppDown").digest != runbook({"AppDown": long}, "AppDown").digest


def test_an_empty_one_does_nothing(tmp_path: Path) -> None:
    config = read(tmp_path, "runbooks: {AppDown: []}\n")
    assert runbook(config.runbooks, "AppDown").steps == () and not runbook(config.runbooks, "AppDown").built_in


WRONG = [
    ("AppDwn: [capture]", "/edged.yaml:2: runbooks.AppDwn: there is no alert of this name (did you mean AppDown?)"),
    ("AppDown: [restrat]", ":2: runbooks.AppDown.0: 'restrat': is not one of"),
    ("AppDown: [restrat]", "(did you mean restart?)"),
    ("AppDown:\n  - {do: start, when: [criticl]}", "(did you mean critical?)"),
    ("AppDown:\n  - start\n  - {do: start, timout: 3s}", ":4: runbooks.AppDown.1.timout: unknown key (did you mean"),
    ("AppDown:\n  - {timeout: 3s}", ":3: runbooks.AppDown.0.do: is missing"),
    ("AppDown:\n  - {do: start, timeout: 10ms}", "must be at least 1s"),
    (
        "DiskFull:\n  - notify\n  - restart",
        ":4: runbooks.DiskFull.1.do: restart is for alerts about an app; DiskFull is",
    ),
    ("HighMemory/host: [restart]", "HighMemory/host is about a host"),
    (
        "AppDown:\n  - {do: start, verify: stopped}",
        ":3: runbooks.AppDown.0.verify: 'stopped': start cannot be verified",
    ),
    ("AppDown:\n  - {do: start, verify: stopped}", "(it can be: healthy, done, cleared)"),
    ("AppDown:\n  - {do: notify, timeout: 3s}", "has no effect: notify takes no time"),
    ("AppDown:\n  - {do: start, say: hi}", "has no effect with start (it is for notify and escalate)"),
    ("AppDown:\n  - {do: start, when: [running, not running]}", "the step is never taken"),
    ("AppDown: capture", "is a single value; a list is expected here (write it like [capture])"),
    ("AppDown: [" + "notify, " * 30 + "]", "has more than 20 steps"),
]


@pytest.mark.parametrize(("content", "expected"), WRONG)
def test_what_is_wrong_is_told_with_its_place(tmp_path: Path, content: str, expected: str) -> None:
    found = problems(tmp_path, "runbooks:\n  " + content)
    assert any(expected in line for line in found), found


def test_a_runbook_that_lets_an_app_lie_is_warned_of(tmp_path: Path) -> None:
    file = tmp_path / "edged.yaml"
    file.write_text("runbooks:\n  AppDown: [notify]\n  Unhealthy: [restart]\n  HighMemory/host: [notify]\n")
    (warning,) = load(file, {}, "box").warnings
    assert warning.line == 2 and "edged does not restart an app for AppDown" in warning.reason


def test_a_runbook_for_a_misspelt_app_is_warned_of(tmp_path: Path) -> None:
    file = tmp_path / "edged.yaml"
    told = "runbooks: {AppDown/detecotr: [start], Unhealthy/found: [restart], HighMemory/host: [notify]}\n"
    file.write_text(f"apps: {{detector: {{}}}}\n{told}")
    (warning,) = load(file, {}, "box").warnings
    assert "there is no app detecotr" in warning.reason and warning.hint == "did you mean detector?"
    file.write_text(f"discover: off\napps: {{detector: {{}}}}\n{told}")
    assert {w.key for w in load(file, {}, "box").warnings} == {"runbooks.AppDown/detecotr", "runbooks.Unhealthy/found"}
