"""Every call of every port can block: the loop goes on, it is reported, and the watchdog is asked to end edged."""

from __future__ import annotations

import inspect
import pkgutil
import threading
import time
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct

from edged import ports
from edged.app.supervision import INTAKE, OUTBOX, RECORDER, RELOAD
from edged.cli.client import request
from edged.observe.engine import EVENTS, RECONCILE
from edged.vocabulary import actions as act
from edged.vocabulary.data import Stored
from edged.vocabulary.deployments import DATA_SIDE, SIDE
from edged.vocabulary.facts import ActionFinished, CheckFailed, ConfigRejected, ReferenceSeen, RowsCounted
from edged.vocabulary.isolation import Endpoint

from .rig import LIMIT, Broker, Gate, Rig

REPO = Path(__file__).resolve().parents[2]


class Case(Struct, frozen=True):
    """What is to be seen when a call blocks, and how it comes to be called."""

    who: str
    """``check NAME``, ``action``, ``afterwards`` or ``thread NAME``: a worker, which the supervisor finds out about.
    ``loop``: the service manager finds out, for it is not fed. ``start``, ``end``: it has time-outs for these.
    ``reader``: one who asks waits, nobody else. ``apart``: a thread of its own waits, nobody else. ``nobody``: it is
    not called. ``inside``: only the methods of another port call it, within their own time."""
    drive: Callable[[Rig], None] = lambda rig: None
    """Before the start, for a worker; later for the rest."""
    late: bool = False
    """The gate is closed and the call driven when edged is ready."""


def given(kind: type[act.Action], subject: str = "another", **more: Any) -> Callable[[Rig], None]:
    def submit(rig: Rig) -> None:
        assert rig.daemon is not None
        rig.daemon._act(kind(id="1", subject=subject, reason="test", timeout=0.1, **more))

    return submit


def artifact(kind: type[act.Action], **more: Any) -> Case:
    """Done on workers of its own, so that no recovery waits for it."""
    where = act.Where("model", "/models", "mount")
    return Case("action", given(kind, "another" + SIDE, where=where, **more), late=True)


def blind(rig: Rig) -> None:
    rig.blind = True


def away(rig: Rig) -> None:
    rig.engine.away = True


def news(rig: Rig) -> None:
    """Something to be written."""
    assert rig.daemon is not None
    rig.daemon.inbox.post(ConfigRejected(at=rig.daemon.clock.now(), path="", errors=("no",)))


def news_later(rig: Rig) -> None:
    time.sleep(0.15)  # it tidies up at most every 0.1 s
    news(rig)


def full(rig: Rig) -> None:
    rig.full = True
    news(rig)


def full_for_a_moment(rig: Rig) -> None:
    full(rig)
    rig.wait(lambda: rig.daemon.snapshot.state.storage_error, "storage trouble")  # type: ignore[union-attr]
    rig.full = False
    news(rig)


def stop(rig: Rig) -> None:
    assert rig.daemon is not None
    rig.daemon._on_stop(15, None)


def reload(rig: Rig) -> None:
    assert rig.daemon is not None
    rig.daemon._reloader.ask()


def ask(path: str) -> Callable[[Rig], None]:
    def read(rig: Rig) -> None:
        threading.Thread(target=lambda: _try(str(rig.folder / "edged.sock"), path), daemon=True).start()

    return read


def _try(address: str, path: str) -> None:
    from edged.cli import Failure

    try:
        b"".join(request(address, "GET", path))
    except Failure as failure:
        assert failure.args


def hang_too(rig: Rig) -> None:
    """A worker, so that edged wants to give up."""
    assert rig.daemon is not None
    rig.daemon._runner.calls = lambda: [("a check", 60.0, 0.1)]  # type: ignore[method-assign]


def order(rig: Rig) -> None:
    """Something comes in that is no order: it is acknowledged at once."""
    assert rig.daemon is not None
    rig.daemon._intake.offer("edged/v1/test/cmd/x/y", b"", 1, False)


def deployed(rig: Rig) -> None:
    """The app has a model of edged's."""
    rig.model = "sha256:" + "a" * 64


def unwatch(rig: Rig) -> None:
    """Its inputs are not watched any more."""
    rig.wait(lambda: any(isinstance(f, ReferenceSeen) for f in rig.facts), "rows are read")
    rig.without = "inputs"
    assert rig.daemon is not None
    rig.daemon._loop._planned = {}  # so that it plans anew


START = given(act.StartContainer, container_id="c")
RESTART = given(act.RestartContainer, container_id="c", stop_timeout=0.0)
CAPTURE = given(act.CaptureEvidence, container_id="c")
PRUNE = {what: given(act.PruneDisk, what=(what,), min_age=0.0) for what in ("containers", "images", "evidence", "logs")}
DATA = {"container_id": "c", "data": Stored(path="/data")}
ENGINE = given(act.RestartEngine, unit="docker.service")
OUT = Case(f"thread {OUTBOX}")

CASES: dict[str, Case] = {
    "Clock.now": Case("loop", late=True),
    "Clock.wall": Case("loop", news, late=True),
    "Containers.ping": Case(f"thread {RECONCILE}"),
    "Containers.list_all": Case(f"thread {RECONCILE}"),
    "Containers.inspect": Case(f"thread {RECONCILE}"),
    "Containers.start": Case("action", START, late=True),
    "Containers.restart": Case("action", RESTART, late=True),
    "Containers.stop": Case("action", given(act.StopContainer, container_id="c", stop_timeout=0.0), late=True),
    "Containers.pause": Case("action", given(act.PauseContainer, container_id="c"), late=True),
    "Containers.unpause": Case("action", given(act.UnpauseContainer, container_id="c"), late=True),
    "Containers.logs": Case("action", CAPTURE, late=True),
    "Containers.follow_logs": Case("check logs"),
    "LogStream.read": Case("inside"),
    "LogStream.close": Case("inside"),
    "Containers.usage": Case("check resources", blind),
    "Containers.limit_memory": Case(
        "action", given(act.RestoreMemory, container_id="c", memory=2**26, swap=2**26), late=True
    ),
    "Containers.networks": Case("action", given(act.FindNetworks, container_id="c"), late=True),
    "Containers.disconnect": Case("action", given(act.Isolate, container_id="c", networks=("plant",)), late=True),
    "Containers.connect": Case(
        "action", given(act.Rejoin, container_id="c", networks=(Endpoint(network="other"),)), late=True
    ),
    "Containers.execute": Case("inside"),
    "Containers.remove": Case("action", PRUNE["containers"], late=True),
    "Containers.prune_images": Case("action", PRUNE["images"], late=True),
    "Containers.events": Case(f"thread {EVENTS}"),
    "Containers.close_events": Case(f"thread {RECONCILE}", away),
    "Containers.close": Case("end", stop, late=True),
    "Host.sample": Case("check host"),
    "Host.disk": Case("check disk"),
    "Host.remove_files": Case("action", PRUNE["logs"], late=True),
    "Host.usage": Case("check resources"),
    "Prober.http": Case("check probe"),
    "Prober.tcp": Case("check dependency"),
    "Prober.dns": Case("check dependency"),
    "Containers.signal": Case("action", given(act.SignalContainer, container_id="c", signal="HUP"), late=True),
    "Containers.get_archive": Case("inside"),
    "Containers.put_archive": Case("inside"),
    "Prober.call": Case("check metrics"),
    "Inputs.open": Case("check inputs"),
    "Inputs.shipped": Case("check inputs", deployed),
    "Inputs.learned": Case("check inputs"),
    "Inputs.keep": Case("check inputs"),
    "Inputs.unfinished": Case("check inputs"),
    "Inputs.keep_unfinished": Case("check inputs"),
    "RowSource.read": Case("apart"),
    "RowSource.close": Case("apart", unwatch, late=True),
    "Artifacts.fetch": artifact(act.FetchBundle, source="/b.tar", deployment="d"),
    "Artifacts.verify": artifact(act.VerifyArtifact, deployment="d", digest="", highest=0),
    "Artifacts.validate": artifact(act.ValidateArtifact, digest="d"),
    "Artifacts.back_up": artifact(act.BackUpArtifact, container_id="c", current=""),
    "Artifacts.place": artifact(act.PlaceArtifact, container_id="c", digest="d", previous=""),
    "Artifacts.smoke": artifact(act.SmokeTest, digest="d", url="http://127.0.0.1:1"),
    "Artifacts.spoil": artifact(act.SpoilModel, digest="d"),
    "Artifacts.forget": artifact(act.ForgetModel, digest="", current="d"),
    "Artifacts.tidy": artifact(act.TidyArtifacts, pinned=()),
    "OwnConfig.reload": Case("action", given(act.ReloadConfig), late=True),
    "OwnConfig.check": Case("action", given(act.CheckConfig, text="{}"), late=True),
    "OwnConfig.take": Case("action", given(act.TryConfig, digest="d"), late=True),
    "OwnConfig.keep": Case("action", given(act.KeepConfig, digest="d"), late=True),
    "OwnConfig.undo": Case("action", given(act.UndoConfig, digest="d"), late=True),
    "ModelRuntime.check_model": Case("inside"),
    "ModelRuntime.check_config": Case("inside"),
    "Services.stopped_on_purpose": Case("action", ENGINE, late=True),
    "Services.restart": Case("action", ENGINE, late=True),
    "EvidenceStore.save": Case("action", CAPTURE, late=True),
    "EvidenceStore.settle": Case("afterwards", CAPTURE, late=True),
    "EvidenceStore.read": Case("action", given(act.ReadOut, what="evidence", which="r"), late=True),
    "EvidenceStore.read_incident": Case(
        "action", given(act.ReadOut, what="evidence", incident="INC-2026-01-02-001"), late=True
    ),
    "EvidenceStore.prune": Case("action", PRUNE["evidence"], late=True),
    "DataBackups.back_up": Case("action", given(act.BackUpData, "another" + DATA_SIDE, **DATA), late=True),
    "DataBackups.find": Case("action", given(act.FindBackup, "another" + DATA_SIDE, data=DATA["data"]), late=True),
    "DataBackups.restore": Case("action", given(act.RestoreData, "another" + DATA_SIDE, **DATA), late=True),
    "DataBackups.listing": Case("action", given(act.ReadOut, what="backups", app="a"), late=True),
    "DataBackups.prune": Case("action", given(act.PruneDisk, what=("backups",)), late=True),
    "Readings.moment": Case("action", CAPTURE, late=True),
    "Readings.status": Case("action", given(act.ReadOut, what="status"), late=True),
    "Readings.report": Case("action", given(act.ReadOut, what="report", since=60.0), late=True),
    "Notifier.ready": Case("start"),
    "Notifier.reloading": Case(f"thread {RELOAD}", reload, late=True),
    "Notifier.stopping": Case("end", stop, late=True),
    "Notifier.status": Case("nobody"),
    "Notifier.watchdog": Case("loop", late=True),
    "Notifier.give_up": Case("loop", hang_too, late=True),
    "Store.commit": Case(f"thread {RECORDER}", news, late=True),
    "Store.stow": Case(f"thread {RECORDER}", full, late=True),
    "Store.settle": Case(f"thread {RECORDER}", full_for_a_moment, late=True),
    "Store.trim": Case(f"thread {RECORDER}", news_later, late=True),
    "Store.load_state": Case("start"),
    "Store.open_intents": Case("start"),
    "Store.unsent": OUT,
    "Store.acknowledge": OUT,
    "Store.unsent_retained": OUT,
    "Store.acknowledge_retained": OUT,
    "Store.forget_retained_acks": OUT,
    "Store.give_up": OUT,
    "Store.spool": Case("reader", ask("/v1/status"), late=True),
    "History.rollups": Case("reader", ask("/v1/rollups"), late=True),
    "Store.log": Case("reader", ask("/v1/log?since=0"), late=True),
    "Store.history": Case("reader", ask("/v1/events?since=0"), late=True),
    "Store.close": Case("end", stop, late=True),
    "Broker.start": Case("start"),
    "Broker.publish": OUT,
    "Broker.drop": OUT,
    "Broker.acknowledge": Case(f"thread {INTAKE}", order, late=True),
    "Broker.stop": Case("end", stop, late=True),
}
BROKER: dict[str, int | None] = {"Store.give_up": 0x95, "Broker.drop": None}
"""How the broker answers an event, where it is not 0."""


def test_no_call_is_forgotten() -> None:
    modules = [import_module(f"{ports.__name__}.{info.name}") for info in pkgutil.iter_modules(ports.__path__)]
    found = {
        f"{name}.{method}"
        for module in modules
        for name, port in vars(module).items()
        if inspect.isclass(port) and getattr(port, "_is_protocol", False) and port.__module__ == module.__name__
        for method, what in vars(port).items()
        if inspect.isfunction(what) and not method.startswith("_")
    }
    assert found == CASES.keys()


def of(*kinds: str) -> pytest.MarkDecorator:
    names = [name for name, case in CASES.items() if case.who.partition(" ")[0] in kinds]
    return pytest.mark.parametrize("name", names)


@pytest.fixture
def rigged(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rig]:
    """The daemon, not yet started, and its gate before that call."""
    port, _, method = name.partition(".")
    monkeypatch.setattr(Broker, "code", BROKER.get(name, 0))
    rig = Rig(Gate(port, method), tmp_path, monkeypatch)
    yield rig
    rig.end()


def hang(rig: Rig, case: Case, *, ready: bool = True) -> None:
    """Starts edged and brings it to where the call does not return."""
    if not case.late:
        case.drive(rig)
        rig.gate.close()
    rig.start(ready=ready)
    if case.late:
        rig.gate.close()
        case.drive(rig)
    assert rig.gate.reached.wait(10.0), "it was never called"


@of("check", "action", "afterwards", "thread")
def test_a_worker_that_blocks_is_reported_and_ends_edged(name: str, rigged: Rig) -> None:
    case = CASES[name]
    what, _, which = case.who.partition(" ")
    rigged.small = which
    hang(rigged, case)
    began = time.monotonic()
    rigged.turns()
    if what == "thread":
        rigged.hasty(which)
    elif what == "check":
        late = rigged.wait(lambda: [f for f in rigged.facts if isinstance(f, CheckFailed) and f.check == which], name)
        assert "did not come back within 0.2 s" in late[0].error
    else:
        ended = rigged.wait(lambda: [f for f in rigged.facts if isinstance(f, ActionFinished) and f.action_id], name)
        assert ended[0].ok is (what == "afterwards")
        assert what == "afterwards" or "did not come back" in ended[0].error
    rigged.wait(lambda: rigged.told("WATCHDOG=trigger"), "the watchdog is called")
    assert time.monotonic() - began < LIMIT + 8.0
    reason = (rigged.folder / "hung").read_text()
    named = {"check": f"the check {which} of ", "thread": f"the thread {which} "}.get(what, "the action ")
    assert reason.startswith(named) and "has not come back for" in reason
    fed = rigged.told("WATCHDOG=1")
    rigged.turns()
    assert rigged.told("WATCHDOG=1") == fed and rigged.told("WATCHDOG=trigger") == 1


@of("loop")
def test_where_the_loop_itself_blocks_the_watchdog_is_not_fed(name: str, rigged: Rig) -> None:
    hang(rigged, CASES[name])
    time.sleep(LIMIT)  # another thread may be the first to call it, while the loop ends its turn
    fed = rigged.told("WATCHDOG=1")
    time.sleep(2 * LIMIT)
    assert rigged.told("WATCHDOG=1") == fed and not rigged.told("WATCHDOG=trigger")


@of("start")
def test_what_blocks_at_the_start_is_left_to_the_service_managers_time_out(name: str, rigged: Rig) -> None:
    hang(rigged, CASES[name], ready=False)
    time.sleep(0.1)
    assert rigged.alive() and not rigged.told("READY=1") and rigged.told("WATCHDOG=1") <= 1


@of("end")
def test_what_blocks_at_the_end_is_left_to_the_service_managers_time_out(name: str, rigged: Rig) -> None:
    hang(rigged, CASES[name])
    assert rigged.alive() and rigged.told("STOPPING=1") == (name != "Notifier.stopping")


@of("reader")
def test_a_reader_that_blocks_waits_alone(name: str, rigged: Rig) -> None:
    hang(rigged, CASES[name])
    fed = rigged.told("WATCHDOG=1")
    rigged.turns()
    rigged.wait(lambda: rigged.told("WATCHDOG=1") > fed, "the watchdog is fed")
    assert not rigged.told("WATCHDOG=trigger")


@of("apart")
def test_what_is_done_apart_waits_alone(name: str, rigged: Rig) -> None:
    hang(rigged, CASES[name])
    assert rigged.daemon is not None
    timings, began = rigged.daemon._runner.timings, time.monotonic()
    before = {check: timings[check].count for check in ("host", "probe", "metrics")}
    if name == "RowSource.read":
        late = rigged.wait(
            lambda: [f for f in rigged.facts if isinstance(f, CheckFailed) and f.check == "inputs"][3:], "it is told"
        )
        assert all("/rows.ndjson does not answer: a reading begun" in f.error for f in late)
    fed = rigged.told("WATCHDOG=1")
    rigged.wait(lambda: all(timings[check].count > count + 5 for check, count in before.items()), "the others go on")
    rigged.wait(lambda: time.monotonic() - began > 3 * LIMIT, "time enough to be taken for hung")
    assert rigged.told("WATCHDOG=1") > fed and not rigged.told("WATCHDOG=trigger")
    assert sum(thread.name.startswith("edged-rows") for thread in threading.enumerate()) == 1
    rows = sum(f.rows for f in rigged.facts if isinstance(f, RowsCounted))
    rigged.gate.open()
    if name == "RowSource.read":
        rigged.wait(lambda: sum(f.rows for f in rigged.facts if isinstance(f, RowsCounted)) > rows, "it goes on")


@of("nobody")
def test_what_is_said_to_be_called_by_nobody_is_not(name: str) -> None:
    method = name.partition(".")[2]
    called = [p.name for p in (REPO / "edged").rglob("*.py") if f"notifier.{method}(" in p.read_text()]
    assert not called


POOLS = ("edged-check-", "edged-act-", "edged-artifact-", "edged-read-")
UNSUPERVISED = {"edged-past"}
"""What is done apart: see there."""


@pytest.mark.parametrize("name", ["Store.log"])  # of those with servers
def test_no_thread_that_stays_is_forgotten(name: str, rigged: Rig) -> None:
    before = set(threading.enumerate())
    daemon = rigged.start().daemon
    assert daemon is not None
    rigged.turns()
    known = {what.removeprefix("the thread ") for what, _, _ in daemon._supervisor._calls()} | UNSUPERVISED

    def there() -> set[str]:
        return {thread.name for thread in set(threading.enumerate()) - before if thread.name.startswith("edged-")}

    assert {RELOAD, "edged-api", "edged-http"} <= known & there()
    # One that has something to do at the start may not have done it yet.
    rigged.wait(lambda: {thread for thread in there() if not thread.startswith(POOLS)} <= known, f"{there()} {known}")


@pytest.mark.parametrize("name", ["Host.disk", "Prober.http"])
def test_the_other_checks_go_on(name: str, rigged: Rig) -> None:
    hang(rigged, CASES[name])
    assert rigged.daemon is not None
    timings = rigged.daemon._runner.timings
    before = {check: timings[check].count for check in ("host", "resources", "dependency")}
    rigged.wait(lambda: all(timings[check].count > count + 2 for check, count in before.items()), "the others")


@pytest.mark.parametrize("name", ["Store.commit"])
def test_an_action_does_not_wait_for_a_medium_that_hangs(
    name: str, rigged: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edged.report.recorder.PATIENCE", 0.2)
    hang(rigged, CASES[name])
    daemon = rigged.daemon
    assert daemon is not None
    for number in range(2):
        action = act.StartContainer(id=str(number), subject=str(number), reason="", timeout=1.0, container_id="c")
        daemon._record(composed(daemon, action))
    ended = rigged.wait(
        lambda: [f for f in rigged.facts if isinstance(f, ActionFinished) and f.subject.isdigit()][1:], "both"
    )
    assert ended[0].ok
    rigged.wait(lambda: "without the journal" in daemon.snapshot.state.storage_error, "it is said")
    rigged.gate.open()
    rigged.turns()
    begun = [f.subject for f in rigged.facts if isinstance(f, ActionFinished) and f.subject.isdigit()]
    assert sorted(begun) == ["0", "1"], "neither is begun a second time"


def composed(daemon: Any, action: act.Action) -> Any:
    from edged.report.recorder import Output

    return Output(wall=daemon.clock.wall(), now=daemon.clock.now(), actions=(action,), intents=((action.id, b"{}"),))


@pytest.mark.parametrize("name", ["Host.sample"])
def test_without_a_service_manager_it_is_only_said(
    name: str, rigged: Rig, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("edged.adapters.systemd._watchdog_seconds", lambda env: None)
    monkeypatch.setattr("edged.app.supervision.DEFAULT_LIMIT", LIMIT)
    rigged.small = "host"
    hang(rigged, CASES[name])
    rigged.wait(lambda: "nobody starts it anew" in caplog.text, "the log")
    assert "the check host of host has not come back" in caplog.text
    assert not rigged.told("WATCHDOG=trigger") and not (rigged.folder / "hung").exists()
    rigged.wait(lambda: "host" in rigged.daemon.snapshot.state.host.broken, "status")  # type: ignore[union-attr]
