"""One row for each step: can it be taken, must it wait, how does it begin, and how does it stand?"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from msgspec import Struct

from ...config.runbooks import Step
from ...vocabulary.runbooks import Run
from . import app_steps, command_steps, host_steps, recover_all
from .move import Move
from .scene import Scene

Unfit = Callable[[Scene, Step], tuple[Literal["skipped", "refused"], str] | None]
Held = Callable[[Scene, Run, Step], tuple[str, float | None] | None]
Take = Callable[[Scene, Run, Step], Move]


class Row(Struct, frozen=True):
    unfit: Unfit
    """Why it cannot be taken at all now."""
    held: Held
    """Why it waits; asked before it begins, and while it is under way."""
    begin: Take
    look: Take


_TELL = (host_steps.never_unfit, host_steps.never_held)
_BY_RECOVERY = Row(app_steps.unfit, app_steps.held, app_steps.ask, app_steps.watch)
_BY_COMMAND = Row(command_steps.unfit, command_steps.held, command_steps.give, command_steps.answered)
STEPS: dict[str, Row] = {
    "capture": Row(app_steps.unfit, app_steps.held, app_steps.keep_evidence, app_steps.kept_evidence),
    "restart": _BY_RECOVERY,
    "start": _BY_RECOVERY,
    "stop": _BY_RECOVERY,
    "pause_lower_priority": Row(
        host_steps.pause_unfit, host_steps.pause_held, host_steps.pause, host_steps.paused
    ),
    "prune_disk": Row(host_steps.prune_unfit, host_steps.prune_held, host_steps.prune, host_steps.pruned),
    "restart_engine": Row(
        host_steps.engine_unfit, host_steps.engine_held, host_steps.restart_engine, host_steps.engine_restarted
    ),
    "recover_all": Row(recover_all.unfit, recover_all.held, recover_all.begin, recover_all.look),
    "rollback_model": _BY_COMMAND,
    "restore_config": _BY_COMMAND,
    "restore_data": _BY_COMMAND,
    "isolate": Row(app_steps.unfit, app_steps.held, app_steps.cut_off, app_steps.is_cut_off),
    "wait_healthy": Row(app_steps.unfit, app_steps.held, app_steps.wait, app_steps.is_healthy),
    "smoke_test": Row(recover_all.unfit, recover_all.held, recover_all.ask, recover_all.ask_next),
    "notify": Row(*_TELL, host_steps.notify, host_steps.notify),
    "escalate": Row(*_TELL, host_steps.escalate, host_steps.escalate),
}  # fmt: skip
LASTING = ("recover_all", "smoke_test", "restore_data", "rollback_model", "restore_config")
"""Once begun they are brought to their end, though the alert clears meanwhile."""
REMEDIES = frozenset(STEPS) - {"capture", "wait_healthy", "smoke_test", "notify", "escalate"}
"""What should have helped."""
