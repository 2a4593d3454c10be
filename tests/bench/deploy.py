"""Deployments against the clock: a real model in the demo's inference app, on a real engine of our own."""

from __future__ import annotations

import gc
import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from msgspec import Struct

from tests.fixtures.broker import free_port
from tests.fixtures.edged import Edged
from tests.fixtures.engine import REPO, Engine
from tests.fixtures.models import bundle

from .measure import Figure, median, pss_mb, until

APP = REPO / "edged" / "demo" / "inference_app.py"
WINDOW = json.dumps({"windows": [[0.1] * 64]}).encode()
PACE = 0.01
"""Seconds between two requests."""


class Answer(Struct, frozen=True):
    at: float
    """Unix time."""
    status: int
    """0: none."""


class Served:
    """The app in a container, edged watching it as delivered, and requests all the time."""

    def __init__(self, engine: Engine, folder: Path, reload: Any, window: str = "1s") -> None:
        self.engine, self.folder, self._page = engine, folder, ""
        folder.mkdir(parents=True, exist_ok=True)
        self.name = f"served-{folder.name}"
        port = free_port()
        self._page = f"http://127.0.0.1:{port}"
        metrics = {
            "url": f"{self._page}/metrics", "every": "500ms",
            "errors": {"total": "http_requests_total", "failed": {"status": "5.."}},
        }  # fmt: skip
        gate = {"window": window, "min_samples": 1, "latency": 100}
        app = {
            "health": {"http": f"{self._page}/health"}, "metrics": metrics,
            "model": {"path": "/models", "gate": gate, "reload": reload},
        }  # fmt: skip
        self.edged = Edged(folder, engine.url, {"apps": {self.name: app}})
        models = self.edged.state / "models" / self.name
        models.mkdir(parents=True)
        self.edged.state.chmod(0o755)
        engine.run_python(
            self.name, APP, "--port", str(port), "--model", "/models/current", "--faults",
            mounts=[f"{models}:/models:ro"],
        )  # fmt: skip
        self.answers: list[Answer] = []
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._ask, daemon=True)

    def _ask(self) -> None:
        while not self._done.wait(PACE):
            try:
                with urllib.request.urlopen(f"{self._page}/predict", WINDOW, timeout=5.0) as answer:
                    status = answer.status
            except urllib.error.HTTPError as error:
                status = error.code
            except OSError:
                status = 0
            self.answers.append(Answer(time.time(), status))

    def deploy(self, tar: Path) -> None:
        last = self.edged.command("model.deploy", app=self.name, bundle=str(tar))
        assert last["status"] == "succeeded", last

    def swap(self) -> dict[str, Any]:
        """Back to the one before, which is a deployment like any other; the last answer."""
        return self.edged.command("model.rollback", app=self.name)

    def sour(self) -> None:
        """From now on every request fails, until the process starts anew."""
        request = urllib.request.Request(f"{self._page}/fault/errors?ratio=1", method="POST")
        urllib.request.urlopen(request, timeout=5.0).close()

    def restart(self) -> None:
        self.engine.client.restart(self.name, timeout=10)

    def good_after(self, at: float) -> float:
        """When it first answered well after that, Unix time."""

        def found() -> float | None:
            return next((a.at for a in self.answers if a.at > at and a.status == 200), None)

        return float(until(found, 60.0, f"{self.name} answers again"))

    def gap(self, since: float) -> float:
        """Seconds of the longest time without a good answer since then."""
        self.good_after(time.time())
        good = [since, *(a.at for a in self.answers if a.at > since and a.status == 200)]
        return max(b - a for a, b in pairwise(good))

    @contextmanager
    def up(self) -> Iterator[Served]:
        try:
            self.edged.start()
            for version in (1, 2):
                self.deploy(bundle(self.folder, version))
            self._thread.start()
            self.good_after(0.0)
            yield self
        finally:
            self._done.set()
            self.edged.end()
            self.engine.rm(self.name)


def restarting(engine: Engine, folder: Path, count: int) -> Figure:
    """A bare restart and a whole deployment by turns; both as the app's users feel them."""
    times: dict[str, list[float]] = {"bare": [], "swap": []}
    with Served(engine, folder / "restarting", "restart").up() as served:
        for number in range(count):
            for what in ("bare", "swap") if number % 2 else ("swap", "bare"):
                time.sleep(0.5)
                begun = time.time()
                if what == "bare":
                    served.restart()
                else:
                    last = served.swap()
                    assert last["status"] == "succeeded", last
                times[what].append(served.gap(begun))
                served.edged.wait_state(served.name, "healthy")
    floor, ours = median(times["bare"]), median(times["swap"])
    note = f"median {ours * 1000:.0f} ms against {floor * 1000:.0f} ms"
    return Figure("good swap by restart: app away, ratio to a bare restart", ours / floor, 1.1, "x", count, 1.0, note)


def signalled(engine: Engine, folder: Path, count: int) -> Figure:
    with Served(engine, folder / "signalled", {"signal": "HUP"}).up() as served:
        since = len(served.answers)
        for _ in range(count):
            last = served.swap()
            assert last["status"] == "succeeded", last
        served.good_after(time.time())
        answers = served.answers[since:]
    failed = sum(a.status != 200 for a in answers)
    return Figure("good swap by signal: failed requests", failed, 0.0, "", count, None, f"of {len(answers)}")


def bad(engine: Engine, folder: Path, count: int) -> Figure:
    """From the event that tells of the gate's failure to the first good answer, which comes from the old one."""
    times: dict[str, list[float]] = {"bare": [], "back": [], "seen": []}
    with Served(engine, folder / "bad", "restart", "5s").up() as served:
        for number in range(count):
            for what in ("bare", "back") if number % 2 else ("back", "bare"):
                time.sleep(0.5)
                if what == "bare":
                    served.sour()
                    begun = time.time()
                    served.restart()
                    times[what].append(served.good_after(begun) - begun)
                else:
                    failed, over = _spoilt(served)
                    times[what].append(served.good_after(failed) - failed)
                    times["seen"].append(over - failed)
                served.edged.wait_state(served.name, "healthy")
    floor, ours, seen = median(times["bare"]), median(times["back"]), median(times["seen"])
    note = f"median {ours * 1000:.0f} ms against {floor * 1000:.0f} ms; verified after {seen * 1000:.0f} ms"
    return Figure("gate failed -> healthy on the old one, to a bare restart", ours / floor, 1.2, "x", count, 1.0, note)


def _spoilt(served: Served) -> tuple[float, float]:
    """A deployment whose app fails once the gate looks: when that was seen, and when it was over. Unix times."""
    since, last = time.time(), dict[str, Any]()
    thread = threading.Thread(target=lambda: last.update(served.swap()), daemon=True)
    thread.start()
    at_gate = _when(served, since, "gating")
    assert at_gate > since
    served.sour()
    thread.join(60.0)
    assert last["result"] == {"phase": "rolled_back"}, last
    return _when(served, since, "rolling_back"), _when(served, since, "rolled_back")


def _when(served: Served, since: float, phase: str) -> float:
    def found() -> float | None:
        for event in served.edged.events("deployment.changed"):
            at = datetime.fromisoformat(event["time"]).timestamp()
            if at > since and event["data"]["new"] == phase:
                return at
        return None

    return float(until(found, 60.0, phase))


def memory(engine: Engine, folder: Path, count: int) -> Figure:
    """The store is imported when the first deployment needs it: what it takes then is not given back, and not meant."""
    with Served(engine, folder / "memory", {"signal": "HUP"}).up() as served:
        tars = [bundle(served.folder, version) for version in range(3, count + 3)]
        process = served.edged.process
        assert process is not None
        before = _settled(process.pid)
        for tar in tars:
            served.deploy(tar)
        after = _settled(process.pid)
        served.edged.kill()
        served.edged.start()
        assert served.edged.process is not None
        fresh = _settled(served.edged.process.pid)
    note = f"{before:.1f} MB after two, {after:.1f} MB after {count} more; a fresh start has {fresh:.1f} MB"
    return Figure(f"PSS gained by {count} deployments", after - before, 2.0, "MB", count, None, note)


def _settled(pid: int) -> float:
    """The lowest of a few looks, once nothing is under way any more, MB."""
    gc.collect()
    time.sleep(3.0)
    looks = []
    for _ in range(5):
        looks.append(pss_mb(pid))
        time.sleep(0.5)
    return min(looks)
