"""What the parts of the daemon reach each other with."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import msgspec

from ..act.runner import ActionRunner
from ..adapters import ed25519
from ..adapters.clock import DeviceClock
from ..adapters.flight_files import FOLDER
from ..adapters.flight_recorder import FlightRecorder
from ..adapters.host import LocalHost
from ..adapters.incoming import Incoming
from ..adapters.lazy import lazy_artifacts
from ..adapters.storage.history import RollupStore
from ..adapters.store import SqliteStore
from ..adapters.systemd import SystemdNotifier
from ..config.load import Loaded
from ..loop import Hands, Inbox, Loop
from ..observe import World
from ..observe.engine import EngineWatcher
from ..observe.input_rows import InputReaders
from ..observe.intake import Intake
from ..observe.jobs import Job
from ..observe.log_readers import LogReaders
from ..observe.reception import Reception
from ..observe.runner import JobRunner
from ..ports import Artifacts, Batch, Containers, Prober, StorageError
from ..report import journal
from ..report.answers import Answers
from ..report.metrics import Counters, Vitals
from ..report.pages import Source
from ..report.payloads import encode_event
from ..report.recorder import Output, Recorder, Sinks
from ..report.snapshot import Snapshot
from ..report.status import metrics_sample
from ..report.web.recent import Recent
from ..report.web.trends import Trends
from ..vocabulary.actions import Action, ReadOut
from ..vocabulary.deployments import SIDES
from ..vocabulary.events import Event
from . import authority, life
from .blackbox import WITHIN, Blackbox
from .housekeeping import Housekeeping
from .moments import Moments
from .papers import Papers
from .past import Past, runtime_folder
from .readings import OwnReadings
from .reload import Reloader
from .reporting import Reporting
from .supervision import INTAKE, OUTBOX, RECORDER, RELOAD, Supervisor

log = logging.getLogger(__name__)


class Wiring:
    """The parts by name, and the small functions that are handed from one to the other. ``Daemon`` makes the parts."""

    _loaded: Loaded
    _folder: Path
    _boot: int
    _store: SqliteStore
    _engine: Containers
    _clock: DeviceClock
    _host: LocalHost
    _blackbox: Blackbox
    _notifier: SystemdNotifier
    _inbox: Inbox
    _counters: Counters
    _answers: Answers
    _turned: float
    _style: str
    _journald: bool
    _snapshot: Snapshot
    _recent: Recent
    _moments: Moments
    _past: Past
    _housekeeping: Housekeeping
    _reporting: Reporting
    _papers: Papers
    _input_readers: InputReaders
    _log_readers: LogReaders
    _runner: JobRunner
    _watcher: EngineWatcher
    _actions: ActionRunner
    _artifact_actions: ActionRunner
    _read_outs: ActionRunner
    _intake: Intake
    _recorder: Recorder
    _reloader: Reloader
    _supervisor: Supervisor
    _loop: Loop

    def _save(self, state: dict[str, bytes], retained: dict[str, bytes] | None = None) -> None:
        batch = Batch(wall=self._clock.wall(), now=self._clock.now(), state=state, retained=retained or {})
        try:
            self._store.commit(batch, self._encode)
        except StorageError as error:
            log.error("%s", error)

    def _new_runner(self, prober: Prober, artifacts: Artifacts) -> JobRunner:
        return JobRunner(
            World(
                clock=self._clock,
                host=self._host,
                prober=prober,
                containers=self._engine,
                input_readers=self._input_readers,
                log_readers=self._log_readers,
                artifacts=artifacts,
            ),
            self._inbox.post,
        )

    def _new_past(self, env: Mapping[str, str]) -> Past:
        recorder = FlightRecorder(
            self._folder / FOLDER,
            runtime := runtime_folder(env),
            self._clock,
            self._boot,
            lambda: self._loaded.config.history.recording,
            lambda: self._loaded.digest,
        )
        return Past(recorder, RollupStore(self._folder, runtime), self._clock, lambda: self._loaded.config)

    def _new_housekeeping(self) -> Housekeeping:
        return Housekeeping(
            self._store,
            self._clock,
            lambda: self._snapshot.config,
            self._inbox.post,
            lambda: self._save({"clock": self._clock.record().encode()}),
        )

    def _new_readings(self, env: Mapping[str, str]) -> OwnReadings:
        return OwnReadings(
            lambda: self._snapshot,
            self._reporting.status,
            self._store.audit_head,
            life.socket_path(self._folder, env),
            self._moments,
        )

    def _new_intake(self, device: str) -> Intake:
        reception = Reception(
            device, lambda: self._snapshot.state.authority.keys, self._clock, self._inbox.post, ed25519.verify
        )
        return Intake(
            reception,
            self._clock,
            lambda receipt: self._reporting.acknowledge(receipt),
            lambda receipt: self._reporting.bring_again(receipt),
            lambda: self._snapshot.state.engine.listed and self._snapshot.state.host.sample is not None,
            lambda: any(
                app.kept.recovery.phase in ("capturing", "acting") for app in self._snapshot.state.apps.values()
            ),
            self._inbox.crowded,
        )

    def _new_artifacts(self, prober: Prober, device: str) -> Artifacts:
        return lazy_artifacts(
            self._folder,
            self._engine,
            prober,
            lambda: authority.signers(self._snapshot.state, self._snapshot.config),
            device,
            self._clock.wall,
            self._over,
            lambda: self._snapshot.config.bundles,
        )

    def _over(self, app: str, deployment: str) -> bool:
        known = self._snapshot.state.apps.get(app)
        ended = known.kept.ended if known is not None else None
        return ended is not None and ended.id == deployment

    def _sinks(self) -> Sinks:
        return Sinks(
            encode=self._encode,
            line=self._line,
            act=self._act,
            answer=self._answers.tell,
            count=self._counters.count,
            kick=self._reporting.kick,
            post=self._inbox.post,
            acknowledge=self._reporting.acknowledge,
            tidy=self._housekeeping.tidy,
        )

    def _hands(self) -> Hands:
        return Hands(
            act=self._act,
            record=self._record,
            observe=self._observe,
            publish=self._publish,
            metrics=self._offer,
            alive=self._alive,
            patience=lambda: self._supervisor.patience,
            feed=self._notifier.watchdog,
            give_up=self._give_up,
            witness=self._past,
        )

    def _source(self) -> Source:
        return Source(
            snapshot=lambda: self._snapshot,
            turned=lambda: self._turned,
            counters=self._counters,
            vitals=Vitals(
                self._store.spool,
                lambda: self._loop.lag(),
                lambda: {name: (t.count, t.seconds) for name, t in self._runner.timings.items()},
            ),
            outbox=self._reporting.status,
            history=lambda since, types, limit: self._store.history(since, types, limit),
            log=lambda after, since, limit: self._store.log(after, since, limit),
            now=self._clock.now,
            post=self._inbox.post,
            answers=self._answers,
            bundles=Incoming(self._folder),
            audit=self._store,
            rollups=self._past.rollups,
            line=Trends(self._recent, self._past.rollups, self._clock.wall).line,
        )

    def _offer(self, shot: Snapshot) -> None:
        self._reporting.offer(msgspec.json.encode(metrics_sample(shot, self._store.audit_head())))

    def _observe(self, jobs: Mapping[tuple[str, str], Job]) -> None:
        self._runner.update(jobs)
        self._input_readers.keep_only({subject for check, subject in jobs if check == "inputs"})
        if ("logs", "host") not in jobs:
            self._log_readers.stop()

    def _act(self, action: Action) -> None:
        if isinstance(action, ReadOut):
            self._read_outs.submit(action)
        else:
            (self._artifact_actions if action.subject.endswith(SIDES) else self._actions).submit(action)

    def _encode(self, sequence: int, boot: int, wall: float, event: Event) -> bytes:
        return encode_event(sequence, boot, wall, event, device=self._loaded.config.device.id)

    def _line(self, event: Event, wall: float) -> None:
        sys.stdout.write(journal.line(event, wall, self._style, prefix=self._journald) + "\n")
        sys.stdout.flush()

    def _record(self, output: Output) -> None:
        """With the time, so that the next run knows up to when this one has seen everything."""
        self._moments.told(output.events, output.wall)
        stamped = {**output.state, **self._papers.kept(), "clock": self._clock.record().encode()}
        self._recorder.submit(msgspec.structs.replace(output, state=stamped))

    def _alive(self) -> str:
        self._recorder.overtake()
        return self._supervisor.hung()

    def _beats(self) -> dict[str, float]:
        outbox = self._reporting.last_beat()
        return {
            RECORDER: self._recorder.last_beat,
            INTAKE: self._intake.last_beat,
            RELOAD: self._reloader.last_beat,
            **self._watcher.heartbeats(),
            **({OUTBOX: outbox} if outbox is not None else {}),
        }

    def _give_up(self, why: str) -> None:
        """The next run can say why, wherever this one is stuck: it is noted first, but not at any price."""
        if self._notifier.watchdog_seconds is None:
            log.error("no service manager watches edged: nobody starts it anew; systemctl restart edged, or by hand")
            return
        if not self._blackbox.note(why):
            log.error("the reason could not be written down within %g s", WITHIN)
        self._notifier.give_up()

    def _publish(self, shot: Snapshot) -> None:
        self._snapshot = shot
        self._turned = time.monotonic()
        self._recent.take(shot)
        self._moments.take(shot)
