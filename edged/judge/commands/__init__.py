"""Commands, local and remote: one registry, one path."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from ...config import Config
from ...vocabulary.facts import CommandReceived
from ...vocabulary.state import State
from ..answer import accepted, rejected
from ..outcome import Judgement, View
from .deploy import BackArgs, DeployArgs, cancel, deploy_config, deploy_model, roll_back_config, roll_back_model
from .drift import ResetArgs, reset
from .maintenance import MaintenanceArgs, set_maintenance
from .own_config import ApplyArgs, ReloadArgs, apply_config, reload_config
from .power import AppArgs, restart, start, stop


class Command(msgspec.Struct, frozen=True):
    """How a command type is carried out."""

    args: type[Any]
    """Its argument struct; one with a field ``app`` is about one app, which must exist."""
    run: Callable[[Any, CommandReceived, View], Judgement]


COMMANDS: dict[str, Command] = {
    "restart": Command(AppArgs, restart),
    "start": Command(AppArgs, start),
    "stop": Command(AppArgs, stop),
    "maintenance.set": Command(MaintenanceArgs, set_maintenance),
    "model.deploy": Command(DeployArgs, deploy_model),
    "model.rollback": Command(BackArgs, roll_back_model),
    "config.deploy": Command(DeployArgs, deploy_config),
    "config.rollback": Command(BackArgs, roll_back_config),
    "deploy.cancel": Command(BackArgs, cancel),
    "drift.reset": Command(ResetArgs, reset),
    "edged.reload": Command(ReloadArgs, reload_config),
    "edged.config.deploy": Command(ApplyArgs, apply_config),
}


def received(state: State, fact: CommandReceived, config: Config, now: float) -> Judgement:
    """Checks type and arguments, then hands over to the command's own function."""
    if (before := state.answered.get(fact.id)) is not None:
        return Judgement(state, events=(before.answer,))
    if (open_one := state.commands.get(fact.id)) is not None:
        return Judgement(state, events=(accepted(fact, open_one.app, f"{open_one.type} is under way already"),))
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
