"""A device on which much is going on, as a snapshot: every state, every note, every part of the page."""

from __future__ import annotations

import math
import time
from types import SimpleNamespace
from typing import Any

import msgspec
from msgspec.structs import replace

from edged.audit import Head
from edged.config import App, Config
from edged.ports import Routes, StoredEvent
from edged.report.metrics import Counters, Vitals
from edged.report.pages import Source, public_routes
from edged.report.snapshot import Snapshot
from edged.report.web.recent import EVERY, KEEP, Recent
from edged.report.web.trends import Trends
from edged.vocabulary.app_state import AppState, Condition, Kept, Maintenance, Recovery, Stopped
from edged.vocabulary.deployments import Artifact, Deployment, Placed, Request
from edged.vocabulary.drills import Drill, Drilled
from edged.vocabulary.incidents import LEVELS, Book, Change, Entry, Escalation, Harm, Incident, Joined
from edged.vocabulary.inference import Inference, Mark, Probed
from edged.vocabulary.inputs import Inputs
from edged.vocabulary.isolation import Isolation
from edged.vocabulary.runbooks import Run
from edged.vocabulary.signs import Acknowledged, Alert, Cpu, Streak
from edged.vocabulary.state import ConfigState, DependencyState, EngineState, HostState, State
from edged.vocabulary.world import Container, Disk, HostSample, Usage

NOW, WALL = 50_000.0, 1.79e9
HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&\u202e\x00</style></title><!--"
NAMES = (
    "detector", "camera-front", "camera-rear", "press-control", "plc-bridge", "ocr", "counter", "sorter",
    "anomaly-audio", "anomaly-vibration", "forecast", "exporter", "gateway", "recorder", "labeler", "thumbnailer",
    "archiver", "notifier", "operator-ui", "time-sync",
)  # fmt: skip
CONDITIONS: tuple[Condition, ...] = (
    "unhealthy", "healthy", "down", "restarting", "starting", "paused", "stopped", "missing", "unknown", "healthy",
)  # fmt: skip
HUNG = Drilled(NOW - 8000, False, code="not_detected")
INFERENCE = {"metrics": {"url": "http://127.0.0.1:1/", "latency": {"histogram": "t", "quantile": 0.95, "warn": 0.2}}}


def app(name: str, number: int, text: str = "health probe: HTTP 503 after 3 tries") -> AppState:
    rules: dict[str, Any] = INFERENCE if number % 2 == 0 else {}
    if number % 5 == 1:
        rules = rules | {"drift": {"source": {"file": "/rows.ndjson"}}}
    condition = CONDITIONS[number] if number < len(CONDITIONS) else "healthy"
    alerts = {}
    if number in (0, 2, 7):
        seen = Acknowledged("ann", NOW - 60, text) if number == 2 else None
        alerts["AppDown"] = Alert(
            "critical",
            NOW - 300,
            summary=f"{name}: {text}",
            advice="edged restarts it",
            flapping=True,
            acknowledged=seen,
        )
    if number == 1:
        alerts["HighMemory"] = Alert("warning", NOW - 4000, summary=f"{name} uses 83% of its memory limit", value=0.83)
    kept = Kept(alerts=alerts, restarts=number)
    if number % 2:
        kept = replace(kept, drilled={"kill": Drilled(NOW - 9000, True, 0.01, 3.14), "hang": HUNG})
    if number == 1:
        kept = replace(
            kept, drill=Drill(id="x", kind="oom", origin="edged", phase="detecting", began=NOW, deadline=NOW)
        )
    if number == 0:
        trying = Recovery("verifying", "unhealthy", text, attempts=2, charged=(NOW - 60, NOW - 5), open=True, held=text)
        kept = replace(kept, recovery=trying)
    if number == 6:
        kept = replace(kept, stopped=Stopped(text, NOW - 900))
    if number == 5:
        kept = replace(kept, maintenance=Maintenance("ann", text, NOW - 60, NOW + 3000))
    if number == 3:
        kept = replace(kept, isolation=Isolation(text, NOW - 30, "cut", told=True, problem=text))
    if number < 4:
        model = Artifact(digest="sha256:" + "ab" * 32, name=f"{name}-net", version=f"1.{number}.0")
        kept = replace(kept, placed={"model": Placed(current=model)})
    if number == 4:
        request = Request(id="d-1", kind="model", source="file:/b")
        kept = replace(kept, deployment=Deployment(request=request, phase="gating", new=Artifact(version="2.0.0")))
    there = condition not in ("missing", "unknown")
    box = Container(id="c" * 64, name=name, status="running", image=f"plant/{name}:1.{number}")
    return AppState(
        name=name,
        config=msgspec.convert(rules, App),
        condition=condition,
        condition_since=NOW - 100 * (number + 1),
        reason="" if condition == "healthy" else text,
        container=box if there else None,
        probe=Streak(good=9, verdict="good", last_at=NOW - 2, seconds=0.0042),
        usage=Usage(container_id="c", memory=(40 + 7 * number) * 2**20, memory_limit=512 * 2**20) if there else None,
        cpu=Cpu(0.03 * number, 0.1 if number == 2 else None) if there else Cpu(),
        inference=Inference(
            marks=(Mark(NOW - 1, 100.0),), latency=0.0213, error_ratio=0.004, rate=12.3,
            probed=Probed(NOW, "d", 0.02, wrong=number, detail=text),
        ) if rules.get("metrics") else Inference(),
        broken={"metrics": text} if number == 8 else {},
        problems=(text,) if number == 9 else (),
        kept=kept,
    )  # fmt: skip


def verdicts() -> Any:
    """As the judge's: what the page reads of them."""
    feature = SimpleNamespace(
        name="spindle_temperature", drifted=True, direction="higher", psi=0.41, since=NOW - 5000, problems=("gaps",)
    )
    return SimpleNamespace(features=(feature,), problems=("more rows than usual",), windows=9)


def incident(number: int, text: str) -> Incident:
    return Incident(
        id=f"INC-2026-09-21-{number:03d}",
        title=f"detector: {text}",
        kind="app",
        cause="detector",
        severity=LEVELS[number % 4],
        began_at=NOW - 310,
        opened_at=NOW - 300,
        respond_by=NOW + 600,
        resolve_by=NOW + 7200,
        alerts=(Joined("AppDown", "detector", "critical", text, NOW - 300),),
        impact={"detector": Harm(300.0), "ocr": Harm(20.0)},
        timeline=tuple(Entry(NOW - 300 + 20 * i, "action", "detector", f"{text} ({i})") for i in range(9)),
        likely=f"deployment of {text}",
        hints=(text,),
        changes=(Change(NOW - 400, "deployment", "detector", text),),
        escalated=(Escalation(NOW - 10, "recovery", text),),
        closed_at=NOW - 50,
        closed_wall=WALL - 50,
        restored_at=NOW - 60 if number > 1 else None,
    )


def busy(
    names: tuple[str, ...] = NAMES, text: str = "health probe: HTTP 503 after 3 tries", broker: bool = True
) -> Snapshot:
    apps = {name: app(name, number, text) for number, name in enumerate(names)}
    watched = Inputs(verdicts=verdicts(), rows=9000)
    state = State(
        boot=12,
        started_at=NOW - 40_000,
        engine=EngineState(up=True, since=NOW - 40_000, listed=True, version="26.1.5"),
        host=HostState(
            sample=HostSample(
                memory_total=8 * 2**30, memory_available=3 * 2**30, swap_used=2**27, cpu_count=4, cpu_busy=0.37,
                load=(1.5, 1.1, 0.9), temperature=61.5, throttled=True, clock_synced=False, uptime=90_000.0,
                oom_kills=3,
                pressure={"cpu.some": 0.21, "memory.full": 0.0},
            ),
            disks={
                "/": Disk(path="/", total=32 * 2**30, free=5 * 2**30, inodes=1000, inodes_free=300),
                "/data": Disk(path="/data", total=2**40, free=2**39, read_only=True),
            },
            alerts={"DiskFull//": Alert("warning", NOW - 9000, summary=f"/ is full: {text}", advice="remove images")},
            broken={"temperature": text},
        ),
        apps=apps,
        inputs=dict.fromkeys(list(apps)[1::5], watched),
        dependencies={
            "plant-broker": DependencyState("plant-broker", Streak(good=3, verdict="good", seconds=0.003)),
            "historian": DependencyState("historian", Streak(bad=3, verdict="bad", detail=text)),
        },
        config=ConfigState(digest="sha256:" + "12" * 32, path="/etc/edged/edged.yaml", errors=(text,)),
        broker=broker,
        broker_detail="" if broker else text,
        runs={"AppDown/detector": Run(
            alert="AppDown", subject="detector", severity="critical", book="b", began=NOW - 300, cursor=1, held=text,
        )},
        incidents=Book(
            open={one.id: one for one in (incident(0, text), incident(1, text), incident(2, text))},
            closed={one.id: one for one in (incident(4, text), incident(5, text))},
        ),
    )  # fmt: skip
    config = msgspec.convert(
        {"device": {"id": "press-7", "labels": {"site": "plant-a"}}, "mqtt": {"url": "mqtt://b"}}, Config
    )
    return Snapshot(state, config, NOW, WALL)


def past(text: str = "latency p95 31 ms against 18 ms before") -> list[StoredEvent]:
    """Deployments of before, one event each."""
    rows = []
    for number, result in enumerate(("committed", "rolled_back", "refused", "committed", "failed")):
        data = {"id": f"d{number}", "kind": "model", "new": result, "name": "detector-net", "version": f"1.{number}",
                "code": "", "reason": "" if result == "committed" else text}  # fmt: skip
        told = {"subject": "detector", "time": f"2026-09-2{number}T08:00:00.000Z", "data": data}
        rows.append(StoredEvent(number, 1, WALL, "event", msgspec.json.encode(told)))
    return rows


class Device:
    """What serves the pages of a snapshot that a test may change."""

    def __init__(self, shot: Snapshot, text: str = "latency p95 31 ms against 18 ms before") -> None:
        self.shot = shot
        self.recent = Recent()
        self.rows = past(text)
        self.silent = 0.0
        for step in range(KEEP):
            self.recent.take(_earlier(shot, step))

    def source(self) -> Source:
        vitals = Vitals(lambda: (3, 900), lambda: 0.001, lambda: {"health": (10, 0.1)})
        # What only the command line asks for stays away.
        parts: dict[str, Any] = dict.fromkeys(Source.__struct_fields__) | {
            "snapshot": lambda: self.shot,
            "turned": lambda: time.monotonic() - self.silent,
            "counters": Counters(),
            "vitals": vitals,
            "outbox": lambda: {"spool_messages": 3},
            "history": lambda since, types, limit: self.rows,
            "audit": SimpleNamespace(audit_head=lambda: Head(7, "01" * 32)),
            "line": Trends(self.recent, None, lambda: WALL).line,
        }
        return Source(**parts)

    def routes(self) -> Routes:
        return public_routes(self.source())


def _earlier(shot: Snapshot, step: int) -> Snapshot:
    """The same device a while ago, with other numbers."""

    def swing(number: int) -> float:
        return 1.0 + 0.3 * math.sin(step / 9 + number) + 0.05 * math.sin(step * 1.7)

    apps = {
        name: replace(
            a,
            usage=replace(a.usage, memory=int(a.usage.memory * swing(i))) if a.usage else None,
            cpu=replace(a.cpu, share=a.cpu.share * swing(i + 3)) if a.cpu.share is not None else a.cpu,
        )
        for i, (name, a) in enumerate(shot.state.apps.items())
    }
    return replace(shot, now=shot.now - (KEEP - step) * EVERY, state=replace(shot.state, apps=apps))
