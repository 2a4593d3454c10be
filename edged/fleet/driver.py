"""Carries a rollout out over a console: sends what the plan says, tells the plan what was heard, keeps it on disk."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress

from ..ports import Unreachable
from . import rollout as plan
from .answers import Answer
from .console import Console, NotTaken
from .devices import Change
from .link import Connected
from .rollout import Rollout
from .topics import EVERY, results

TURN = 0.2
"""Seconds between two looks at the whole plan."""
SAVE = 1.0
"""Seconds between two writes when nothing is sent and the stage stays: what is lost with them is asked for again."""


def watched(type_: str) -> list[str]:
    """Subscriptions for a rollout by commands of this type. To be followed before the survey: else what changes between
    the two is never heard of."""
    return [results("+", type_), *(f"{EVERY}/{one}" for one in ("status", "meta", "app/+", "alert/+/+"))]


class Driver:
    def __init__(self, console: Console, rollout: Rollout, save: Callable[[Rollout], None]) -> None:
        """``console``: follows what is ``watched``, and has surveyed since. ``save`` has written when it returns; it
        raises ``OSError``."""
        self.rollout = plan.resumed(rollout)
        self._console = console
        self._save = save
        self._blind = False
        """Connected anew, and not surveyed yet."""
        self._saved_at = self._stepped = time.monotonic()
        self._keep(force=True)

    @property
    def over(self) -> bool:
        return self.rollout.stage in plan.OVER

    def turn(self) -> None:
        """Takes what comes for a moment, then looks at the whole. Raises ``OSError``, and what the console does."""
        until = self._stepped + TURN
        while (left := until - time.monotonic()) > 0:
            self._take(left)
        if self._blind and self._console.connected:
            with suppress(Unreachable):  # lost again: the next connection asks again
                self._console.survey()
                self._blind = False
                self.rollout = plan.resumed(self.rollout)
        elapsed, self._stepped = time.monotonic() - self._stepped, time.monotonic()
        if self._blind or not self._console.connected:
            return  # nobody watches: the clock of the rollout stands still
        before = self.rollout
        self.rollout, send = plan.step(before, self._seen, elapsed)
        self._keep(force=bool(send) or self.rollout.stage != before.stage)
        for device in send:
            self._console.send(plan.command(self.rollout, device), plan.patience(self.rollout, device))

    def _take(self, timeout: float) -> None:
        news = self._console.pump(timeout)
        match news:
            case Answer():
                self.rollout = plan.answered(self.rollout, news)
            case NotTaken(unheard=False):
                self.rollout = plan.refused(self.rollout, news.command.device, news.reason)
            case Connected():
                self._blind = True
            case Change(kind="status") if news.new is not None and news.new.state == "online":
                self.rollout = plan.resumed(self.rollout, news.device)
            case _:
                pass

    def _seen(self, device: str) -> plan.Seen:
        return plan.look(self._console.fleet.devices.get(device), self.rollout.terms.app)

    def _keep(self, *, force: bool) -> None:
        if force or time.monotonic() - self._saved_at >= SAVE:
            self._save(self.rollout)
            self._saved_at = time.monotonic()
