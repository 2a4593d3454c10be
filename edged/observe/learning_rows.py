"""A reference that is being learned from an app's first rows, across restarts of edged."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

from ..config import Drift
from ..inputs.rows import Table
from ..ports import Inputs, PortError
from ..vocabulary.drift import Reference

if TYPE_CHECKING:
    from ..inputs.learning import Learner

log = logging.getLogger(__name__)

LEAST, MOST = 2000, 20_000
"""Rows."""
SAVED = 10
"""Times that it is kept until it is finished: what a restart takes away is a tenth at most."""


class Learning:
    def __init__(self, app: str, of: str, rules: Drift, world: Inputs) -> None:
        """``of``: the source and the model; what was learned of others is not gone on with."""
        self._app, self._rules, self._world = app, rules, world
        self._key = f"{of}\n".encode()
        self._learner = self._new()
        try:
            kept = world.unfinished(app)
            if kept.startswith(self._key):
                self._learner.go_on(kept[len(self._key) :])
        except (PortError, ValueError) as error:
            log.warning("what was learned of %s so far cannot be used, so it is learned anew: %s", app, error)
        self._saved = self.rows
        self._barren = False

    @property
    def barren(self) -> bool:
        """So many rows had nothing that could be learned that there should have been a reference by now."""
        return self._barren and not self._learner.features

    @property
    def rows(self) -> int:
        return self._learner.rows

    @property
    def wanted(self) -> int:
        return self._learner.most

    def add(self, seen: Table, *, csv: bool) -> Reference | None:
        """The reference, as soon as there is enough for one."""
        self._learner.add(seen, csv=csv)
        if not self._learner.full:
            self._save()
            return None
        reference = self._learner.reference(learned=True)
        if not reference.features:
            self._learner, self._saved, self._barren = self._new(), 0, True
            return None
        return reference

    def _save(self) -> None:
        if self.rows - self._saved < self.wanted // SAVED:
            return
        self._saved = self.rows
        try:
            self._world.keep_unfinished(self._app, self._key + self._learner.unfinished())
        except PortError as error:
            log.warning("what was learned of %s so far does not outlive a restart of edged: %s", self._app, error)

    def _new(self) -> Learner:
        one_thread()
        from ..inputs.learning import Learner

        return Learner(min(max(5 * self._rules.window, LEAST), MOST))


def one_thread() -> None:
    """For numpy, before it is imported: its linear algebra, which nobody needs here, would begin a thread a core."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
