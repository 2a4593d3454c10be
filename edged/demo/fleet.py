"""The end of the story: a fleet of three, commanded over nothing but the broker, and somebody who may not."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterable
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from .console import Received
from .container import model_folder
from .events import check_sequence
from .fleet_scene import FleetScene
from .fleet_stage import OPERATOR, FleetStage, Member
from .processes import wait
from .settings import APP
from .timeline import Timeline, columns
from .verdict import Outcome, numbering_failures

ANSWERED_WITHIN = 30.0
ROLLED_OUT_WITHIN = 90.0
HEARD_WITHIN = 10.0


def tell(timeline: Timeline, *, keep: bool) -> tuple[list[Outcome], list[str]]:
    """Runs it: what the scenes came to, and what else went wrong. Raises ``StageError``."""
    timeline.heading("And a fleet: three devices on this machine, one broker, a console that has nothing else")
    began = time.monotonic()
    with FleetStage(timeline, keep=keep) as stage:
        outcomes = [scene(stage) for scene in SCENES]
        failures = _close(stage)
        timeline.blank(f"The fleet's part took {time.monotonic() - began:.0f} s.")
        if keep:
            timeline.blank(f"Kept: {stage.folder} (certificates, keys, bundles, and a folder for each device).")
    return outcomes, failures


def ls(stage: FleetStage) -> Outcome:
    scene = FleetScene(stage, "fleet ls", "who is there?")
    code, said = scene.fleet("ls", within=ANSWERED_WITHIN)
    devices = said[-1] if said and isinstance(said[-1], list) else []
    rows = [["device", "state", "app", "labels"]]
    for one in devices:
        labels = ", ".join(f"{key}={value}" for key, value in one["labels"].items())
        rows.append([one["device"], one["state"], one["apps"].get(APP, {}).get("state", "none"), labels])
    stage.timeline.blank(*columns(rows, " " * 19))
    well = [["online", "healthy", f"site={member.site}"] for member in stage.members]
    scene.expect(code == 0 and [row[1:] for row in rows[1:]] == well, f"edged fleet ls ended with {code}, not all well")
    scene.ended = time.time() - scene.began
    return scene.outcome()


def send(stage: FleetStage) -> Outcome:
    scene = FleetScene(stage, "fleet send", "the operator restarts one app, from afar")
    member = stage.members[1]
    code, said = _restart(scene, member, "ops.key")
    states = [one["state"] for one in said]
    scene.expect(code == 0 and states[:1] == ["accepted"] and states[-1:] == ["succeeded"], f"answered: {states}")
    order = _order(member)
    if order is not None and states[-1:] == ["succeeded"]:
        scene.seen, scene.ended = (max(0.0, _wall(said[at]) - order.wall) for at in (0, -1))
        scene.acted = scene.moments(("action.started",), order.wall, member)
        scene.say("checked", f"accepted after {scene.seen * 1000:.0f} ms, succeeded after {scene.ended:.2f} s")
    scene.expect(order is not None, "the broker did not show the command to whoever listens")
    scene.expect(scene.restarted() == {member.name}, f"restarted: {', '.join(scene.restarted()) or 'none'}")
    member.await_healthy()
    scene.serve(_digest(model_folder()), member)
    return scene.outcome()


def forged(stage: FleetStage) -> Outcome:
    """The broker lets eve in, since she has a console's certificate. That is not enough."""
    scene = FleetScene(stage, "forged command", f"eve may use the broker, and signs as {OPERATOR} with her own key")
    member = stage.members[1]
    code, said = _restart(scene, member, "eve.key", eve=True)
    ends = [(one["state"], one["reason"]) for one in said]
    scene.expect(code == 3 and ends == [("rejected", "bad_signature")], f"exit code {code}, answered: {ends}")
    scene.ended = time.time() - scene.began
    scene.untouched(*stage.members)
    scene.audited(member, "bad_signature")
    return scene.outcome()


def replayed(stage: FleetStage) -> Outcome:
    scene = FleetScene(stage, "replayed command", "eve recorded the operator's command, and sends the same bytes")
    member = stage.members[1]
    order = _order(member)
    if order is None:
        scene.fail("there is no command to send again")
        return scene.outcome()
    answer = order.topic.replace("cmd/", "res/", 1)

    def answers() -> list[Any]:
        return [json.loads(one.payload) for one in list(member.console.messages) if one.topic == answer]

    before = len(answers())
    scene.injection(f"{len(order.payload)} bytes to {order.topic}")
    member.console.publish(order.topic, order.payload)
    heard = wait(lambda: len(answers()) > before, ANSWERED_WITHIN)
    scene.expect(heard, f"no answer within {ANSWERED_WITHIN:.0f} s")
    if heard:
        told = answers()[-1]
        scene.ended = _wall(told) - scene.began
        scene.say("answered", f"{member.name}: {told['data']['status']}: {told['data']['message']}", _wall(told))
        scene.expect(told["data"]["status"] == "succeeded", "the answer is another than the first time")
    scene.untouched(*stage.members)
    scene.audited(member, "repeated")
    return scene.outcome()


def rollout(stage: FleetStage) -> Outcome:
    scene = FleetScene(stage, "fleet rollout", "a better model, signed, in two waves")
    code, said = _roll_out(scene, "good")
    ends = [(one["wave"], one["device"]) for one in said if one.get("state") == "succeeded"]
    committed = code == 0 and len(ends) == len(stage.members) and [wave for wave, _ in ends] == [0, 1, 1]
    scene.expect(committed, f"edged fleet rollout ended with {code}; succeeded: {ends}")
    scene.serve(_digest(stage.bundles["good"]), *stage.members)
    return scene.outcome()


def bad_rollout(stage: FleetStage) -> Outcome:
    """Signed, whole, quick, and its answers are right: the app dies of it. Only one device has to find out."""
    scene = FleetScene(stage, "bad rollout", "a model that the app dies of, signed all the same")
    code, said = _roll_out(scene, "crash")
    failed = {one["device"] for one in said if one.get("state") == "failed"}
    stages = [one["stage"] for one in said if "waves" in one]
    halted = code == 1 and len(failed) == 1 and stages[-1:] == ["halted"]
    scene.expect(halted, f"edged fleet rollout ended with {code}, {stages[-1:]}; failed: {sorted(failed)}")
    others = [member for member in stage.members if member.name not in failed]
    scene.untouched(*others)
    for member in stage.members:
        member.await_healthy()
    scene.serve(_digest(stage.bundles["good"]), *stage.members)
    return scene.outcome()


SCENES: tuple[Callable[[FleetStage], Outcome], ...] = (ls, send, forged, replayed, rollout, bad_rollout)
"""In the order of the story."""


def _restart(scene: FleetScene, member: Member, key: str, *, eve: bool = False) -> tuple[int | None, list[Any]]:
    words = ("send", member.name, "restart", f"app={APP}")
    code, said = scene.fleet(*words, key=key, eve=eve, within=ANSWERED_WITHIN)
    return code, [one for one in said if isinstance(one, dict)]


def _roll_out(scene: FleetScene, bundle: str) -> tuple[int | None, list[Any]]:
    members, began = scene.stage.members, time.time()
    where = str(scene.stage.bundles[bundle])
    short = ("--waves", "1,100%", "--max-failures", "0", "--soak", "1s", "--timeout", "80s", "--grace", "10s")
    code, said = scene.fleet("rollout", where, "--app", APP, *short, key="release.key", within=ROLLED_OUT_WITHIN)
    scene.ended = time.time() - began
    scene.seen = scene.moments(("deployment.changed",), began, *members)
    scene.acted = scene.moments(("action.started",), began, *members)
    return code, [one for one in said if isinstance(one, dict)]


def _close(stage: FleetStage) -> list[str]:
    """Every edged says good-bye, and nothing of what it told is missing. Returns what went wrong."""
    stage.timeline.heading("fleet, end: nothing is missing")
    failures = []
    for member in stage.members:
        code, said = member.edged.command("audit", "verify")
        if code:
            failures.append(f"the audit of {member.name} is broken: {said}")
    for member, ended in zip(stage.members, stage.end(), strict=True):
        if ended != 0:
            failures.append(f"edged of {member.name} ended with {ended}")
    for member in stage.members:
        wait(partial(_said_goodbye, member), HEARD_WITHIN)
        numbering = check_sequence(numbers(member.console.messages))
        failures += [f"{member.name}: {failure}" for failure in numbering_failures(numbering)]
        if numbering.complete:
            whole = f"messages 1 to {numbering.last} arrived, and its audit is whole"
            stage.timeline.line("checked", f"{member.name}: {whole}")
    for failure in failures:
        stage.timeline.line("FAILED", failure)
    return failures


def _said_goodbye(member: Member) -> bool:
    return any(told.type == "edged.stopping" for told in list(member.console.events))


def numbers(messages: Iterable[Received]) -> list[int]:
    """Events and answers to commands are numbered together."""
    told = [one for one in list(messages) if one.topic == "event" or one.topic.startswith("res/")]
    return [int(json.loads(one.payload)["sequence"]) for one in told]


def _order(member: Member) -> Received | None:
    """The first command to restart that was sent to it, as anybody at the broker sees it."""
    return next((one for one in list(member.console.messages) if one.topic.startswith("cmd/restart/")), None)


def _digest(bundle: Path) -> str:
    return hashlib.sha256((bundle / "model.onnx").read_bytes()).hexdigest()


def _wall(told: dict[str, Any]) -> float:
    return datetime.fromisoformat(told["time"]).timestamp()
