"""Inputs of a running app: learned, held against what came before, across restarts of edged and with a model's own."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.fixtures.broker import Mosquitto, Reader, free_port
from tests.fixtures.edged import Edged
from tests.fixtures.engine import REPO, Engine
from tests.fixtures.models import SHIPPED, digest_of, pack

pytestmark = pytest.mark.engine

Make = Callable[..., Edged]


class Feed:
    """What an app writes: two numbers and a word a row."""

    def __init__(self, path: Path, seed: int = 1) -> None:
        self.path, self.random = path, random.Random(seed)

    def rows(self, count: int, shift: float = 0.0) -> None:
        with self.path.open("a") as file:
            for _ in range(count):
                row = {
                    "temp": self.random.gauss(20.0 + shift, 1.0),
                    "flow": self.random.expovariate(1.0),
                    "mode": self.random.choice(["auto", "auto", "hand"]),
                }
                file.write(json.dumps(row) + "\n")

    def rotate(self) -> None:
        self.path.rename(self.path.with_name(self.path.name + ".1"))


def drift(edged: Edged, *more: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "edged", "drift", "box", "--socket", edged.socket, *more],
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def report(edged: Edged) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(drift(edged, "--json"))
    return found


def watching(make: Make, engine: Engine, path: Path, **more: Any) -> Edged:
    engine.run("box")
    rules = {"source": {"file": str(path)}, "window": 200, "every": "1s", **more}
    return make({"apps": {"box": {"drift": rules}}})


def test_numpy_is_for_those_who_ask_for_it(engine: Engine, edged: Make) -> None:
    engine.run("box")
    daemon = edged({"apps": {"box": {}}}).start()
    daemon.wait_state("box", "healthy")
    assert daemon.process is not None
    assert "/numpy/" not in Path(f"/proc/{daemon.process.pid}/maps").read_text()


def test_learned_then_moved(engine: Engine, edged: Make, tmp_path: Path) -> None:
    feed = Feed(tmp_path / "rows.ndjson")
    daemon = watching(edged, engine, feed.path).start()
    daemon.wait_state("box", "healthy")
    feed.rows(2000)
    assert daemon.wait_event("drift.reference", learned=True, features=3)["data"]["rows"] == 2000
    feed.rows(1000)
    daemon.wait(lambda: report(daemon)["windows"] >= 3, 20.0, "windows are compared")
    assert report(daemon)["state"] == "steady"
    assert daemon.app("box")["drift"]["drifted"] == {}

    feed.rows(600, shift=2.0)
    raised = daemon.wait_event("alert.raised", name="DataDrift")
    assert "temp " in raised["data"]["summary"] and "up" in raised["data"]["summary"]
    told = daemon.wait_event("drift.changed")
    assert told["data"]["begun"] == ["temp"]
    evidence = told["data"]["top"][0]
    assert len(evidence["before"]) == len(evidence["after"]) == len(evidence["edges"]) + 1
    text = drift(daemon)
    assert "temp" in text and "█" in text and "the inputs have moved" in text
    page = urllib.request.urlopen(f"http://127.0.0.1:{daemon.port}/metrics", timeout=5.0).read().decode()
    assert 'edged_drift_score{app="box",feature="temp"}' in page

    # A restart: nothing lost, nothing twice, and it is still known that it drifts.
    daemon.wait(lambda: report(daemon)["rows"] == 1600, 10.0, "all rows are counted")
    daemon.kill()
    feed.rows(150, shift=2.0)
    feed.rotate()
    feed.rows(170, shift=2.0)
    daemon.start()
    daemon.wait(lambda: report(daemon)["rows"] == 1920, 20.0, "none lost and none twice")
    assert report(daemon)["state"] == "drifted"

    # New inputs are right: learned anew.
    answer = daemon.command("drift.reset", app="box", relearn=True)
    assert answer["status"] == "succeeded"
    daemon.wait_event("alert.cleared", name="DataDrift")
    feed.rows(2600, shift=2.0)
    daemon.wait(lambda: len(daemon.events("drift.reference")) == 2, 20.0, "it is learned anew")
    assert report(daemon)["state"] in ("collecting", "steady")


def test_what_is_half_learned_outlives_edged(engine: Engine, edged: Make, tmp_path: Path) -> None:
    feed = Feed(tmp_path / "rows.ndjson")
    daemon = watching(edged, engine, feed.path).start()
    daemon.wait_state("box", "healthy")
    feed.rows(1200)
    daemon.wait(lambda: (report(daemon)["learning"] or {}).get("rows") == 1200, 20.0, "it learns")
    daemon.kill()
    feed.rows(900)
    daemon.start()
    told = daemon.wait_event("drift.reference", 20.0, learned=True)
    assert told["data"]["rows"] >= 2000, "of 2100 rows in all, no row was lost"
    assert not (daemon.state / "references" / "box" / "unfinished").exists()


def test_a_source_that_cannot_be_read_is_told_and_mended(engine: Engine, edged: Make, tmp_path: Path) -> None:
    feed = Feed(tmp_path / "rows.ndjson")
    feed.path.mkdir()
    daemon = watching(edged, engine, feed.path).start()
    told = daemon.wait_event("check.broken", check="inputs", broken=True)
    assert "is no plain file" in told["data"]["error"]
    daemon.wait(lambda: "is no plain file" in report(daemon)["broken"], 10.0, "edged drift tells it")
    feed.path.rmdir()
    feed.rows(10)
    daemon.wait_event("check.broken", check="inputs", broken=False)
    assert len(daemon.events("check.broken")) == 2 and report(daemon)["broken"] == ""


def test_hostile_rows_are_told_once(engine: Engine, edged: Make, tmp_path: Path) -> None:
    feed = Feed(tmp_path / "rows.ndjson")
    daemon = watching(edged, engine, feed.path).start()
    daemon.wait_state("box", "healthy")
    feed.rows(2000)
    daemon.wait_event("drift.reference")
    for _ in range(3):
        rows = report(daemon)["rows"]
        with feed.path.open("ab") as file:
            file.write(b"\xff\x00garbage\n" * 200 + b"[" * 5000 + b"\n" + b"x" * 200_000 + b"\n")
        feed.rows(50)
        daemon.wait(lambda rows=rows: report(daemon)["rows"] > rows, 10.0, "it goes on reading")
    raised = daemon.wait_event("alert.raised", name="DataQuality")
    assert "not JSON" in raised["data"]["summary"]
    assert len(daemon.events("alert.raised")) == 1


def trained(folder: Path, version: int, mean: float) -> Path:
    """The example model as a bundle, with the reference of training data of its own."""
    rng = random.Random(version)
    data = folder / f"training-{version}.csv"
    rows = [
        f"{n},{rng.gauss(mean, 1.0)},{rng.expovariate(1.0)},{rng.choice(['auto', 'auto', 'hand'])}" for n in range(3000)
    ]
    data.write_text("\n".join(["id,temp,flow,mode", *rows, ""]))
    files = folder / f"v{version}"
    files.mkdir()
    for name in ("model.onnx", "golden.npz"):
        shutil.copy(SHIPPED / name, files)
    options = ("--golden", "golden.npz", "--reference", str(data), "--without", "id")
    return pack(files, version, "--model", "model.onnx", *options)


def test_the_reference_comes_and_goes_with_the_model(engine: Engine, edged: Make, tmp_path: Path) -> None:
    page = f"http://127.0.0.1:{free_port()}"
    feed = Feed(tmp_path / "rows.ndjson")
    daemon = edged({"apps": {"box": {
        "health": {"http": f"{page}/health", "every": "200ms", "timeout": "200ms", "start_period": "20s"},
        "model": {"path": "/models", "gate": {"window": "1s"}},
        "drift": {"source": {"file": str(feed.path)}, "window": 200, "every": "1s", "rollback_within": "1h"},
    }}}).start()  # fmt: skip
    folder = daemon.state / "models" / "box"
    folder.mkdir(parents=True, exist_ok=True)
    daemon.state.chmod(0o755)
    app = REPO / "edged" / "demo" / "inference_app.py"
    arguments = ("--port", page.rpartition(":")[2], "--model", "/models/current")
    engine.run_python("box", app, *arguments, mounts=[f"{folder}:/models:ro"])

    def deploy(bundle: Path) -> str:
        answer = daemon.command("model.deploy", app="box", bundle=str(bundle))
        assert answer["status"] == "succeeded", answer
        return digest_of(bundle)

    first = deploy(trained(tmp_path, 1, 20.0))
    told = daemon.wait_event("drift.reference", learned=False, model=first)
    assert told["data"]["features"] == 3
    feed.rows(1000)
    daemon.wait(lambda: report(daemon)["windows"] >= 2, 20.0, "windows are compared")
    assert report(daemon)["state"] == "steady" and not report(daemon)["reference"]["learned"]

    # Trained on another world: its inputs drift as soon as it is there, so the one before comes back.
    second = deploy(trained(tmp_path, 2, 26.0))
    daemon.wait_event("drift.reference", model=second)
    feed.rows(1000)
    daemon.wait_event("alert.raised", name="DataDrift")
    daemon.wait_event("deployment.changed", 40.0, new="committed", digest=first, previous=second)
    daemon.wait(lambda: report(daemon)["reference"]["model"] == first, 20.0, "the reference of the first is back")
    daemon.wait_event("alert.cleared", name="DataDrift")
    assert len([e for e in daemon.events("drift.reference") if e["data"]["model"] == first]) == 2


@pytest.mark.broker
def test_rows_from_a_topic(engine: Engine, edged: Make, broker: Mosquitto, read: Callable[..., Reader]) -> None:
    engine.run("box")
    rules = {"source": {"mqtt": f"{broker.url}/plant/rows"}, "window": 200, "every": "1s"}
    daemon = edged({"apps": {"box": {"drift": rules}}}).start()
    daemon.wait_state("box", "healthy")
    rng = random.Random(2)
    writer = read("nothing")

    def learned() -> bool:
        rows = [{"temp": rng.gauss(20.0, 1.0)} for _ in range(500)]
        writer.publish("plant/rows", json.dumps(rows).encode())
        return bool(daemon.events("drift.reference"))

    daemon.wait(learned, 30.0, "it learns from what comes")
    told = daemon.events("drift.reference")[0]["data"]
    assert told["features"] == 1 and told["rows"] >= 2000
