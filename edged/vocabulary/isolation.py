"""An app that is cut off from its networks while it keeps running."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct


class Endpoint(Struct, frozen=True, kw_only=True):
    """How a container is connected to one network, as far as somebody asked for it: enough to connect it again."""

    network: str
    """Its name: one that is made anew keeps it."""
    aliases: tuple[str, ...] = ()
    ipv4: str = ""
    """A fixed address; empty: the engine gives one."""
    ipv6: str = ""
    links: tuple[str, ...] = ()
    options: dict[str, str] = {}
    """For the network's driver."""


class Isolation(Struct, frozen=True):
    """Wanted until a person takes it back, over restarts of everything."""

    by: str
    since: float
    phase: Literal["capturing", "looking", "cutting", "cut", "joining"] = "capturing"
    action_id: str = ""
    """The step under way; empty: it is still to begin, or rests."""
    deadline: float = 0.0
    """When that step counts as lost."""
    container_id: str = ""
    """Whose networks these are."""
    networks: tuple[Endpoint, ...] = ()
    """What it was connected to: to be connected again."""
    told: bool = False
    """It was seen to be connected to none."""
    checked_at: float = 0.0
    retry_at: float = 0.0
    problem: str = ""
    """Why the last step failed."""
    command: str = ""
    """Id of the command that waits for the outcome."""
    origin: str = ""
    """Who gave that."""
