"""``edged replay``: what it prints, and how it ends."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from edged import __version__
from edged.cli import FAILED, OK, USAGE, run
from tests.flight.recording import WALL, one_run, recorded, walk

NEW = "apps: {mid: {memory: {warn: 10%, critical: 99%, for: 0s}}}\n"


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a device on which much went wrong."""
    folder = tmp_path_factory.mktemp("state") / "flight"
    recorded(folder, one_run(walk()))
    return folder


def test_decisions_and_a_verdict_are_printed(recording: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["replay", str(recording)]) == OK
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "all of them are those of then"
    assert re.fullmatch(r"\d+ facts of .* judged in .* s \(\d+ x real time\): \d+ decisions", lines[-2])
    assert any(re.match(r"2026-09-\d\d \d\d:\d\d:\d\dZ  do    RestartEngine engine: no answer", line) for line in lines)
    assert any("  tell  " in line and "AppDown" in line for line in lines)


def test_a_single_segment_and_json(recording: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (file,) = recording.iterdir()
    assert run(["replay", str(file), "--json"]) == OK
    told = json.loads(capsys.readouterr().out)
    assert told["same"] and told["facts"] > 100 and not told["notes"] and not told["differences"]
    assert told["begin"] == pytest.approx(WALL, abs=2.0) and told["end"] > told["begin"]
    assert {"wall", "fact", "actions", "events"} == told["decided"][0].keys()


def test_another_configuration_is_compared(recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    new = tmp_path / "new.yaml"
    new.write_text(NEW)
    assert run(["replay", str(recording), "-c", str(new)]) == OK
    text = capsys.readouterr().out
    assert re.search(r"^alerts: \d+ the same, \d+ spared, \d+ added, \d+ earlier, \d+ later$", text, re.MULTILINE)
    assert re.search(r"^actions: ", text, re.MULTILINE)
    assert run(["replay", str(recording), "-c", str(new), "--json"]) == OK
    told = json.loads(capsys.readouterr().out)
    assert {"alerts", "actions", "facts", "notes"} <= told.keys()
    assert {"same", "added", "spared", "moved"} == told["alerts"].keys()


def test_damage_is_told_and_the_rest_is_judged(
    recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (file,) = recording.iterdir()
    cut = tmp_path / file.name
    cut.write_bytes(file.read_bytes()[:-10])
    (tmp_path / "00000000-1.flight").write_bytes(b"not a segment")
    assert run(["replay", str(tmp_path)]) == FAILED  # its only frame of facts is the one that was cut
    assert "it is cut off" in capsys.readouterr().err


def test_another_version_is_told_once(
    recording: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("edged.flight.replay.__version__", "99")
    assert run(["replay", str(recording)]) == OK
    assert capsys.readouterr().out.count(f"was recorded by edged {__version__}, and is judged by 99") == 1


def test_of_this_device_it_says_when_the_newest_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "flight").mkdir()
    assert run(["replay", "--state", str(tmp_path)]) == FAILED
    assert "the last half hour is written when edged ends" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["/nowhere/at/all"], FAILED, "there is no recording at /nowhere/at/all"),
        (["--since", "soon"], USAGE, "--since"),
        (["--state", "/proc"], FAILED, "there is no recording at /proc/flight"),
    ],
)
def test_what_is_wrong_is_said(arguments: list[str], code: int, says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["replay", *arguments]) == code
    assert says in capsys.readouterr().err


def test_a_wrong_configuration_is_shown_with_its_errors(
    recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    new = tmp_path / "new.yaml"
    new.write_text("aps: {}\n")
    assert run(["replay", str(recording), "-c", str(new)]) == USAGE
    assert "did you mean" in capsys.readouterr().err
    assert run(["replay", str(recording), "-c", str(tmp_path / "none.yaml")]) == USAGE
