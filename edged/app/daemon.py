"""The composition root: builds the adapters, starts the loop, shuts down in reverse order."""

from __future__ import annotations

import logging
import signal
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path

import msgspec

from ..act import Tools
from ..act.runner import ActionRunner
from ..adapters.clock import DeviceClock
from ..adapters.evidence import EvidenceFolder
from ..adapters.host import LocalHost
from ..adapters.http_server import HttpServer
from ..adapters.inputs.opening import LocalInputs
from ..adapters.lazy import lazy_backups, lazy_engine
from ..adapters.probes import SocketProber
from ..adapters.store import SqliteStore
from ..adapters.systemd import SystemdNotifier, SystemdServices
from ..config.load import Loaded
from ..config.model import Http
from ..config.problem import Problem, render
from ..durable import Differ, Ending, restore
from ..loop import Inbox, Loop
from ..observe.engine import EngineWatcher
from ..observe.input_rows import InputReaders
from ..observe.log_readers import LogReaders
from ..report import audit
from ..report.answers import Answers
from ..report.metrics import Counters
from ..report.pages import local_routes, public_routes
from ..report.recorder import Recorder
from ..report.snapshot import Snapshot
from ..report.web.recent import Recent
from ..vocabulary.facts import ConfigLoaded, ConfigRejected, StopRequested, StorageSeen
from ..vocabulary.state import State
from . import applied, authority, last_good, life, runbooks
from .blackbox import Blackbox, folder
from .moments import Moments
from .papers import DISCOVERY, Papers
from .reload import Reloader
from .reporting import Reporting
from .supervision import Supervisor, rhythms
from .trial import OwnConfigTrial
from .web import Servers, Web
from .wiring import Wiring

log = logging.getLogger(__name__)

OVERLAP = 2.0
"""Seconds of the engine's history that are asked for twice: something may have been under way at the end."""
SWITCH = 0.001
"""Seconds after which a busy thread lets another one go on. A recovery changes threads six times: Python's usual 5 ms
each are felt while commands pour in."""
STOP_SECONDS = 4.0
"""All of the shutdown together; systemd and the contract allow 5."""


class Daemon(Wiring):
    """Everything of one run. Raises ``PortError`` when it cannot start."""

    def __init__(
        self, loaded: Loaded, env: Mapping[str, str], *, path: Path | None, wrong: tuple[Problem, ...] = ()
    ) -> None:
        """``wrong``: what is wrong with the file at ``path``, when ``loaded`` is what was in force before."""
        self._loaded = loaded
        self._wrong = tuple(render((problem,)) for problem in wrong)
        config = loaded.config
        self._folder = Path(config.state_dir)
        self._lock = life.lock(self._folder)
        self._store = SqliteStore(self._folder / "edged.db", audited=audit.record)
        if self._store.recovered:
            log.error("%s", self._store.recovered)
        stored = self._store.load_state()
        self._host = LocalHost()
        boot_id = self._host.boot_id()
        record = life.clock_record(stored)
        self._clock, rebooted = DeviceClock.resume(record, boot_id)
        self._ending = Ending(boot_id=boot_id)
        self._blackbox = Blackbox(folder(self._folder, env))
        left = self._blackbox.open()
        self._previous = life.previous_end(stored, boot_id, left)
        if self._previous.startswith(("watchdog", "crash: ")):
            log.error("the run before ended: %s\n%s", self._previous, left.stacks)
        self._boot = self._store.boot
        self._notifier = SystemdNotifier(env)
        self._inbox = Inbox()
        self._counters = Counters()
        self._answers = Answers()
        self._recent = Recent()
        self._moments = Moments()
        self._engine = lazy_engine(config.docker.url, config.docker.timeout)
        self._evidence = EvidenceFolder(self._folder / "evidence", config.evidence.max_size)
        self._turned = time.monotonic()
        self._style = config.log.format
        self._journald = "JOURNAL_STREAM" in env
        self._snapshot = Snapshot(State(), config, self._clock.now(), self._clock.wall())

        self._papers = Papers(self._boot, self._clock.wall(), loaded.digest, stored.get(DISCOVERY, b""))
        self._past = self._new_past(env)
        self._housekeeping = self._new_housekeeping()
        self._intake = self._new_intake(config.device.id)
        self._reporting = Reporting(self._store, self._clock, self._inbox.post, self._papers.status, self._intake.offer)
        prober = SocketProber()
        self._input_readers = InputReaders(LocalInputs(self._folder, prober, lambda: self._loaded.config), self._clock)
        self._log_readers = LogReaders(self._engine, self._clock)
        artifacts = self._new_artifacts(prober, config.device.id)
        self._runner = self._new_runner(prober, artifacts)
        self._watcher = EngineWatcher(
            self._engine,
            self._clock,
            self._inbox.post,
            config.docker.poll,
            since=record.wall - OVERLAP if record is not None and not rebooted else None,
        )
        self._reloader = Reloader(path, env, loaded, self)
        tools = Tools(
            containers=self._engine,
            services=SystemdServices(),
            host=self._host,
            evidence=self._evidence,
            artifacts=artifacts,
            prober=prober,
            own_config=OwnConfigTrial(self._reloader, env, self),
            readings=self._new_readings(env),
            data=lazy_backups(self._folder, self._engine, self._clock.wall),
        )
        self._actions = ActionRunner(tools, self._clock, self._inbox.post)
        # On their own workers: a fetch may take hours, and no recovery waits for that.
        self._artifact_actions = ActionRunner(tools, self._clock, self._inbox.post, workers=2, name="artifact")
        self._read_outs = ActionRunner(tools, self._clock, self._inbox.post, workers=1, depth=16, name="read")
        self._recorder = Recorder(self._store, self._clock, self._sinks(), self._store.recovered or "")
        self._supervisor = Supervisor(
            (
                self._runner,
                self._actions,
                self._artifact_actions,
                self._read_outs,
                Servers(lambda: (self._api, self.web)),
            ),
            self._beats,
            rhythms(config.docker.timeout),
            self._notifier.watchdog_seconds,
        )
        source = self._source()
        local = {**local_routes(source), **runbooks.routes(lambda: self._snapshot)}
        self._api = HttpServer.unix(life.socket_path(self._folder, env), local)
        self._public = public_routes(source)
        self.web = Web(config.http, self._public, patient=True)
        state = restore(stored, config)
        self._loop = Loop(state, config, self._inbox, self._clock, self._hands(), Differ(stored), self._papers.retained)
        self._begin(loaded, rebooted)

    # What a run begins with

    def _begin(self, loaded: Loaded, rebooted: bool) -> None:
        now = self._clock.now()
        self._inbox.post(life.started(self._boot, self._clock, rebooted, self._previous))
        trusted, unreadable = authority.read(loaded.config)
        self._inbox.post(
            ConfigLoaded(at=now, digest=loaded.digest, path=loaded.path, instead_of=loaded.instead_of, trusted=trusted)
        )
        if self._store.recovered:
            self._inbox.post(StorageSeen(at=now, ok=False, error=self._store.recovered))
        if unreadable:
            log.error("no command is taken from the broker, and no bundle: %s", "; ".join(unreadable))
            self._inbox.post(ConfigRejected(at=now, path=loaded.config.commands.trust, errors=unreadable))
        if self._wrong:
            self._inbox.post(ConfigRejected(at=now, path=str(self._reloader.path), errors=self._wrong))
        for fact in life.interrupted(self._store.open_intents(), now):
            self._inbox.post(fact)

    def run(self) -> int:
        """Serves until a signal or a stop. Returns the exit code."""
        sys.setswitchinterval(SWITCH)
        signal.signal(signal.SIGTERM, self._on_stop)
        signal.signal(signal.SIGINT, self._on_stop)
        signal.signal(signal.SIGHUP, lambda *_: self._reloader.ask())
        self._blackbox.arm()
        self._recorder.start()
        self._past.start()
        threading.Thread(target=self._evidence.look, name="edged-evidence", daemon=True).start()
        # With its status: what the run before said of itself last must not be told again once this one is connected.
        self._save(
            {"ending": msgspec.json.encode(self._ending), "clock": self._clock.record().encode()},
            {"status": self._papers.status("online")},
        )
        self._reporting.start(self._loaded.config)
        self._actions.start()
        self._artifact_actions.start()
        self._read_outs.start()
        self._runner.start()
        self._loop.turn()
        self._intake.start()  # not before: who is trusted is known now
        # Not before the first turn: until then there is nothing true to show.
        self._api.start()
        self.web.start()
        self._watcher.start()
        self._notifier.ready(self.said(self._wrong))
        last_good.keep(self._folder, self._loaded)
        applied.settle(self._folder, self._reloader.path, self._loaded)
        clean = False
        try:
            while not self._loop.state.stopping:
                self._loop.turn()
            clean = True
        except Exception:
            # A mistake in a rule: the service manager starts edged anew, and what is kept is on disk.
            log.exception("the loop ended by a mistake in edged")
        finally:
            self._shut_down(clean)
        return 0 if clean else 1

    def said(self, wrong: tuple[str, ...]) -> str:
        """For ``systemctl status``. ``wrong``: why the file is not in force."""
        bad = f"; its file is NOT in force: {wrong[0]}" if wrong else ""
        return f"watching, run {self._boot}{bad}"

    def _on_stop(self, number: int, frame: object) -> None:
        self._inbox.post(StopRequested(at=self._clock.now(), reason=f"signal {signal.Signals(number).name}"))

    def _shut_down(self, clean: bool) -> None:
        """In reverse order, within ``STOP_SECONDS``; containers are left as they are."""
        deadline = time.monotonic() + STOP_SECONDS
        self._notifier.stopping("stopping")
        self.web.stop()
        self._api.stop()
        self._watcher.stop(0.5)
        self._intake.stop(0.2)
        self._runner.stop()
        self._read_outs.stop(0.1)
        self._artifact_actions.stop(0.1)  # what is under way goes on with the next run
        if not self._actions.stop(1.0):
            log.warning("an action was still under way; the engine finishes it")
        self._recorder.stop(1.0)
        self._past.stop(0.5)
        self._reporting.stop(max(0.2, deadline - time.monotonic() - 0.5))
        self._save(
            {
                "ending": msgspec.json.encode(msgspec.structs.replace(self._ending, clean=clean)),
                "clock": self._clock.record().encode(),
            }
        )
        self._blackbox.disarm()
        self._store.close()
        self._engine.close()
        self._lock.close()

    # For the reloader

    @property
    def snapshot(self) -> Snapshot:
        return self._snapshot

    @property
    def inbox(self) -> Inbox:
        return self._inbox

    @property
    def clock(self) -> DeviceClock:
        return self._clock

    @property
    def notifier(self) -> SystemdNotifier:
        return self._notifier

    @property
    def hung(self) -> str:
        """What hangs in edged; empty: nothing."""
        return self._loop.hung

    def bind(self, http: Http) -> Web:
        """A server at a new address, not yet serving. Raises ``PortError``."""
        return Web(http, self._public)

    def take_over(self, loaded: Loaded, web: Web | None) -> None:
        """Puts the parts of a new configuration to work. Nothing here can fail or wait."""
        old = self._loaded.config
        self._loaded = loaded
        self._style = loaded.config.log.format
        self._evidence.max_bytes = loaded.config.evidence.max_size
        if web is not None:
            before, self.web = self.web, web
            web.start()
            threading.Thread(target=before.stop, name="edged-swap-http", daemon=True).start()
        if loaded.config.mqtt != old.mqtt:
            self._reporting.change(loaded.config)
        else:
            self._reporting.hurry()
        self._watcher.look()
