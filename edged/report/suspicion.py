"""Finds the message at which a broker ends the connection. Pure.

Some brokers do not answer a message they do not like but hang up; sent again and again in the same company it
would keep everything else from arriving. So after a few such ends messages go one at a time, and the one that
still ends the connection is set aside.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Literal

PATIENCE = 3
"""Connections that may end with the same first unanswered message before each goes alone, and again after that."""

Verdict = Literal["", "hold", "condemn"]


class Suspicion:
    def __init__(self) -> None:
        self._suspect: Hashable = None
        self._strikes = 0

    @property
    def alone(self) -> bool:
        """Messages are to go one at a time."""
        return self._strikes >= PATIENCE

    def connection_ended(self, first: Hashable, alone: bool, unfit: bool) -> Verdict:
        """``first``: the oldest message without an answer. ``alone``: there was no other.

        ``unfit``: it was said, or is as good as certain, that a message is the cause. The verdict on ``first``:
        ``hold`` it for a long while, or ``condemn`` it, for the broker will never take it.
        """
        if first != self._suspect:
            self._suspect, self._strikes = first, 0
        self._strikes += 1
        if unfit and alone:
            verdict: Verdict = "condemn"
        elif alone and self._strikes >= 2 * PATIENCE:
            verdict = "hold"
        else:
            if unfit:
                self._strikes = max(self._strikes, PATIENCE)
            return ""
        self.answered(first)
        return verdict

    def answered(self, message: Hashable) -> None:
        if message == self._suspect:
            self._suspect, self._strikes = None, 0
