"""``edged deploy`` and ``edged rollback`` follow a deployment to its end, whatever becomes of it."""

from __future__ import annotations

import argparse
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edged.cli import FAILED, OK, REFUSED, Failure, deploy

DONE = {"status": "accepted", "reason": "", "message": "model.rollback of a begins", "id": "d1", "result": {}}


def phase(new: str, **more: Any) -> dict[str, Any]:
    about = {"id": "d1", "name": "m", "version": "2", "digest": "sha256:0123456789abcdef", "checks": [], "seconds": 1.0}
    return {"subject": "a", "data": {"new": new, "code": "", "reason": "", **about, **more}}


@pytest.fixture
def follow(monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Runs the verb against a daemon that gives ``accepted``, then one more of ``events`` each time it is asked."""

    def run(
        events: list[dict[str, Any]], trouble: str = "", last: tuple[dict[str, Any], ...] | None = None, **accepted: Any
    ) -> int:
        asked = [0]

        def get(_: str | None, path: str) -> Any:
            if path == "/v1/status":
                running = {"id": "d1", "phase": "fetching", "reason": trouble} if last is None else None
                return {"apps": {"a": {"deployment": running}}}
            asked[0] += 1
            # Somebody else's comes first, and the first phase of this one only after edged was asked for the reason.
            return [{"data": {"id": "d0"}}, *events[: max(0, asked[0] - 3)]]

        monkeypatch.setattr(deploy, "get", get)
        monkeypatch.setattr(deploy, "command", lambda *_: iter([DONE | accepted, *(last or ())]))
        monkeypatch.setattr(deploy, "QUIET", -1.0)
        monkeypatch.setattr(deploy, "EVERY", 0.0)
        args = argparse.Namespace(app="a", config=False, cancel=False, json=False, socket=None)
        return deploy.main(args, "rollback")

    return run


@pytest.mark.parametrize(
    ("end", "code"),
    [("committed", OK), ("rolled_back", FAILED), ("failed", FAILED), ("refused", REFUSED), ("cancelled", REFUSED)],
)
def test_each_end_has_its_exit_code(follow: Callable[..., int], end: str, code: int) -> None:
    assert follow([phase("verifying"), phase(end)]) == code


def test_one_that_waited_and_never_began(follow: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    ended = phase("cancelled", code="superseded", reason="d2 takes its place")
    assert follow([ended], message="it begins when d0 has come to its end", result={"waits_for": "d0"}) == REFUSED
    told = capsys.readouterr()
    assert "d0 has come to its end" in told.err and "[superseded]: d2 takes its place" in told.out


def test_what_an_attempt_failed_by_is_told_once(follow: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    assert follow([phase("fetching"), phase("committed")], trouble="no route to host") == OK
    assert capsys.readouterr().err.count("no route to host; edged tries again") == 1


@pytest.mark.parametrize(
    ("last", "code"),
    [
        ({"status": "succeeded", "reason": "", "message": "m 2 is in place", "result": {}}, OK),
        ({"status": "failed", "reason": "no_room", "message": "full", "result": {"phase": "refused"}}, REFUSED),
        ({"status": "failed", "reason": "gate_smoke", "message": "no", "result": {"phase": "rolled_back"}}, FAILED),
    ],
)
def test_without_events_the_answer_counts(
    follow: Callable[..., int], capsys: pytest.CaptureFixture[str], last: dict[str, Any], code: int
) -> None:
    """As on a disk that is full to the last byte."""
    assert follow([], last=(last,)) == code and last["message"] in capsys.readouterr().out


def test_nothing_is_waited_for_that_nobody_knows_of(follow: Callable[..., int]) -> None:
    with pytest.raises(Failure, match="edged status"):
        follow([], last=())


@pytest.mark.parametrize("top", ["", "./", "plant/"])
def test_a_configuration_is_told_by_its_manifest(tmp_path: Path, top: str) -> None:
    (tmp_path / "manifest.json").write_text(json.dumps({"kind": "config"}))
    (tmp_path / "other.json").write_text(json.dumps({"kind": "model"}))
    with tarfile.open(tmp_path / "b.tar", "w") as tar:
        tar.add(tmp_path / "other.json", f"{top}deeper/manifest.json")
        tar.add(tmp_path / "manifest.json", f"{top}manifest.json")
    assert deploy._kind(tmp_path / "b.tar") == "config" == deploy._kind(tmp_path)
    (tmp_path / "b.tar").write_text("no tar")
    (tmp_path / "manifest.json").write_text("[]")
    assert deploy._kind(tmp_path / "b.tar") == "" == deploy._kind(tmp_path)


def test_a_folder_that_is_no_bundle_is_not_packed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deploy, "get", lambda *_: {})  # the daemon sees no bundle there
    with pytest.raises(Failure, match=r"has no manifest\.json") as refused:
        deploy._delivered(None, tmp_path)
    assert refused.value.code == REFUSED
