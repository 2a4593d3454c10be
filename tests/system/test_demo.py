"""The newcomer's demo, from its first line to its verdict."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fixtures.engine import Engine

pytestmark = [pytest.mark.engine, pytest.mark.broker]
COMMAND = [sys.executable, "-m", "edged", "demo", "--json"]
FLEET = """
import sys
from edged.demo import fleet
from edged.demo.timeline import Timeline
fleet.tell(Timeline(sys.stderr), keep=False)
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """Short, since the demo's socket goes below it."""
    with tempfile.TemporaryDirectory(prefix="demo-", dir="/tmp") as made:
        yield Path(made)


@pytest.fixture
def environment(engine: Engine, folder: Path, new_broker: object) -> dict[str, str]:
    """``new_broker`` is there for its skip where mosquitto is missing; the demo starts its own."""
    return os.environ | {"DOCKER_HOST": engine.url, "TMPDIR": str(folder)}


def left_behind(engine: Engine, folder: Path) -> list[Any]:
    images = [i["RepoTags"] for i in engine.client.images() if "edged-demo" in str(i["RepoTags"])]
    return [*engine.client.containers(all=True), *images, *folder.glob("edged-demo-*")]


@pytest.mark.timeout(300)
def test_the_demo_verifies_every_recovery(engine: Engine, environment: dict[str, str], folder: Path) -> None:
    began = time.monotonic()
    done = subprocess.run(COMMAND, env=environment, capture_output=True, text=True, timeout=240)
    story = f"{done.stderr}\n{done.stdout}"
    assert done.returncode == 0, story
    assert time.monotonic() - began <= 200.0, story
    shown = json.loads(done.stdout)
    assert shown["ok"], story
    assert [scene["name"] for scene in shown["scenes"]] == [
        "kill", "hang", "leak", "stop", "bad config", "good update", "wrong model", "slow model", "crashing model",
        "incidents", "report",
        "fleet ls", "fleet send", "forged command", "replayed command", "fleet rollout", "bad rollout",
    ]  # fmt: skip
    assert all(scene["verified"] for scene in shown["scenes"]), story
    assert (shown["events"]["first"], shown["events"]["missing"]) == (1, [])
    assert re.search(r"\n  INC-[-0-9]+/detector-[-0-9]+\.json\.gz  +[0-9]+ bytes\n", story), story  # evidence is shown
    assert re.search(r"detected +detector +AppDown \(critical\): .*\n.* action ", story, re.S), story
    assert "\n  ATTENTION: " in story, story
    assert left_behind(engine, folder) == []


@pytest.mark.timeout(60)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_leaves_nothing_behind(
    engine: Engine, environment: dict[str, str], folder: Path, number: signal.Signals
) -> None:
    code, rest, story = interrupted(COMMAND, environment, "hang:", number)
    assert (code, rest) == (130, ""), story
    assert left_behind(engine, folder) == []
    assert not still_there(folder)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("moment", ["And a fleet", "wave 1 of 2: rolling"])
def test_a_fleet_that_is_interrupted_leaves_nothing_behind(
    engine: Engine, environment: dict[str, str], folder: Path, moment: str
) -> None:
    """While it is put up, and in the middle of a rollout."""
    code, rest, story = interrupted([sys.executable, "-c", FLEET], environment, moment, signal.SIGINT)
    assert (code, rest) == (-signal.SIGINT, ""), story
    assert "KeyboardInterrupt" in story and "StageError" not in story
    assert left_behind(engine, folder) == []
    assert not still_there(folder)


def interrupted(
    command: list[str], environment: dict[str, str], moment: str, number: signal.Signals
) -> tuple[int, str, str]:
    """Gets the signal when a line of its story has ``moment``: exit code, what it printed, the rest of the story."""

    def listen() -> None:
        """Shells start what they put in the background with SIGINT ignored, and that is inherited."""
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=listen
    ) as demo:
        assert demo.stderr is not None
        for line in demo.stderr:
            if moment in line:
                break
        demo.send_signal(number)
        rest, story = demo.communicate(timeout=60)
    return demo.returncode, rest, story


def still_there(folder: Path) -> list[Path]:
    """Processes that were started with something in this folder."""
    return [p for p in Path("/proc").glob("[0-9]*/cmdline") if str(folder).encode() in _read(p)]


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
