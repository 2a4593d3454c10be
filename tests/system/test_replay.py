"""What a real daemon saw and decided is decided again from its recording, whatever happened to it meanwhile."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from edged.adapters.storage.history import RollupStore
from edged.ports.history import MINUTE
from tests.fixtures.edged import Edged
from tests.fixtures.engine import Engine
from tests.fixtures.models import bundle

from .test_deploy import Detector

pytestmark = pytest.mark.engine

Make = Callable[..., Edged]
SECRET = "hunter2hunter2"


def again(*arguments: str, runtime: Path | None = None) -> tuple[int, Any]:
    env = os.environ | ({"RUNTIME_DIRECTORY": str(runtime)} if runtime else {})
    done = subprocess.run(
        [sys.executable, "-m", "edged", "replay", *arguments, "--json"],
        capture_output=True, text=True, timeout=60, check=False, env=env,
    )  # fmt: skip
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def changed(edged: Edged, **more: Any) -> None:
    config = copy.deepcopy(edged.config)
    config["apps"]["detector"] |= more
    edged.configure(config)
    count = len(edged.events("config.reloaded"))
    edged.reload()
    edged.wait(lambda: len(edged.events("config.reloaded")) > count, 20.0, "a reload")


def test_kills_reloads_and_deployments_are_decided_again(engine: Engine, edged: Make, tmp_path: Path) -> None:
    detector = Detector(engine, edged)
    daemon, runtime = detector.edged, detector.edged.state
    detector.run_mounted()
    daemon.start(RUNTIME_DIRECTORY=str(runtime))
    code, _, text = detector.deploy(bundle(tmp_path, 1))
    assert code == 0, text
    daemon.wait_state("detector", "healthy")
    engine.kill_main("detector")
    daemon.wait_event("recovery.succeeded", subject="detector")
    changed(daemon, memory={"warn": "50%", "critical": "90%"})
    text = yaml.safe_dump(daemon.config | {"mqtt": {"url": "mqtt://127.0.0.1:9", "password": SECRET}})
    answer = daemon.command("edged.config.deploy", config=text, hold=1.0)
    assert answer["status"] in ("succeeded", "failed"), answer

    # A crash of edged: what was not in a segment yet is in the runtime folder.
    newest, answered = runtime / "flight.newest", time.time()
    daemon.wait(lambda: newest.stat().st_mtime > answered + 0.1, 10.0, "what is newest is written down")
    daemon.kill()
    engine.kill_main("detector")
    daemon.start(RUNTIME_DIRECTORY=str(runtime))
    daemon.wait_state("detector", "healthy", 30.0)
    with detector.load():
        code, _, text = detector.deploy(bundle(tmp_path, 2))
        assert code == 0, text
        code, _, text = detector.deploy("", verb="rollback")
        assert code == 0, text

    # While it runs, too.
    code, seen = again("--since", "1h", "--state", str(daemon.state), runtime=runtime)
    assert code == 0 and seen["same"] and not seen["notes"], seen["differences"] or seen["notes"]
    assert daemon.stop() == 0

    code, seen = again(str(daemon.state / "flight"))
    assert code == 0 and seen["same"] and not seen["notes"], seen["differences"] or seen["notes"]
    told = {event["type"] for one in seen["decided"] for event in one["events"]}
    assert {"AppChanged", "AlertRaised", "RecoverySucceeded", "ConfigReloaded", "DeploymentChanged"} <= told
    done = {action["type"] for one in seen["decided"] for action in one["actions"]}
    assert {"CaptureEvidence", "StartContainer", "RestartContainer", "PlaceArtifact", "CheckConfig"} <= done
    assert [one["fact"] for one in seen["decided"]].count("Started") == 2

    figures = list(RollupStore(daemon.state, None).rollups(0.0, time.time(), subject="detector", step=MINUTE))
    kept = {series.metric for series in figures}
    assert {"memory", "memory.share", "probe", "state.healthy", "deaths", "restarts", "requests"} <= kept
    healthy = next(series for series in figures if series.metric == "state.healthy")
    assert sum(point.total for point in healthy.points) > 3.0

    whole = b"".join(path.read_bytes() for path in (daemon.state / "flight").iterdir())
    assert SECRET.encode() not in whole and SECRET not in json.dumps(seen)
