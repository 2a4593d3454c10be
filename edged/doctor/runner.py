"""Runs examinations side by side: each with its own time, and none that can stop the others."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping

from msgspec import Struct

from .finding import Finding, fail
from .patient import Patient

log = logging.getLogger(__name__)


class Examination(Struct, frozen=True):
    look: Callable[[Patient], Iterator[Finding]]
    seconds: float
    """How long it may take. What it has found by then counts."""
    unstuck: str = "dmesg --level=err,warn | tail -n 30"
    """What to do when it does not end in time."""


class _Work:
    def __init__(self, name: str, examination: Examination, patient: Patient) -> None:
        self.name, self.seconds, self._unstuck = name, examination.seconds, examination.unstuck
        self._look, self._patient = examination.look, patient
        self._found: list[Finding] = []
        # A daemon thread: one that hangs in a dead file system must not keep the program from ending.
        self._thread = threading.Thread(target=self._run, name=f"doctor-{name}", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            for finding in self._look(self._patient):
                self._found.append(finding)
        except Exception as error:
            log.exception("the examination of %s failed", self.name)
            self._found.append(
                fail(self.name, f"could not be examined: {error!r}", f"edged doctor --only {self.name}  # report this")
            )

    def result(self, until: float) -> list[Finding]:
        self._thread.join(max(0.0, until - time.monotonic()))
        found = list(self._found)
        if self._thread.is_alive():
            found.append(
                fail(
                    self.name,
                    f"did not end within {self.seconds:g} s: something it looks at hangs",
                    f"{self._unstuck}; edged doctor --only {self.name}",
                )
            )
        return found


def examine(patient: Patient, examinations: Mapping[str, Examination]) -> Iterable[Finding]:
    """All findings in the order of the examinations, as soon as each is complete."""
    began = time.monotonic()
    for work in [_Work(name, examination, patient) for name, examination in examinations.items()]:
        yield from work.result(began + work.seconds)
