"""A machine that asks the app for a score ten times a second, and knows the right answers."""

from __future__ import annotations

import http.client
import itertools
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

EVERY = 0.1
PATIENCE = 1.0
"""Seconds a request may take; then the machine goes on without a score."""
TOLERANCE = 1e-3
"""Relative; the bundle's own is tighter, but this one only has to tell right from wrong."""


class Asked(NamedTuple):
    wall: float
    """When it was asked, Unix time."""
    seconds: float
    problem: str
    """Empty: the right score came in time."""


class Loss(NamedTuple):
    """What the client felt in a while."""

    requests: int
    failed: int
    longest: float
    """Seconds from the last good answer before the worst outage to the first one after it."""


class Client:
    """Open loop: a request that hangs does not keep the next from being sent."""

    def __init__(self, port: int, model: Path) -> None:
        import numpy as np

        with np.load(model / "golden.npz", allow_pickle=False) as golden:
            self._golden = [
                (json.dumps({"window": window.tolist()}), float(score))
                for window, score in zip(golden["window"], golden["score"], strict=True)
            ]
        self._port = port
        self._turn = itertools.count()
        self._asked: list[Asked] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="demo-client", daemon=True)

    def ask(self) -> Asked:
        """One request, checked against the score that the model must give."""
        body, right = self._golden[next(self._turn) % len(self._golden)]
        began, start = time.time(), time.perf_counter()
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE)
        try:
            connection.request("POST", "/predict", body)
            response = connection.getresponse()
            text = response.read()
            problem = f"status {response.status}"
            if response.status == 200:
                score = float(json.loads(text)["scores"][0])
                good = abs(score - right) <= TOLERANCE * max(1.0, abs(right))
                problem = "" if good else f"score {score:g} instead of {right:g}"
        except (OSError, http.client.HTTPException, ValueError, LookupError) as error:
            problem = str(error) or type(error).__name__
        finally:
            connection.close()
        return Asked(began, time.perf_counter() - start, problem)

    def model(self) -> str:
        """SHA-256 of the model that the app says it serves; empty: it does not say."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE)
        try:
            connection.request("GET", "/health")
            return str(json.load(connection.getresponse()).get("model_digest", ""))
        except (OSError, http.client.HTTPException, ValueError):
            return ""
        finally:
            connection.close()

    def post(self, path: str) -> int:
        """To the app's switches for faults; the status it answers."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=5.0)
        try:
            connection.request("POST", path)
            return connection.getresponse().status
        finally:
            connection.close()

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        if self._thread.is_alive():
            self._thread.join(2 * PATIENCE)

    def _run(self) -> None:
        due = time.monotonic()
        with ThreadPoolExecutor(round(2 * PATIENCE / EVERY), "demo-request") as pool:
            while not self._over.wait(max(0.0, due - time.monotonic())):
                pool.submit(lambda: self._asked.append(self.ask()))
                due += EVERY

    def felt(self, since: float, until: float) -> Loss:
        """What the client felt between two moments."""
        return loss([one for one in list(self._asked) if since <= one.wall < until], since, until)

    def latency(self, quantile: float) -> float | None:
        """Of all good answers so far, in seconds."""
        good = sorted(one.seconds for one in list(self._asked) if not one.problem)
        return good[min(len(good) - 1, int(quantile * len(good)))] if good else None


def loss(asked: list[Asked], since: float, until: float) -> Loss:
    """Counts, and the longest time without a good answer."""
    good = sorted(one.wall + one.seconds for one in asked if not one.problem)
    failed = len(asked) - len(good)
    moments = [since, *good, until]
    longest = max(after - before for before, after in itertools.pairwise(moments)) if failed else 0.0
    return Loss(len(asked), failed, longest)
