"""What a drill does to an app, and what undoes it. Each may be carried out again after it was cut short."""

from __future__ import annotations

from typing import ClassVar, Literal

from .action import Action, Where


class InjectSignal(Action, frozen=True, kw_only=True):
    """``KILL`` ends the main process, ``STOP`` freezes it, ``CONT`` lets it go on."""

    container_id: str
    signal: Literal["KILL", "STOP", "CONT"]


class FindLimits(Action, frozen=True, kw_only=True):
    """How much memory may it use? The result is ``memory`` and ``swap``, bytes."""

    container_id: str

    journalled: ClassVar[bool] = False


class SqueezeMemory(Action, frozen=True, kw_only=True):
    """Lower the memory limit until the kernel has to kill."""

    container_id: str
    memory: int
    """Its own limit: what is tried stays below."""


class RestoreMemory(Action, frozen=True, kw_only=True):
    """Give it its own limits back."""

    container_id: str
    memory: int
    swap: int


class SpoilModel(Action, frozen=True, kw_only=True):
    """Make a model that must not pass, out of the one in place. The result is its ``digest``."""

    where: Where
    digest: str


class ForgetModel(Action, frozen=True, kw_only=True):
    """Remove it, and look whether ``current`` is what is in place, whole."""

    where: Where
    digest: str
    """Empty: none was made."""
    current: str
