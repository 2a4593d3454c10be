"""Deployments: what is to be put in place of what, and how far that has come."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

Kind = Literal["model", "config"]

Phase = Literal[
    "received",
    "fetching",
    "verifying",
    "validating",
    "backing_up",
    "swapping",
    "reloading",
    "gating",
    "committed",
    "rolling_back",
    "reverting",
    "rolled_back",
    "refused",
    "cancelled",
    "failed",
]
"""``reverting``: the old one is in place again and the app is made to use it. ``failed``: that did not work."""

ENDS: frozenset[Phase] = frozenset({"committed", "rolled_back", "refused", "cancelled", "failed"})
TOUCHING: frozenset[Phase] = frozenset({"swapping", "reloading", "gating", "rolling_back", "reverting"})
"""The app may have something else than what was there before: recovery keeps out, and a cancel comes too late."""


SIDE = "/artifacts"
"""Behind an app's name: the subject of what is done to its artifacts and not to its container. A fetch may take hours,
and a crashed app does not wait for that."""
DATA_SIDE = "/data"
"""The same for what is done to its data: a backup may take minutes, and no deployment waits for that either."""
SIDES = (SIDE, DATA_SIDE)


def owner(subject: str) -> str:
    """The app that an action on one of its sides belongs to; any other subject as it is."""
    return subject.removesuffix(SIDE).removesuffix(DATA_SIDE)


class Artifact(Struct, frozen=True):
    """A whole, verified model or configuration. No digest: what was there before edged's first deployment."""

    digest: str = ""
    """``sha256:`` and the hex digest of its manifest."""
    name: str = ""
    version: str = ""
    sequence: int = 0


class Placed(Struct, frozen=True):
    """What an app has, of one kind."""

    current: Artifact = Artifact()
    previous: Artifact | None = None
    """What ``edged rollback`` goes back to; ``None``: nothing to go back to."""
    highest: int = 0
    """The highest sequence that was ever committed."""
    quarantined: tuple[str, ...] = ()
    """Digests that failed here, the newest last."""
    container: str = ""
    """Id of the container that ``current`` was put in. A copy is lost with it."""
    tries: int = 0
    """Failures in a row to put it in again, in a container that was made anew."""
    again_at: float = 0.0
    """No further try before."""
    since: float = 0.0
    """When ``current`` came by a deployment; 0: nobody knows; -1: it was gone back to."""


class Traffic(Struct, frozen=True):
    """An app's own counters, as scraped at one instant. They only grow, until the app starts anew."""

    at: float
    requests: float
    failed: float = 0.0
    buckets: tuple[tuple[float, float], ...] = ()
    """Latency histogram: (upper bound in seconds, cumulative count), the last bound is infinite."""


class Signals(Struct, frozen=True):
    """What an app did over a while."""

    seconds: float = 0.0
    requests: float = 0.0
    failed: float = 0.0
    buckets: tuple[tuple[float, float], ...] = ()


class GateCheck(Struct, frozen=True):
    """One thing that the health gate looked at, or one that is only told (``disagreement``, ``recorded``)."""

    name: str
    """``health``, ``restarts``, ``errors``, ``latency``, ``traffic`` or ``smoke``."""
    ok: bool
    why: str = ""
    baseline: float | None = None
    observed: float | None = None
    limit: float | None = None
    samples: int = 0


class Request(Struct, frozen=True, kw_only=True):
    """What was asked for."""

    id: str
    """Of the command."""
    kind: Kind
    source: str
    """Folder, tar, ``file:`` or ``http(s):`` URL of a bundle; empty: back to ``digest``."""
    digest: str = ""
    origin: str = ""
    drill: bool = False
    """It must be refused: it is never put in place."""


class Deployment(Struct, frozen=True, kw_only=True):
    """One deployment of one app."""

    request: Request
    phase: Phase = "received"
    began: float = 0.0
    since: float = 0.0
    """When the phase began."""
    deadline: float = 0.0
    """When the phase has taken too long."""
    attempt: int = 0
    """Of the phase's action."""
    action_id: str = ""
    """Under way; empty: none."""
    next_at: float = 0.0
    """No further attempt before."""
    new: Artifact = Artifact()
    old: Artifact = Artifact()
    code: str = ""
    """Reason code of a refusal or failure."""
    reason: str = ""
    baseline: Signals | None = None
    restarts: int = 0
    """The app's deaths and restarts seen when the gate began."""
    first: Traffic | None = None
    """The first scrape of the app with the new artifact."""
    checks: tuple[GateCheck, ...] = ()
    compared: tuple[GateCheck, ...] = ()
    """How far the new model and the one in place were apart over recorded inputs. Only told."""
    smoke: bool = False
    """The bundle brings inputs to try the app itself with."""
    smoked: GateCheck | None = None
    """How the app answered them; ``None``: not asked yet."""
    failed_at: float = 0.0
    """When the gate was seen to fail."""
    container: str = ""
    """Id of the container that the last action was about."""
    path: str = ""
    """Where the app has it and how it gets there, as configured when this began: it ends as it began."""
    delivery: str = ""
    again: bool = False
    """What is in place by edged's records is put in again: the container was made anew."""
