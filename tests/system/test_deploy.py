"""Models into a running app, from the command line to the health gate, on a real engine with real onnxruntime."""

from __future__ import annotations

import copy
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
from tests.fixtures.models import bundle, digest_of, scaled

pytestmark = pytest.mark.engine

Make = Callable[..., Edged]
APP = REPO / "edged" / "demo" / "inference_app.py"
WINDOW = json.dumps({"windows": [[0.1] * 64]}).encode()


class Detector:
    """The inference app in a container, its model where edged puts it."""

    def __init__(self, engine: Engine, make: Make, answers_at: bool = False, **model: Any) -> None:
        self.engine, self.port = engine, free_port()
        self.page = page = f"http://127.0.0.1:{self.port}"
        model |= {"smoke": page} if answers_at else {}
        # While it loads its model it answers 503 to probes, which its counter of errors has as well.
        gate = {"window": "3s", "min_samples": 20, "latency": 50, "errors": "10%"}
        settings = {"path": "/models", "gate": gate, "reload": "restart", **model}
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

    def reload_by(self, signal: str) -> None:
        """Changes edged's configuration and puts it in force."""
        config = copy.deepcopy(self.edged.config)
        config["apps"]["detector"]["model"]["reload"] = {"signal": signal}
        self.edged.configure(config)
        count = len(self.edged.events("config.reloaded"))
        self.edged.reload()
        eventually(lambda: len(self.edged.events("config.reloaded")) > count, 20.0)

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
    assert (detector.folder / "previous").resolve().name == digest_of(first).removeprefix("sha256:")
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


def test_what_the_app_recorded_is_run_through_both_models(engine: Engine, edged: Make, tmp_path: Path) -> None:
    """The second model answers as the first one, over what the app wrote down; that is told, with the broken line."""
    file = tmp_path / "recorded.ndjson"
    detector = Detector(engine, edged, recorded=str(file))
    detector.run_mounted()
    detector.edged.start()
    code, phases, text = detector.deploy(bundle(tmp_path, 1))
    assert code == 0, text + detector.edged.text()
    (told,) = next(phase["checks"] for phase in phases if phase["new"] == "backing_up")
    assert told["name"] == "recorded" and "cannot be read" in told["why"], "not there yet, and that fails nothing"
    windows = [[0.01 * row] * 64 for row in range(40)]
    file.write_text("".join(json.dumps({"window": window}) + "\n" for window in windows) + "junk\n" + '{"window": [0')
    detector.edged.wait_state("detector", "healthy")
    with detector.load() as seen:
        eventually(lambda: seen.count(200) > 100, 30.0)
        code, phases, text = detector.deploy(bundle(tmp_path, 2))
    assert code == 0, text + detector.edged.text()
    checks = next(phase["checks"] for phase in phases if phase["new"] == "backing_up")
    compared = [check for check in checks if check["name"] == "disagreement"]
    assert compared and all(check["samples"] == 40 and check["observed"] == 0 for check in compared), checks
    assert "1 did not fit" in next(check["why"] for check in checks if check["name"] == "recorded")
    done = subprocess.run(
        [sys.executable, "-m", "edged", "deployments", phases[-1]["id"], "--socket", detector.edged.socket],
        capture_output=True, text=True, timeout=30, check=True, env=os.environ,
    )  # fmt: skip
    assert "told disagreement" in done.stdout and "of 40 recorded inputs" in done.stdout, done.stdout


def smoked(detector: Detector, phases: list[dict[str, Any]]) -> bool:
    """How the last deployment's smoke test ended."""
    ok: bool = next(check["ok"] for check in phases[-1]["checks"] if check["name"] == "smoke")
    return ok


def decided(detector: Detector) -> list[tuple[str, str]]:
    """What was started and tried, in order, as the flight recorder has it."""
    done = subprocess.run(
        [sys.executable, "-m", "edged", "replay", str(detector.edged.state / "flight"), "--json"],
        capture_output=True, text=True, timeout=60, check=False, env=os.environ,
    )  # fmt: skip
    actions = [action for one in json.loads(done.stdout)["decided"] for action in one["actions"]]
    return [(a["type"], a["subject"]) for a in actions if a["type"] in ("StartContainer", "SmokeTest")]


def served(detector: Detector) -> float:
    """The score that the app gives now."""
    body = json.dumps({"windows": [[0.5] * 64]}).encode()
    with urllib.request.urlopen(f"{detector.page}/predict", body, timeout=5) as answer:
        return float(json.load(answer)["scores"][0])


def test_without_traffic_the_smoke_inputs_decide(engine: Engine, edged: Make, tmp_path: Path) -> None:
    detector = Detector(engine, edged, answers_at=True)
    detector.run_mounted()
    engine.run("rest")
    detector.edged.configure(
        detector.edged.config | {"apps": detector.edged.config["apps"] | {"rest": {"priority": 90}}}
    )
    detector.edged.start()
    code, phases, text = detector.deploy(scaled(tmp_path, 1, 1.0))
    assert code == 0 and smoked(detector, phases), text + detector.edged.text()
    code, phases, text = detector.deploy(second := scaled(tmp_path, 2, 2.0))
    assert code == 0 and smoked(detector, phases) and served(detector) == 0.5, text + detector.edged.text()
    # It keeps to its golden vectors, and is not what its maker thinks that it is.
    code, phases, text = detector.deploy(third := scaled(tmp_path, 3, 3.0, answers=4.0))
    assert (code, phases[-1]["new"], phases[-1]["code"]) == (1, "rolled_back", "gate_smoke"), text
    assert "/predict answered 0.75 where 1" in phases[-1]["reason"], phases[-1]
    assert detector.placed()["digest"] == digest_of(second) and detector.placed()["quarantined"] == [digest_of(third)]
    detector.edged.wait_state("detector", "healthy")
    assert served(detector) == 0.5
    assert not detector.edged.events("recovery.started")

    # Everything is down at once: the model in place is tried before the next app begins.
    detector.edged.kill()
    for name in ("rest", "detector"):
        engine.kill_main(name)
    detector.edged.start()
    told = detector.edged.wait_event("runbook.step_ended", 60.0, alert="CompleteFailure", step="recover_all")["data"]
    assert told["result"] == "done" and "detector answered the smoke inputs" in told["reason"], told
    assert detector.edged.stop() == 0
    assert decided(detector)[-3:] == [
        ("StartContainer", "detector"), ("SmokeTest", "detector/artifacts"), ("StartContainer", "rest"),
    ]  # fmt: skip


def test_an_app_that_keeps_its_old_model_is_found_out(engine: Engine, edged: Make, tmp_path: Path) -> None:
    """It ignores the signal that it should read its files by, is healthy all the time, and answers as ever."""
    detector = Detector(engine, edged, answers_at=True)
    detector.run_mounted()
    detector.edged.start()
    code, phases, text = detector.deploy(first := scaled(tmp_path, 1, 1.0))
    assert code == 0 and served(detector) == 0.25, text + detector.edged.text()
    began = detector.engine.inspect("detector")["State"]["StartedAt"]
    detector.reload_by("WINCH")
    code, phases, text = detector.deploy(scaled(tmp_path, 2, 2.0))
    assert (code, phases[-1]["new"], phases[-1]["code"]) == (1, "rolled_back", "gate_smoke"), text
    assert "/predict answered 0.25 where 0.5 was expected (scores[0])" in phases[-1]["reason"], phases[-1]
    assert detector.placed()["digest"] == digest_of(first) and served(detector) == 0.25
    detector.reload_by("HUP")
    code, phases, text = detector.deploy(scaled(tmp_path, 3, 3.0))
    assert code == 0 and smoked(detector, phases) and served(detector) == 0.75, text + detector.edged.text()
    assert detector.engine.inspect("detector")["State"]["StartedAt"] == began, "nobody restarted it"
