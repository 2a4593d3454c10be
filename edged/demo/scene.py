"""What all scenes have in common: inject, follow what edged tells, check it at the app itself, add up."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from .events import DONE, SEEN, Told, first, kind
from .settings import APP
from .stage import Stage
from .timeline import Timeline
from .verdict import Outcome

RECOVERED_WITHIN = 45.0
AFTERWARDS = 1.0
"""Seconds of ordinary work at the end of a scene: whatever goes wrong right after a recovery belongs to it."""


class Account:
    """What is said of a scene, and what of it did not come true."""

    def __init__(self, timeline: Timeline, folder: Path, name: str, injected: str) -> None:
        self.name, self.injected = name, injected
        self._timeline, self._folder = timeline, folder
        self.failures: list[str] = []
        timeline.heading(f"{name}: {injected}")
        self.began = time.time()
        self.ended: float | None = None

    def injection(self, text: str) -> None:
        self.say("injected", text)

    def say(self, word: str, text: str, wall: float | None = None) -> None:
        self._timeline.line(word, text.replace(f"{self._folder}/", ""), wall)

    def expect(self, good: bool, otherwise: str) -> None:
        if not good:
            self.fail(otherwise)

    def fail(self, why: str) -> None:
        self.failures.append(why)
        self.say("FAILED", why)


class Scene(Account):
    """From the injection on: collects what edged tells, prints it, and adds up to an outcome."""

    def __init__(self, stage: Stage, name: str, injected: str) -> None:
        self.stage = stage
        self.told: list[Told] = []
        for _ in stage.console.follow(0.0):  # what came before is none of this scene's
            pass
        super().__init__(stage.timeline, stage.folder, name, injected)

    def until(self, done: Callable[[Told], bool], within: float, what: str = "") -> Told | None:
        """Prints the events as they come, to the one that ends the wait. Without ``what`` it may fail to come."""
        deadline = time.monotonic() + within
        while (left := deadline - time.monotonic()) > 0.0 and self.stage.edged.runs:
            for told in self.stage.console.follow(min(left, 1.0)):
                self.told.append(told)
                self.say(kind(told), told.words, told.wall)
                if done(told):
                    return told
        self.stage.check_edged()
        if what:
            self.fail(f"{what} did not come within {within:.0f} s")
        return None

    def recovered(self) -> None:
        """Waits for edged's word that the app is healthy again, then asks the app."""
        end = self.until(
            lambda told: told.type == "recovery.succeeded" and told.subject == APP, RECOVERED_WITHIN, "the recovery"
        )
        if end is not None:
            self.ended = end.wall - self.began
        self.answers()

    def answers(self) -> None:
        """The independent check: a right score, now."""
        asked = self.stage.client.ask()
        if asked.problem:
            self.fail(f"{APP} does not answer: {asked.problem}")
        else:
            self.say("checked", f"{APP} gave the right score in {asked.seconds * 1000:.1f} ms")

    def alert(self, name: str, severity: str) -> bool:
        """Whether an alert of the app was told at this severity."""
        wanted = {"name": name, "severity": severity}
        return any(told.subject == APP and wanted.items() <= told.data.items() for told in self.told)

    def outcome(self) -> Outcome:
        self.until(lambda told: False, AFTERWARDS)
        mine = [told for told in self.told if told.subject in (APP, "edged")]
        return Outcome(
            self.name,
            self.injected,
            first(mine, SEEN, self.began),
            first(mine, DONE, self.began),
            self.ended,
            self.stage.client.felt(self.began, time.time()),
            tuple(self.failures),
        )
