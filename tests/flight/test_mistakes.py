"""A fact on which the judge itself fails is recorded, and a replay says where."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edged import loop
from edged.adapters.flight_files import contents
from edged.config import Config
from edged.durable import Differ
from edged.flight import replay, whatif
from edged.judge import judge
from edged.vocabulary.facts import ConfigLoaded, Started, StorageSeen
from edged.vocabulary.state import State

from .recording import Clock, recorder


def failing(state: State, fact: Any, *rest: Any) -> Any:
    if isinstance(fact, StorageSeen):
        raise ZeroDivisionError("a mistake in a rule")
    return judge(state, fact, *rest)


def test_the_very_fact_that_ends_edged_is_in_the_recording(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    witness, inbox = recorder(tmp_path), loop.Inbox()
    hands = loop.Hands(
        act=lambda _: None, record=lambda _: None, observe=lambda _: None, publish=lambda _: None,
        metrics=lambda _: None, alive=lambda: "", patience=lambda: 1.0, feed=lambda: None, give_up=lambda _: None,
        witness=witness,
    )  # fmt: skip
    one = loop.Loop(State(), Config(), inbox, Clock(), hands, Differ({}), lambda _: {})
    inbox.post(Started(at=1000.0, boot=1, version="1", host_rebooted=False, previous_end="first"))
    inbox.post(ConfigLoaded(at=1000.0, digest="d", path="p"))
    inbox.post(StorageSeen(at=1000.0, ok=False, error="full"))
    monkeypatch.setattr(loop, "judge", failing)
    with pytest.raises(ZeroDivisionError):
        one.turn()
    witness.finish()
    for module in (replay, whatif):
        monkeypatch.setattr(module, "judge", failing)
    files = contents(tmp_path, None)
    count, other = replay.Count(), replay.Count()
    list(replay.replay(files, count))
    whatif.compare(files, Config(), "sha256:1", other)
    assert count.facts == 3 and count.differing == 1
    for told in (count.notes, other.notes):
        (note,) = told
        assert "failed on StorageSeen" in note and "a mistake in a rule" in note and "in failing" in note
