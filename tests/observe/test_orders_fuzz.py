"""A few of the hostile orders: ``scripts/fuzz command`` sends them by the hundred thousand."""

from __future__ import annotations

import pytest

from edged.judge import admission
from tests.fuzz import command


def test_no_hostile_order_has_an_effect() -> None:
    figures = command.run(1500, 11)
    assert [(figure.name, figure.value) for figure in figures if not figure.met] == []
    assert len({figure.name for figure in figures}) == 7


def test_the_watch_sees_an_effect_and_a_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(admission, "_sender", lambda *_: None)  # nobody asks who it is for, nor the role
        met = {figure.name: figure.met for figure in command.run(300, 11)}
    assert not met["command: refused messages that had an effect"]
    assert not met["command: refusals with a wrong reason code"]
    with monkeypatch.context() as patch:
        patch.setattr(admission, "_times", lambda *_: 1 / 0)
        met = {figure.name: figure.met for figure in command.run(100, 11)}
    assert not met["command: messages that crashed it"]
