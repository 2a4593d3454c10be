"""Commands, local and remote: one registry, one path."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from ...config import Config
from ...vocabulary.facts import CommandReceived
from ...vocabulary.state import State
from ...vocabulary.trust import Role
from ..answer import accepted, rejected
from ..outcome import Judgement, View
from .deploy import BackArgs, DeployArgs, cancel, deploy_config, deploy_model, roll_back_config, roll_back_model
from .keys import AddArgs, RevokeArgs, add, revoke
from .maintenance import MaintenanceArgs, set_maintenance
from .own_config import ApplyArgs, ReloadArgs, apply_config, reload_config
from .power import AppArgs, restart, start, stop


class Command(msgspec.Struct, frozen=True):
    """How a command type is carried out."""

    args: type[Any]
    """Its argument struct; one with a field ``app`` is about one app, which must exist."""
    run: Callable[[Any, CommandReceived, View], Judgement]
    role: Role
    """The least that a key must be good for. Whoever is on the device may do everything."""


COMMANDS: dict[str, Command] = {
    "restart": Command(AppArgs, restart, "operator"),
    "start": Command(AppArgs, start, "operator"),
    "stop": Command(AppArgs, stop, "operator"),
    "maintenance.set": Command(MaintenanceArgs, set_maintenance, "operator"),
    "model.deploy": Command(DeployArgs, deploy_model, "deployer"),
    "model.rollback": Command(BackArgs, roll_back_model, "deployer"),
    "config.deploy": Command(DeployArgs, deploy_config, "deployer"),
    "config.rollback": Command(BackArgs, roll_back_config, "deployer"),
    "deploy.cancel": Command(BackArgs, cancel, "deployer"),
    "key.add": Command(AddArgs, add, "admin"),
    "key.revoke": Command(RevokeArgs, revoke, "admin"),
    "edged.reload": Command(ReloadArgs, reload_config, "admin"),
    "edged.config.deploy": Command(ApplyArgs, apply_config, "admin"),
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
