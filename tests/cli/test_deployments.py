"""``edged deployments``: what was deployed, and how it ended."""

from __future__ import annotations

import argparse
from typing import Any

import pytest

from edged.cli import FAILED, Failure, deployments


@pytest.mark.parametrize(("wanted", "told"), [("d", "are several deployments d"), ("e", "is no deployment e")])
def test_one_that_cannot_be_told_is_a_failure_and_no_output(
    wanted: str, told: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    events: list[dict[str, Any]] = [{"data": {"id": "d1"}}, {"data": {"id": "d2"}}]
    monkeypatch.setattr(deployments, "get", lambda *_: events)
    args = argparse.Namespace(id=wanted, since="7d", json=True, socket=None)
    with pytest.raises(Failure, match=told) as failed:
        deployments.main(args, "deployments")
    assert failed.value.code == FAILED
    assert capsys.readouterr().out == ""
