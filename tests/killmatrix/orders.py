"""An order from the broker, with edged killed at each step of its life: carried out at most once, answered once."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from tests.bench.measure import Figure, until
from tests.fixtures.broker import Mosquitto, Reader
from tests.fixtures.console import Console, trust_file
from tests.fixtures.edged import Edged
from tests.fixtures.engine import REPO, Engine
from tests.fixtures.orders import Sender

OPS = Sender()
LEAST_POINTS = 12
FINAL = ("succeeded", "failed", "rejected", "expired")
MARK = ("sh", "-c", "trap 'exit 0' TERM; date >> /mark/starts; sleep 100000 & wait")


class Killed(Edged):
    """Ends itself at the point that is written down."""

    def launch(self, **env: str) -> None:
        import os

        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.killmatrix.order_entry", "run", "-c", str(self.file)],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=REPO,
                env=os.environ | env | {"KILL_FOLDER": str(self.folder / "kill")},
            )  # fmt: skip


class Site:
    def __init__(self, engine: Engine, folder: Path) -> None:
        self.kill, self.mark = folder / "kill", folder / "mark"
        self.kill.mkdir()
        self.mark.mkdir()
        engine.run("worker", *MARK, mounts=[f"{self.mark}:/mark"])
        self.broker = Mosquitto(folder / "broker")
        self.broker.start()
        restart = {"budget": 100000, "per": "1m", "backoff": "100ms", "stop_timeout": "1s"}
        self.edged = Killed(folder, engine.url)
        self.edged.configure(
            {
                "apps": {"worker": {"restart": restart}},
                "mqtt": {"url": self.broker.url},
                "commands": {"trust": trust_file(folder, OPS.key), "per_minute": 100_000},
            }
        )
        self.console = Console(self.broker)
        self.edged.start()
        self.edged.wait_state("worker", "healthy")

    def starts(self) -> int:
        file = self.mark / "starts"
        return len(file.read_text().splitlines()) if file.exists() else 0

    def points(self) -> Counter[str]:
        (self.kill / "record").touch()
        self.console.final(self.console.send(OPS, "restart", args={"app": "worker"}), 30.0)
        time.sleep(1.0)  # the last acknowledgements
        (self.kill / "record").unlink()
        return Counter((self.kill / "points").read_text().split())

    def strike(self, point: str, times: int) -> str:
        """What is wrong with how the order ended; empty: nothing."""
        assert self.edged.process is not None
        self.edged.wait_state("worker", "healthy")
        until(lambda: self.edged.status()["broker"]["connected"], 20.0, "connected")
        before = self.starts()
        (self.kill / "killed").unlink(missing_ok=True)
        (self.kill / "kill.new").write_text(f"{point}\n{times}\n9")
        (self.kill / "kill.new").rename(self.kill / "kill")
        identity = self.console.send(OPS, "restart", args={"app": "worker"})
        try:
            self.edged.process.wait(20.0)
        except subprocess.TimeoutExpired:
            (self.kill / "kill").unlink(missing_ok=True)
            self.console.final(identity, 30.0)
            return f"{point} was not passed {times} times"
        self.edged.start()
        final = self.console.final(identity, 30.0)
        self.edged.wait_state("worker", "healthy")
        # Whatever would come twice has come by then: an order behind it has its result.
        probe = {"app": "worker", "on": True, "seconds": 0.5, "why": "probe"}
        self.console.final(self.console.send(OPS, "maintenance.set", args=probe), 30.0)
        finals = [a for a in self.console.answers(identity) if a["status"] in FINAL]
        again = self.starts() - before
        if len(finals) != 1:
            return f"{len(finals)} results: {finals}"
        if again > 1:
            return f"restarted {again} times"
        if final["status"] == "succeeded" and again != 1:
            return "it is said to have succeeded, and was not carried out"
        return gaps(self.console)

    def end(self) -> None:
        self.console.close()
        self.edged.end()
        self.broker.kill()


def gaps(reader: Reader) -> str:
    """Numbers that never came, of all events and answers."""
    numbers = {
        json.loads(payload)["sequence"]
        for name, payload, _ in list(reader.messages)
        if name.endswith("/event") or "/res/" in name
    }
    missing = sorted(set(range(min(numbers), max(numbers) + 1)) - numbers)
    return f"sequence numbers {missing[:5]} never came" if missing else ""


def run(engine: Engine, folder: Path, count: int, seed: int) -> list[Figure]:
    """``count`` kills, all points by turns; 0: each point three times."""
    chance = random.Random(seed)
    folder.mkdir(parents=True, exist_ok=True)
    site = Site(engine, folder)
    results: list[tuple[str, str]] = []
    try:
        passed = site.points()
        every = sorted(passed)
        for _ in range(count or 3 * len(every)):
            if not every:
                every = sorted(passed)
            point = every.pop(chance.randrange(len(every)))
            try:
                wrong = site.strike(point, chance.randint(1, passed[point]))
            except (AssertionError, OSError, TimeoutError) as trouble:
                wrong = f"{type(trouble).__name__}: {trouble}"[:2000]
            results.append((point, wrong))
            if wrong:
                print(f"order, {point}: {wrong}", file=sys.stderr, flush=True)
            if not every:
                every = sorted(passed)
    finally:
        site.end()
    return _figures(passed, results)


def _figures(passed: Counter[str], results: list[Any]) -> list[Figure]:
    points = {point.rpartition(":")[0] for point in passed}
    well = sum(not wrong for _, wrong in results)
    return [
        Figure("order: points", len(points), LEAST_POINTS, "", 1, at_least=True),
        Figure("order: once at most, one result, no gap", 100.0 * well / max(1, len(results)), 100.0, "%",
               len(results), at_least=True),
    ]  # fmt: skip
