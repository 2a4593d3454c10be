"""What is audited, and that neither a secret nor a flood of words gets in."""

from __future__ import annotations

import json
from typing import Any

import pytest

from edged.audit import Head, parse_head
from edged.config import Config
from edged.judge.answer import bounded_args
from edged.judge.commands import COMMANDS
from edged.report.audit import READS, record
from edged.report.metrics import Counters, Vitals, render
from edged.report.snapshot import Snapshot
from edged.report.status import metrics_sample, status
from edged.vocabulary import events as ev
from edged.vocabulary.state import State

SHOT = Snapshot(State(), Config(), 0.0, 0.0)


def answer(status: str = "succeeded", **more: Any) -> ev.CommandAnswered:
    filled: dict[str, Any] = {"subject": "worker", "id": "i-1", "command": "restart", "origin": "key:ops"} | more
    return ev.CommandAnswered(status=status, **filled)


def test_a_command_is_told_from_its_acceptance_to_its_end() -> None:
    request = {"args": {"app": "worker"}, "key": "ops", "role": "operator", "counter": 7, "digest": "sha256:ab"}
    assert record(answer("accepted", request=request)) == {
        "what": "command",
        "status": "accepted",
        "id": "i-1",
        "command": "restart",
        "subject": "worker",
        "origin": "key:ops",
        "request": request,
    }
    assert record(answer("running", result={"phase": "fetching"})) is None
    failed = record(answer("failed", reason="not_healthy", message="worker is not healthy"))
    assert failed is not None and (failed["status"], failed["code"]) == ("failed", "not_healthy")


def test_whatever_is_refused_has_a_code_and_a_count() -> None:
    told = [
        record(answer("rejected", reason="role")),
        record(answer("expired", reason="expired")),
        record(answer("succeeded", request={"repeated": True})),
        record(ev.CommandsRefused(subject="edged", code="bad_signature", count=900, key="who", topic="cmd/restart/1")),
    ]
    assert [(one["what"], one["code"], one["count"]) for one in told if one is not None] == [
        ("refused", "role", 1),
        ("refused", "expired", 1),
        ("refused", "repeated", 1),
        ("refused", "bad_signature", 900),
    ]


def test_a_look_has_one_record_and_changes_nothing() -> None:
    request = {"args": {}, "key": "eyes", "role": "viewer", "counter": 7, "digest": "sha256:ab"}
    told = record(answer("accepted", command="status.get", origin="key:eyes", request=request))
    assert told is not None and (told["what"], told["code"], told["count"]) == ("read", "status.get", 1)
    assert record(answer("succeeded", command="status.get")) is None
    failed = record(answer("failed", command="logs.get", reason="storage"))
    assert failed is not None and failed["what"] == "command", "what did not work is told"
    assert {name for name, command in COMMANDS.items() if command.role == "viewer"} == READS


def test_what_nobody_signed_is_told_once_and_a_key_called_question_mark_is_no_hiding_place() -> None:
    assert record(answer("rejected", origin="key:?", reason="bad_signature")) is None
    assert record(answer("accepted", origin="key:?", request={"key": "?"})) is not None
    assert record(answer("rejected", origin="key:?", reason="role", request={"key": "?"})) is not None


@pytest.mark.parametrize(
    ("event", "what"),
    [
        (ev.EdgedStarted(subject="edged", boot=3, version="1", previous_end="crash", host_rebooted=False), "started"),
        (ev.EdgedStopping(subject="edged", reason="signal SIGTERM"), "stopping"),
        (ev.KeysChanged(subject="edged", change="added", keys=("ops",), origin="key:boss"), "keys"),
        (ev.ConfigReloaded(subject="edged", digest="sha256:1", path="/e.yaml", changed=("apps.a",)), "config"),
        (ev.EventsDropped(subject="edged", first=1, last=9, count=9, reason="disk"), "gap"),
    ],
)
def test_what_else_is_audited(event: ev.Event, what: str) -> None:
    told = record(event)
    assert told is not None and told["what"] == what and "" not in told.values()


def test_what_the_spool_gave_up_is_in_the_audit_already() -> None:
    assert record(ev.EventsDropped(subject="edged", first=1, last=9, count=9, reason="size")) is None
    assert record(ev.AppChanged(subject="a", old="healthy", new="down", reason="x")) is None


def test_records_are_bounded() -> None:
    told = record(ev.KeysChanged(subject="edged", change="file", keys=tuple("k" * 1000 for _ in range(1000))))
    assert told is not None and len(json.dumps(told)) < 8000 and told["keys"][-1] == "and 980 more"
    long = record(answer("failed", message="x" * 10_000))
    assert long is not None and len(long["message"]) == 300


def test_arguments_are_told_without_secrets() -> None:
    assert bounded_args({"app": "a", "seconds": 5.0, "on": True}) == {"app": "a", "seconds": 5.0, "on": True}
    sealed = bounded_args({"config": "mqtt: {password: hush}", "text": "one\ntwo", "url": "https://me:hush@host/b.tar"})
    assert "hush" not in json.dumps(sealed) and sealed["url"] == "https://…@host/b.tar"
    assert sealed["config"].startswith("sha256:") and sealed["config"].endswith("(22 bytes)")
    assert sealed["text"].endswith("(7 bytes)")
    assert bounded_args({str(n): "x" * 100 for n in range(20)}) == {}
    assert bounded_args({"app": "\ud800"}) == {}


def test_every_refusal_is_counted_exactly_once() -> None:
    counters = Counters()
    for event in (
        answer("accepted"),
        answer("succeeded"),
        answer("succeeded", request={"repeated": True}),
        answer("rejected", reason="role", request={"key": "ops"}),
        answer("rejected", origin="key:?", reason="bad_signature"),
        ev.CommandsRefused(subject="edged", code="bad_signature"),
        ev.CommandsRefused(subject="edged", code="bad_signature", count=900),
    ):
        counters.count(event)
    assert counters.refused == {"repeated": 1, "role": 1, "bad_signature": 901}
    assert counters.commands == {("restart", "accepted"): 1, ("restart", "succeeded"): 1}
    page = render(SHOT, counters, Vitals(lambda: (0, 0), lambda: 0.0, dict)).decode()
    assert 'edged_commands_refused_total{code="bad_signature"} 901.0' in page
    assert 'edged_commands_total{status="accepted",type="restart"} 1.0' in page


def test_the_head_is_in_the_status_and_in_each_sample() -> None:
    head = Head(12, "ab" * 32)
    assert status(SHOT, {}, head)["audit"] == {"head": "12:" + "ab" * 32, "records": 12}
    sampled = metrics_sample(SHOT, head)["audit"]
    assert sampled == "12:" + "ab" * 16 and parse_head(sampled).fits(b"\xab" * 32)
