"""Commands, local and remote: one registry, one path."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec.structs import replace

from ...config import Config
from ...vocabulary.events import CommandAnswered
from ...vocabulary.facts import CommandReceived
from ...vocabulary.state import State
from ...vocabulary.trust import Role
from ..answer import accepted, bounded_args, rejected
from ..outcome import Judgement, View
from .alert_ack import AckArgs, acknowledge
from .data import RestoreArgs, back_up, list_backups
from .data import restore as restore_data
from .deploy import BackArgs, DeployArgs, cancel, deploy_config, deploy_model, roll_back_config, roll_back_model
from .drift import ResetArgs, reset
from .drill import DrillArgs, run_drill
from .evidence_get import EvidenceArgs, evidence_get
from .incident_note import NoteArgs, take_note
from .isolate import IsolateArgs, isolate
from .keys import AddArgs, RevokeArgs, add, revoke
from .logs_get import LogsArgs, logs_get
from .maintenance import MaintenanceArgs, set_maintenance
from .own_config import ApplyArgs, ReloadArgs, apply_config, reload_config
from .power import AppArgs, restart, start, stop
from .report_get import ReportArgs, report_get
from .report_tell import TellArgs, tell
from .status_get import StatusArgs, status_get


class Command(msgspec.Struct, frozen=True):
    """How a command type is carried out."""

    args: type[Any]
    """Its argument struct; one with a field ``app`` is about one app, which must exist."""
    run: Callable[[Any, CommandReceived, View], Judgement]
    role: Role
    """The least that a key must be good for. Whoever is on the device may do everything."""


COMMANDS: dict[str, Command] = {
    "status.get": Command(StatusArgs, status_get, "viewer"),
    "logs.get": Command(LogsArgs, logs_get, "viewer"),
    "evidence.get": Command(EvidenceArgs, evidence_get, "viewer"),
    "report.tell": Command(TellArgs, tell, "operator"),
    "report.get": Command(ReportArgs, report_get, "viewer"),
    "restart": Command(AppArgs, restart, "operator"),
    "start": Command(AppArgs, start, "operator"),
    "stop": Command(AppArgs, stop, "operator"),
    "alert.ack": Command(AckArgs, acknowledge, "operator"),
    "incident.note": Command(NoteArgs, take_note, "operator"),
    "isolate": Command(IsolateArgs, isolate, "operator"),
    "maintenance.set": Command(MaintenanceArgs, set_maintenance, "operator"),
    "data.list": Command(AppArgs, list_backups, "viewer"),
    "data.backup": Command(AppArgs, back_up, "operator"),
    "data.restore": Command(RestoreArgs, restore_data, "operator"),
    "model.deploy": Command(DeployArgs, deploy_model, "deployer"),
    "model.rollback": Command(BackArgs, roll_back_model, "deployer"),
    "config.deploy": Command(DeployArgs, deploy_config, "deployer"),
    "config.rollback": Command(BackArgs, roll_back_config, "deployer"),
    "deploy.cancel": Command(BackArgs, cancel, "deployer"),
    "drill.run": Command(DrillArgs, run_drill, "deployer"),
    "drift.reset": Command(ResetArgs, reset, "operator"),
    "key.add": Command(AddArgs, add, "admin"),
    "key.revoke": Command(RevokeArgs, revoke, "admin"),
    "edged.reload": Command(ReloadArgs, reload_config, "admin"),
    "edged.config.deploy": Command(ApplyArgs, apply_config, "admin"),
}


def received(state: State, fact: CommandReceived, config: Config, now: float) -> Judgement:
    """Answers what was asked before once more; carries out what is new."""
    again: CommandAnswered | None = None
    if (before := state.answered.get(fact.id)) is not None:
        again = before.answer
    elif (open_one := state.commands.get(fact.id)) is not None:
        again = accepted(fact, open_one.app, f"{open_one.type} is under way already")
    if again is not None:
        return Judgement(state, events=(replace(again, request={"repeated": True}),))
    return _with_arguments(_carried_out(state, fact, config, now), fact)


def _with_arguments(judged: Judgement, fact: CommandReceived) -> Judgement:
    """The first answer tells what was asked for."""
    for index, event in enumerate(judged.events):
        if isinstance(event, CommandAnswered) and event.id == fact.id:
            first = replace(event, request={"args": bounded_args(fact.args)})
            return replace(judged, events=(*judged.events[:index], first, *judged.events[index + 1 :]))
    return judged


def _carried_out(state: State, fact: CommandReceived, config: Config, now: float) -> Judgement:
    """Checks type and arguments, then hands over to the command's own function."""
    command = COMMANDS.get(fact.type)
    if command is None:
        known = ", ".join(COMMANDS)
        return Judgement(
            state,
            events=(rejected(fact, "edged", "unknown_type", f"there is no command {fact.type}; there are: {known}"),),
        )
    try:
        args = msgspec.convert(fact.args, command.args)
    except msgspec.ValidationError as error:
        return Judgement(state, events=(rejected(fact, "edged", "bad_arguments", str(error)),))
    app = getattr(args, "app", None)
    if app is not None and app not in state.apps:
        known = ", ".join(sorted(state.apps)) or "none"
        why = f"there is no app {app}; apps here: {known}"
        return Judgement(state, events=(rejected(fact, "edged", "unknown_app", why),))
    if state.stopping:
        return Judgement(state, events=(rejected(fact, app or "edged", "stopping", "edged is stopping"),))
    return command.run(args, fact, View(state, config, now))
