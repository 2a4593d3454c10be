"""The whole story of ``edged demo`` with its daemon under edged.service: hardening takes nothing away from it."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edged.demo import fleet, stage, story
from tests.fixtures.engine import Engine
from tests.fixtures.machine import Machine
from tests.fixtures.unit import Unit

pytestmark = [pytest.mark.engine, pytest.mark.broker]


@pytest.fixture
def signals() -> Iterator[None]:
    """The demo takes signals for itself, which ends with the demo only where it is a process of its own."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


class UnderUnit:
    """Stands in for ``edged.demo.processes.Daemon``: the same daemon, started by systemd on a device."""

    def __init__(self, unit: Unit, file: Path) -> None:
        self._unit, self._device = unit, unit.device
        self._write(file.read_text())
        unit.start()

    def _write(self, text: str) -> None:
        text = re.sub(r"(?m)^state_dir: .*\n", "", text)  # the unit has one of its own
        text = re.sub(r'"unix://[^"]*"', '"unix:///var/run/docker.sock"', text)
        # The two have no folder in common: the model goes where the image has its own.
        text = text.replace("path: /models", "path: /models/current").replace("delivery: mount", "delivery: copy")
        self._device.put("/etc/edged/edged.yaml", text, 0o644)

    @property
    def runs(self) -> bool:
        return self._unit.alive()

    def said(self) -> str:
        return self._unit.text()[-2000:]

    def status(self) -> dict[str, Any]:
        return self._unit.try_status() or {}

    def reload(self, text: str) -> None:
        self._write(text)
        self._unit.reload()

    def command(self, *arguments: str) -> tuple[int, str]:
        """By a person of the group edged. A bundle goes where the service may read: it sees no home folder."""
        verb, *rest = arguments
        if verb == "deploy":
            app, bundle = rest
            self._device.sh(f"cp -r {bundle} /srv/")
            arguments = (verb, app, f"/srv/{Path(bundle).name}")
        done = self._device.run(f"edged {' '.join(arguments)}", user="worker")
        return done.returncode, done.stdout.strip()

    def end(self) -> int:
        return self._unit.stop()


@pytest.mark.timeout(400)
@pytest.mark.usefixtures("new_broker", "signals")
def test_the_whole_demo_under_the_unit(
    engine: Engine, device: Machine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    unit = Unit(device)
    monkeypatch.setenv("DOCKER_HOST", engine.url)
    monkeypatch.setattr(stage, "lay_slots", lambda folder, model: None)
    monkeypatch.setattr(stage, "Daemon", lambda file, state, port: UnderUnit(unit, file))
    monkeypatch.setattr(fleet, "tell", lambda timeline, keep: ([], []))  # its daemons are none of the unit
    code = story.tell(keep=False, as_json=True)
    told = capsys.readouterr()
    assert code == 0, f"{told.err}\n{unit.text()}"
    shown = json.loads(told.out)
    assert [scene["name"] for scene in shown["scenes"] if scene["verified"]] == [
        "kill", "hang", "leak", "stop", "bad config", "good update", "wrong model", "slow model", "crashing model",
        "incidents", "report",
    ]  # fmt: skip
    assert (shown["events"]["first"], shown["events"]["missing"]) == (1, [])
    evidence = device.sh("find /var/lib/edged/evidence -type f -exec stat -c '%a %U %G %n' {} +").splitlines()
    assert len(evidence) >= 3  # one before each restart: kill, hang, leak
    assert all(line.startswith("640 edged edged ") for line in evidence)
