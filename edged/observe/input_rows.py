"""The check of an app's inputs: rows in, counts out. No row outlives the check, but those that edged learns from."""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from typing import TYPE_CHECKING

from msgspec.structs import replace

from ..config import Drift
from ..inputs import reference as references
from ..inputs.rows import chosen_by, merged, table
from ..ports import Chunk, Clock, Inputs, PortError, RowSource
from ..vocabulary.drift import Batch, Reference
from ..vocabulary.facts import Fact, ReferenceSeen, RowsCounted
from .apart import Apart
from .jobs import InputsJob
from .learning_rows import Learning, one_thread

if TYPE_CHECKING:
    from ..inputs.counting import Counts

log = logging.getLogger(__name__)

AT_A_TIME = 2**20
"""Bytes that are asked of a source."""
MOST_BYTES = 16 * 2**20
MOST_ROWS = 50_000
SECONDS = 5.0
"""What one check may read; the rest waits for the next."""
BATCHES = 5
"""Of one window: a verdict is never much later than its window is full."""
MOST_BATCH = 1000
"""Rows. Of hostile ones each may have columns of its own."""
NOTHING = "without a number, text or truth value in a column that is wanted"


class InputReaders:
    """What is known of each app's inputs between two checks. Each app is only looked at by one thread at a time."""

    def __init__(self, world: Inputs, clock: Clock) -> None:
        self._world, self._clock = world, clock
        self._apps: dict[str, InputReader] = {}
        self._lock = threading.Lock()

    def take(self, job: InputsJob) -> tuple[Fact, ...]:
        """Reads what is new. Raises ``PortError``, and then nothing was counted."""
        with self._lock:
            before = self._apps.get(job.subject)
        intake = before
        if before is None or not before.fits(job.rules):
            if before is not None:
                before.close()
            intake = InputReader(job, self._world, self._clock)
            with self._lock:
                self._apps[job.subject] = intake
        assert intake is not None
        return tuple(intake.take(job))

    def keep_only(self, apps: set[str]) -> None:
        """Lets the sources of other apps go."""
        with self._lock:
            gone = [self._apps.pop(name) for name in self._apps.keys() - apps]
        for intake in gone:
            intake.close()


class InputReader:
    """One app's source, its reference and what is carried from batch to batch."""

    def __init__(self, job: InputsJob, world: Inputs, clock: Clock) -> None:
        self._name, self._rules, self._world, self._clock = job.subject, job.rules, world, clock
        self._csv = is_csv(job.rules)
        # A position means nothing to another source.
        self._tag = hashlib.sha256(repr(job.rules.source).encode()).hexdigest()[:12] + ":"
        position = job.resume.removeprefix(self._tag) if job.resume.startswith(self._tag) else ""
        source = job.rules.source
        found = world.open(job.subject, source, csv=self._csv, position=position)
        self._source: RowSource = Apart(found, source.file or source.http or source.mqtt)
        self._key: tuple[str, int] | None = None
        self._digest = ""
        self._counts: Counts | None = None
        self._learning: Learning | None = None
        self._since: float | None = None
        """Edged's clock: when rows were last found, or first looked for."""

    def fits(self, rules: Drift) -> bool:
        """Whether it still reads what the configuration names."""
        mine = self._rules
        return (rules.source, rules.format, rules.columns) == (mine.source, mine.format, mine.columns)

    def close(self) -> None:
        self._source.close()

    def take(self, job: InputsJob) -> list[Fact]:
        """One reading. Raises ``PortError``."""
        self._rules = job.rules
        facts: list[Fact] = []
        if self._key != (job.model, job.generation):
            facts += self._refer(job)
        now, until = self._clock.now(), time.monotonic() + SECONDS
        counted: list[RowsCounted] = []
        rows = size = 0
        while True:
            try:
                chunk = self._source.read(AT_A_TIME)
            except PortError:
                if rows:
                    break  # what was read counts; the next check meets the same trouble and tells it
                raise
            told, learned = self._counted(job, chunk)
            counted.append(told)
            rows += told.rows
            size += sum(map(len, chunk.lines))
            if not chunk.more or learned or rows >= MOST_ROWS or size >= MOST_BYTES or time.monotonic() > until:
                break
        waited = now - self._since if self._since is not None else 0.0
        if rows or self._since is None:
            self._since = now
        facts += [_timed(one, waited, rows) if rows else one for one in counted]
        # Behind the rows that it was learned from: they are not held against themselves.
        return [*facts, *([self._use(job, learned)] if learned is not None else [])]

    def _counted(self, job: InputsJob, chunk: Chunk) -> tuple[RowsCounted, Reference | None]:
        """What is in a chunk, and the reference if there are now enough rows for one."""
        batches: list[Batch] = []
        refused = [chunk.refused]
        rows, learned = 0, None
        size = min(job.rules.window // BATCHES, MOST_BATCH)
        for begin in range(0, len(chunk.lines), size):
            seen = table(chunk.lines[begin : begin + size], chunk.header, job.rules.columns)
            refused.append(seen.refused)
            rows += seen.rows
            if not seen.rows:
                continue
            if self._counts is not None:
                features, unknown = self._counts.add(seen)
                batches.append(Batch(rows=seen.rows, features=features, unknown=unknown))
            elif self._learning is not None and job.quiet and learned is None:
                learned = self._learning.add(seen, csv=self._csv)
                if self._learning.barren:
                    refused.append({NOTHING: seen.rows})
        learning = self._learning
        told = RowsCounted(
            at=self._clock.now(),
            app=self._name,
            model=job.model,
            digest=self._digest,
            batches=tuple(batches),
            rows=rows,
            refused=merged(refused),
            position=self._tag + chunk.position if chunk.position else "",
            learned=learning.rows if learning is not None else 0,
            wanted=learning.wanted if learning is not None else 0,
        )
        return told, learned

    def _refer(self, job: InputsJob) -> list[Fact]:
        """What is held against from now on: what the model brings, what was learned before, or what will be."""
        found = self._known(job)
        self._key, self._counts, self._learning, self._digest = (job.model, job.generation), None, None, ""
        if found is not None:
            return [self._use(job, found, keep=False)]
        self._learning = Learning(self._name, f"{self._tag}{_kept_as(job)}", job.rules, self._world)
        return []

    def _known(self, job: InputsJob) -> Reference | None:
        data = b""
        if job.model and not job.generation:
            data = self._world.shipped(self._name, job.model)
        if not data:
            data = self._world.learned(self._name, _kept_as(job))
        if not data:
            return None
        try:
            return references.decode(data)
        except ValueError as error:
            again = f"edged drift {self._name} --reset --relearn"
            raise PortError(f"the reference of {self._name} {error}; {again} learns a new one") from None

    def _use(self, job: InputsJob, reference: Reference, *, keep: bool = True) -> ReferenceSeen:
        one_thread()
        from ..inputs.counting import Counts

        # A column that the configuration leaves out would seem to be absent.
        chosen = tuple(one for one in reference.features if chosen_by(one.name, job.rules.columns))
        reference = replace(reference, features=chosen)
        if keep:
            try:
                self._world.keep(self._name, _kept_as(job), references.encode(reference))
                self._world.keep_unfinished(self._name, b"")
            except PortError as error:
                log.warning(
                    "what was learned of %s is not kept, and is learned again after a restart: %s", self._name, error
                )
        self._counts, self._learning, self._digest = Counts(reference), None, references.digest_of(reference)
        return ReferenceSeen(
            at=self._clock.now(), app=self._name, model=job.model, reference=reference, digest=self._digest
        )


def _timed(fact: RowsCounted, waited: float, rows: int) -> RowsCounted:
    """With the seconds that its rows stand for: those since the rows before, spread evenly over all of a reading."""
    batches = tuple(replace(one, seconds=waited / rows * one.rows) for one in fact.batches)
    return replace(fact, batches=batches, waited=waited)


def _kept_as(job: InputsJob) -> str:
    return f"{job.model.removeprefix('sha256:') or 'none'}-{job.generation}"


def is_csv(rules: Drift) -> bool:
    """Whether the source's lines are CSV."""
    return bool(rules.source.file) and (
        rules.format == "csv" or (rules.format == "auto" and rules.source.file.lower().endswith((".csv", ".csv.log")))
    )
