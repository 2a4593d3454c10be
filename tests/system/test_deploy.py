"""Models into a running app, from the command line to the health gate, on a real engine with real onnxruntime."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.fixtures.broker import free_port
from tests.fixtures.edged import Edged
from tests.fixtures.engine import REPO, Engine, eventually
from tests.fixtures.models import bundle, digest_of

pytestmark = pytest.mark.engine

Make = Callable[..., Edged]
APP = REPO / "edged" / "demo" / "inference_app.py"
WINDOW = json.dumps({"windows": [[0.1] * 64]}).encode()


class Detector:
    """The inference app in a container, its model where edged puts it."""

    def __init__(self, engine: Engine, make: Make, **model: Any) -> None:
        self.engine, self.port = engine, free_port()
        page = f"http://127.0.0.1:{self.port}"
        settings = {
            "path": "/models", "gate": {"window": "3s", "min_samples": 20, "latency": 50}, "reload": "restart", **model,
        }  # fmt: skip
        metrics = {
            "url": f"{page}/metrics", "every": "500ms", "timeout": "500ms",
            "latency": {"histogram": "model_prediction_duration_seconds"},
            "errors": {"total": "http_requests_total", "failed": {"status": "5.."}},
        }  # fmt: skip
        health = {"http": f"{page}/health", "every": "200ms", "timeout": "200ms", "start_period": "10s"}
        self.edged = make({"apps": {"detector": {"health": health, "metrics": metrics, "model": settings}}})
        self.folder = self.edged.state / "models" / "detector"

    def run_mounted(self) -> None:
        """Reads the model through the bind mount of edged's slots."""
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.edged.state).chmod(0o755)
        self._run("/models/current", [f"{self.folder}:/models:ro"])

    def _run(self, model: str, mounts: list[str]) -> None:
        self.engine.run_python(
            "detector", APP, "--port", str(self.port), "--model", model, "--faults", mounts=mounts
        )  # fmt: skip

    def deploy(self, bundle: Path | str, *more: str, verb: str = "deploy") -> tuple[int, list[dict[str, Any]], str]:
        """Exit code, the phases, and what else was printed."""
        arguments = ["detector", *([str(bundle)] if bundle else []), "--json", "--socket", self.edged.socket, *more]
        done = subprocess.run(
            [sys.executable, "-m", "edged", verb, *arguments],
            capture_output=True, text=True, timeout=100, check=False, env=os.environ,
        )  # fmt: skip
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        return done.returncode, [line["data"] for line in lines if "data" in line], done.stdout + done.stderr

    def placed(self) -> dict[str, Any]:
        found: dict[str, Any] = self.edged.app("detector")["placed"].get("model", {})
        return found

    @contextmanager
    def load(self) -> Iterator[list[int]]:
        """Requests all the time; the statuses, 0 for no answer."""
        seen: list[int] = []
        done = threading.Event()

        def ask() -> None:
            while not done.wait(0.02):
                try:
                    url = f"http://127.0.0.1:{self.port}/predict"
                    seen.append(urllib.request.urlopen(url, WINDOW, timeout=2).status)
                except urllib.error.HTTPError as error:
                    seen.append(error.code)
                except OSError:
                    seen.append(0)

        thread = threading.Thread(target=ask)
        thread.start()
        try:
            yield seen
        finally:
            done.set()
            thread.join()


@pytest.fixture
def detector(engine: Engine, edged: Make) -> Detector:
    return Detector(engine, edged)


def test_good_ones_stay_and_bad_ones_never_do(detector: Detector, tmp_path: Path) -> None:
    first, second = bundle(tmp_path, 1), bundle(tmp_path, 2)
    detector.run_mounted()
    detector.edged.start()
    # The first one: the app has no model yet, and cannot run without. There is nothing to hold it against.
    code, phases, text = detector.deploy(first)
    assert code == 0 and phases[-1]["new"] == "committed", text + detector.edged.text()
    assert detector.placed()["digest"] == digest_of(first)
    detector.edged.wait_state("detector", "healthy")
    with detector.load() as seen:
        eventually(lambda: seen.count(200) > 100, 30.0)
        code, phases, text = detector.deploy(second)
        assert code == 0, text + detector.edged.text()
        assert {check["name"] for check in phases[-1]["checks"]} == {"health", "restarts", "errors", "latency"}
        # Golden answers that it does not give; a budget that it does not keep: the app is never touched.
        before = detector.engine.inspect("detector")["State"]["StartedAt"]
        for number, bad, reason in ((3, {"golden": 0.5}, "golden_mismatch"), (4, {"p95": "0.001ms"}, "latency")):
            code, phases, text = detector.deploy(bundle(tmp_path, number, **bad))
            assert (code, phases[-1]["new"], phases[-1]["code"]) == (3, "refused", reason), text
        assert detector.engine.inspect("detector")["State"]["StartedAt"] == before
        # Sound in itself, but not for this app: only the gate can tell.
        third = bundle(tmp_path, 5, wide=True)
        code, phases, text = detector.deploy(third)
        assert (code, phases[-1]["new"]) == (1, "rolled_back"), text + detector.edged.text()
        count = len(seen)
        eventually(lambda: seen[count:].count(200) > 20, 10.0)
    placed = detector.placed()
    assert placed["digest"] == digest_of(second) and placed["quarantined"] == [digest_of(third)]
    code, phases, text = detector.deploy(third)
    assert (code, phases[-1]["code"]) == (3, "quarantined"), text
    code, phases, text = detector.deploy(first)
    assert (code, phases[-1]["code"]) == (3, "sequence"), text
    with detector.load() as seen:
        eventually(lambda: seen.count(200) > 100, 30.0)
        code, phases, text = detector.deploy("", verb="rollback")
    assert code == 0 and detector.placed()["digest"] == digest_of(first), text
    detector.edged.wait_state("detector", "healthy")
    assert not detector.edged.events("recovery.started"), "every trouble was the deployments' own"
