"""The demo's pure parts: reading events, the timeline, the sequence, the verdict, and what goes into the container."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import get_args

import msgspec
import pytest
import yaml

from edged.adapters.artifacts import links, slots
from edged.adapters.artifacts.layout import Home
from edged.config import Config
from edged.config.load import load
from edged.config.problem import ConfigError
from edged.demo import container, settings
from edged.demo.client import Asked, Loss, loss
from edged.demo.events import KINDS, Numbering, Told, check_sequence, first, kind, read
from edged.demo.timeline import Timeline, clip, columns
from edged.demo.verdict import Outcome, numbering_failures, passed, summary, table
from edged.report.journal import sentence
from edged.report.payloads import encode_event
from edged.vocabulary.events import AnyEvent, AppChanged, RecoverySucceeded

# Events


def test_an_event_read_back_says_the_same_as_the_log() -> None:
    event = RecoverySucceeded(subject="detector", ailment="AppDown", attempts=1, seconds=1.25)
    told = read(encode_event(7, 1, 1_700_000_000.5, event, device="demo-box"))
    assert told[:4] == ("recovery.succeeded", "detector", 1_700_000_000.5, 7)
    assert told.words == sentence(event)
    assert kind(told) == "verified"


def test_every_event_is_known() -> None:
    assert set(KINDS.values()) == set(get_args(AnyEvent))


def test_an_event_of_a_newer_edged_is_shown_by_its_name() -> None:
    told = Told("moon.rose", "host", 0.0, 1, {})
    assert (told.words, kind(told)) == ("host: moon.rose", "told")


@pytest.mark.parametrize("payload", [b"", b"{}", b"[]", b'{"time": 3}', b"\xff"])
def test_what_is_no_event_is_refused(payload: bytes) -> None:
    with pytest.raises((ValueError, msgspec.DecodeError)):
        read(payload)


def test_moments_count_from_the_injection() -> None:
    told = [Told("app.changed", "a", 10.25, 1, {}), Told("alert.raised", "a", 11.0, 2, {})]
    assert first(told, ("app.changed", "alert.raised"), 10.0) == 0.25
    assert first(told, ("alert.raised",), 10.0) == 1.0
    assert first(told, ("action.started",), 10.0) is None
    assert first(told, ("app.changed",), 10.5) == 0.0  # never before it


# The sequence


@pytest.mark.parametrize(
    ("numbers", "expected", "complete"),
    [
        ([1, 2, 3], Numbering(1, 3, (), 0, True), True),
        ([1, 2, 2, 3, 1], Numbering(1, 3, (), 2, True), True),
        ([1, 2, 5], Numbering(1, 5, (3, 4), 0, True), False),
        ([2, 3], Numbering(2, 3, (), 0, True), False),
        ([1, 3, 2], Numbering(1, 3, (), 0, False), False),
        ([], Numbering(0, 0, (), 0, True), False),
    ],
)
def test_a_gap_is_found(numbers: list[int], expected: Numbering, complete: bool) -> None:
    numbering = check_sequence(numbers)
    assert numbering == expected
    assert numbering.complete == complete
    assert bool(numbering_failures(numbering)) != complete


# The client


def test_loss_is_the_longest_time_without_a_right_score() -> None:
    asked = [Asked(at, 0.0, "refused" if 2.0 <= at < 4.0 else "") for at in (0.0, 1.0, 2.0, 3.0, 4.0, 5.0)]
    assert loss(asked, 0.0, 5.5) == Loss(6, 2, 3.0)


def test_an_outage_that_lasts_to_the_end_counts() -> None:
    assert loss([Asked(0.0, 0.1, ""), Asked(1.0, 1.0, "timed out")], 0.0, 4.0) == Loss(2, 1, 3.9)


def test_without_a_failure_there_is_no_outage() -> None:
    assert loss([Asked(0.0, 0.1, "")], 0.0, 4.0) == Loss(1, 0, 0.0)
    assert loss([], 0.0, 4.0) == Loss(0, 0, 0.0)


# On paper


def test_the_timeline_is_plain_text_when_nobody_looks() -> None:
    out = io.StringIO()
    timeline = Timeline(out, clock=iter([100.0, 112.5]).__next__)
    timeline.line("saw", "detector: healthy → down\n\x1b[2J")
    timeline.line("acted", "start", wall=101.0)
    assert out.getvalue() == "  12.50  saw       detector: healthy → down  [2J\n   1.00  acted     start\n"


def test_a_terminal_gets_colours_unless_it_does_not_want_them(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    painted = Terminal()
    Timeline(painted).line("verified", "x")
    assert "\x1b[32mverified" in painted.getvalue()
    for wish, coloured in (("1", False), ("0", False), ("", True)):  # empty counts as not given: no-color.org
        monkeypatch.setenv("NO_COLOR", wish)
        out = Terminal()
        Timeline(out).line("verified", "x")
        assert ("\x1b" in out.getvalue()) == coloured


def test_long_lines_are_clipped() -> None:
    assert clip("abcdef", 6) == "abcdef"
    assert clip("abcdefg", 6) == "abcde…"
    assert columns([["a", "b"], ["long", "c"]]) == ["  a     b", "  long  c"]
    assert columns([]) == []


# The verdict

GOOD = Outcome("kill", "it dies", 0.05, 0.1, 1.234567, Loss(20, 5, 0.5))
BAD = GOOD._replace(name="hang", ended=None, failures=("the recovery did not come within 45 s",))
WHOLE = Numbering(1, 9, (), 0, True)


def test_only_when_all_is_verified_it_passes() -> None:
    assert passed([GOOD], WHOLE, [])
    assert not passed([GOOD, BAD], WHOLE, [])
    assert not passed([GOOD], WHOLE._replace(missing=(4,)), [])
    assert not passed([GOOD], WHOLE, ["edged ended with 1"])
    assert not passed([], WHOLE, [])


def test_the_table_names_what_failed() -> None:
    lines = table([GOOD, BAD])
    assert lines[1].split() == ["kill", "0.05", "s", "0.10", "s", "1.23", "s", "5", "of", "20", "0.50", "s", "ok"]
    assert lines[2].endswith("FAILED: the recovery did not come within 45 s")
    assert " -  " in lines[2]


def test_the_summary_is_json() -> None:
    shown = json.loads(json.dumps(summary([GOOD, BAD], WHOLE, [], 41.26)))
    assert (shown["ok"], shown["seconds"]) == (False, 41.3)
    assert [scene["verified"] for scene in shown["scenes"]] == [True, False]
    assert shown["scenes"][0]["verified_seconds"] == 1.235
    assert shown["events"] == {"first": 1, "last": 9, "missing": [], "repeated": 0, "in_order": True}


# What it runs with


def config(folder: Path) -> str:
    return settings.config(
        state=folder / "state",
        engine="unix:///run/x.sock",
        container="edged-demo-1",
        app=1001,
        page=1003,
        mqtt=settings.plain(1002),
    )


def loaded(folder: Path, text: str) -> Config:
    file = folder / "edged.yaml"
    file.write_text(text)
    return load(file, {}).config


def test_the_configuration_is_in_order(tmp_path: Path) -> None:
    shown = loaded(tmp_path, config(tmp_path))
    assert shown.apps[settings.APP].container == "edged-demo-1"
    assert shown.docker.restart.after == 0.0  # the demo must never restart somebody's engine
    assert shown.discover == "off"  # nor touch their containers
    model = shown.apps[settings.APP].model
    assert model is not None and (model.path, model.delivery) == (container.MODELS, "mount")


def test_the_bad_configuration_has_two_mistakes(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, settings.spoiled(config(tmp_path)))
    assert len(caught.value.errors) == 2
    assert yaml.safe_load(settings.spoiled(config(tmp_path)))  # mistakes of meaning, not of syntax


def test_the_model_is_found() -> None:
    assert (container.model_folder() / "model.onnx").is_file()


def test_the_updates_are_found_and_one_that_is_missing_is_said() -> None:
    for name in ("good", "wrong", "slow", "crash"):
        assert (container.update_folder(name) / "manifest.json").is_file()
    with pytest.raises(container.StageError, match="install edged again"):
        container.update_folder("none")


def test_the_first_model_lies_in_a_slot_as_edged_makes_them(tmp_path: Path) -> None:
    folder = container.lay_slots(tmp_path / "models" / settings.APP, container.model_folder())
    place = Home(folder, tmp_path / "staging", 0o755)
    digest = links.read(place, "current")
    assert slots.check(place.slot(digest), digest).digest == digest
    assert f"{folder}:{container.MODELS}:ro" in container.mounts(folder)
    assert not any(container.MODELS in mount.split(":") for mount in container.mounts(None))


def test_mounts_do_not_lie_within_each_other(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "ab").mkdir()
    paths = [tmp_path / "a" / "b", tmp_path / "a", tmp_path / "none", tmp_path / "ab", tmp_path / "a"]
    assert container.outermost(paths) == [tmp_path / "a", tmp_path / "ab"]


def test_an_event_of_this_kind_is_what_the_scenes_look_for() -> None:
    event = AppChanged(subject="detector", old="healthy", new="stopped", reason="")
    assert read(encode_event(1, 1, 0.0, event, device="d")).data["new"] == "stopped"
