"""``edged runbooks`` without a daemon: the built-in ones, those of a file, and what is wrong with the question."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edged.cli import OK, UNREACHABLE, USAGE, run
from edged.cli.runbooks import tried
from edged.config.runbook_builtin import BUILT_IN


@pytest.fixture(autouse=True)
def no_daemon(monkeypatch: pytest.MonkeyPatch) -> None:
    from edged.cli import Failure, runbooks

    def nowhere(given: str | None) -> Path:
        raise Failure(UNREACHABLE, "no daemon is running here")

    monkeypatch.setattr(runbooks, "find_socket", nowhere)
    monkeypatch.setenv("EDGED_SOCKET", "/nonexistent/edged.sock")


def test_the_built_in_ones_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["runbooks"]) == OK
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[:-1]] == list(BUILT_IN)
    assert "no daemon runs here" in lines[-1]
    assert run(["runbooks", "--json"]) == OK
    assert [one["name"] for one in json.loads(capsys.readouterr().out)] == list(BUILT_IN)


def test_one_is_shown_as_it_is_written(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["runbooks", "enginedown"]) == OK
    shown = capsys.readouterr().out
    assert "- {do: restart_engine, timeout: 10m, verify: engine_up}" in shown and "runbooks:\n  EngineDown:" in shown


def test_those_of_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "edged.yaml"
    file.write_text('runbooks:\n  AppDown/a: []\n  ReadOnlyFs: [{do: escalate, say: "the \\"black\\" box"}]\n')
    assert run(["runbooks", "-c", str(file)]) == OK
    shown = capsys.readouterr().out
    assert "AppDown/a" in shown and "nothing" in shown and shown.count("replaced") == 2
    assert run(["runbooks", "-c", str(file), "ReadOnlyFs"]) == OK
    assert '{do: escalate, say: "the \\"black\\" box"}' in capsys.readouterr().out
    file.write_text("runbooks: {AppDwn: [capture]}\n")
    assert run(["runbooks", "-c", str(file)]) == USAGE
    assert "did you mean AppDown?" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["AppDwn"], USAGE, "did you mean AppDown?"),
        (["try", "AppDown"], USAGE, "edged runbooks try ALERT SUBJECT"),
        (["AppDown", "detector"], USAGE, "name one runbook"),
        (["try", "AppDown", "detector"], UNREACHABLE, "does not answer"),
    ],
)
def test_what_cannot_be_asked(words: list[str], code: int, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["runbooks", *words]) == code
    assert said in capsys.readouterr().err


def test_a_dry_run_is_told_in_words_and_steers_no_terminal() -> None:
    step = {
        "step": "restart", "verdict": "wait", "why": "in maintenance by \x1b[31mann", "timeout": 600.0,
        "verify": "healthy", "when": {"critical": True, "not healthy": False},
        "checks": {"budget": "0 of 5 restarts spent"},
    }  # fmt: skip
    found = {
        "alert": "Unhealthy", "subject": "a", "runbook": "Unhealthy", "built_in": True, "fires": True, "supposed": "",
        "under_way": "", "steps": [step], "actions": [{"action": "CaptureEvidence", "subject": "a", "reason": "r"}],
    }  # fmt: skip
    lines = tried(found)
    assert lines[0] == "Unhealthy a: it fires" and "waits" in lines[2] and "\x1b[31m" not in lines[2]
    assert "when critical: yes; when not healthy: no; within 10m, then verified: healthy" in lines[3]
    assert lines[-1] == "at once edged would begin: CaptureEvidence of a"
    assert tried(found | {"steps": [], "actions": []})[-2:] == [
        "  it has no steps: nothing is done", "at once edged would begin nothing"
    ]  # fmt: skip
