"""What is deployed: where it lies, and how it is tried."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from ..modelcheck.types import ConfigCheck, ConfigVerdict, ModelCheck, ModelVerdict
from ..vocabulary.actions import Where


class Artifacts(Protocol):
    """The slots of every app's models and configurations. Every method may be called again after it was cut short
    anywhere, by a power cut too, and then ends with the same result. Raises ``PortError``."""

    def fetch(self, app: str, where: Where, source: str, deployment: str, timeout: float) -> dict[str, Any]:
        """Gets a bundle into staging, going on where it ended before. Returns ``bytes``."""

    def verify(
        self, app: str, where: Where, deployment: str, digest: str, highest: int, quarantined: Sequence[str]
    ) -> dict[str, Any]:
        """Makes a whole slot of what was staged, or checks the slot ``digest`` byte by byte.

        Returns ``digest, name, version, sequence, smoke``.
        """

    def validate(
        self, app: str, where: Where, digest: str, schema: str, current: str, recorded: str, timeout: float
    ) -> dict[str, Any]:
        """Tries it in a process of its own. Returns what was measured.

        With ``recorded``, a file of the app, also how far it and ``current`` are apart over the inputs in it: that, and
        whatever is wrong with the file, is only reported.
        """

    def back_up(self, app: str, where: Where, container_id: str, current: str, timeout: float) -> dict[str, Any]:
        """Makes sure that what is in place now is in a slot, whole. Returns its ``digest``."""

    def place(
        self, app: str, where: Where, container_id: str, digest: str, previous: str, timeout: float, back: str = ""
    ) -> dict[str, Any]:
        """Puts a slot's content in place of whatever is there. ``previous`` then leads to ``back``, if to anything."""

    def smoke(self, app: str, where: Where, digest: str, url: str, timeout: float) -> dict[str, Any]:
        """Sends the bundle's own inputs to the app, which answers below ``url``. Returns ``samples`` and the
        ``seconds`` that one of them took.

        The code is ``smoke`` when it answered something else than it should, ``not_ready``, ``unreachable`` or
        ``timeout`` when it did not answer (yet).
        """

    def spoil(self, app: str, where: Where, digest: str) -> dict[str, Any]:
        """Makes a slot of the model ``digest`` whose answers are not its own, for drills. Returns its ``digest``."""

    def forget(self, app: str, where: Where, digest: str, current: str) -> dict[str, Any]:
        """Removes that slot, and makes sure that ``current`` is in place, whole. An empty ``digest``: none was made."""

    def tidy(self, app: str, where: Where, pinned: Sequence[str], deployment: str) -> dict[str, Any]:
        """Removes slots beyond the newest ``where.keep``, never a pinned or a referenced one, and what was staged."""


class ModelRuntime(Protocol):
    """Tries a new model or configuration away from the daemon. Whatever the file does, there is a verdict.

    Blocks for up to ``timeout`` seconds, which should be more than what the request itself allows for measuring and
    comparing. ``memory_limit`` is in bytes for the whole check, runtime included: for models ``enough_memory`` says how
    much is sound. ``cpu_seconds`` counts over all threads. Raises ``PortError`` when the check itself cannot be made,
    which says nothing about the file.
    """

    def check_model(
        self, request: ModelCheck, *, timeout: float, memory_limit: int, cpu_seconds: int
    ) -> ModelVerdict: ...

    def check_config(
        self, request: ConfigCheck, *, timeout: float, memory_limit: int, cpu_seconds: int
    ) -> ConfigVerdict: ...
