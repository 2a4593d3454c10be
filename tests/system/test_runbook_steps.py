"""The steps of runbooks that change more than a process: each is taken by a real daemon on a real engine."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.fixtures.bridge import bridges, connected
from tests.fixtures.edged import Edged
from tests.fixtures.engine import IDLE, Engine
from tests.fixtures.models import digest_of, pack, scaled

from .test_deploy import Detector, Make, served

pytestmark = pytest.mark.engine

QUICK = {"backoff": "100ms", "stop_timeout": "1s", "policy_grace": "1s"}
NOWHERE = {"tcp": "127.0.0.1:1", "start_period": "0s", "every": "500ms", "timeout": "500ms", "failures": 2}


def verb(daemon: Edged, *words: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "edged", *words, "--socket", daemon.socket],
        capture_output=True, text=True, timeout=100.0, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def settings(folder: Path, version: int) -> Path:
    """A bundle whose configuration says which one it is."""
    files = folder / f"settings{version}"
    files.mkdir()
    (files / "config.yaml").write_text(f"version: {version}\n")
    return pack(files, version, kind="config")


def ended(daemon: Edged, subject: str) -> list[tuple[str, str]]:
    """Steps and results of the subject's run that is over."""
    told = daemon.wait_event("runbook.ended", 60.0, subject=subject)["data"]
    return [(step["step"], step["result"]) for step in told["steps"]]


def test_model_configuration_and_data_come_back_and_an_app_is_cut_off(
    engine: Engine, edged: Make, tmp_path: Path
) -> None:
    detector = Detector(engine, edged, answers_at=True)
    detector.run_mounted()
    daemon = detector.edged
    data, configs = tmp_path / "data", daemon.state / "configs" / "box"
    for folder in (data, configs):
        folder.mkdir(parents=True)
    (data / "notes").write_text("good")
    engine.run("box", *IDLE, mounts=[f"{configs}:/config:ro"])
    engine.run("store", *IDLE, mounts=[f"{data}:/data"])
    config = {"path": "/config", "delivery": "mount", "reload": "restart", "gate": {"window": "1s"}}
    rules: dict[str, Any] = {
        "box": {"restart": QUICK, "app_config": config},
        "store": {"restart": QUICK, "data": {"path": "/data", "every": "0s"}},
        "guest": {"restart": QUICK, "health": NOWHERE},
    }
    books: dict[str, Any] = {
        "AppDown/detector": [{"do": "wait_healthy", "timeout": "1s"}, "rollback_model", "notify"],
        "AppDown/box": ["restore_config"],
        "AppDown/store": ["capture", "restore_data"],
        "Unhealthy/guest": ["isolate", "stop", {"do": "escalate", "say": "it was let in by mistake"}],
    }
    daemon.configure(daemon.config | {"apps": daemon.config["apps"] | rules, "runbooks": books})
    with bridges(engine, plant="172.31.242.0/28"):
        engine.run("guest", *IDLE, network_mode="plant")
        daemon.start()
        first, second = scaled(tmp_path, 1, 1.0), scaled(tmp_path, 2, 2.0)
        for bundle in (first, second):
            verb(daemon, "deploy", "detector", str(bundle))
        assert served(detector) == 0.5
        for version in (1, 2):
            verb(daemon, "deploy", "box", str(settings(tmp_path, version)), "--config")
        verb(daemon, "data", "store", "backup")
        (data / "notes").write_text("torn")

        for app in ("detector", "box", "store"):
            engine.kill_main(app)
        # What the model before has mended needs no further word.
        assert ended(daemon, "detector") == [("wait_healthy", "failed"), ("rollback_model", "done")]
        assert ended(daemon, "box") == [("restore_config", "done")]
        # The evidence is the first part of the restore, of an app that is down already, too.
        assert ended(daemon, "store") == [("capture", "done"), ("restore_data", "done")]
        kept = [e["data"]["action"] for e in daemon.events("action.ended") if e["subject"] == "store"]
        assert kept.index("CaptureEvidence") < kept.index("RestoreData")
        for app in ("detector", "box", "store"):
            daemon.wait_state(app, "healthy")
        assert served(detector) == 0.25 and detector.placed()["digest"] == digest_of(first)
        assert (configs / "current" / "config.yaml").read_text() == "version: 1\n"
        assert (data / "notes").read_text() == "good"

        told = daemon.wait_event("runbook.escalated", 30.0, subject="guest")["data"]
        assert told["reason"] == "it was let in by mistake"
        stop = daemon.wait_event("runbook.step_ended", subject="guest", step="stop")["data"]
        assert stop["result"] == "refused" and "isolated by edged, runbook Unhealthy/guest" in stop["reason"]
        assert not connected(engine, "guest") and engine.inspect("guest")["State"]["Running"]
        acted = {(e["data"]["action"], e["subject"]) for e in daemon.events("action.started")}
        assert not {(verb, "guest") for verb in ("RestartContainer", "StartContainer", "StopContainer")} & acted
