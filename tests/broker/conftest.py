"""One authority for all tests; a broker for each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fixtures.broker import Mosquitto

from .lab import Authority, FleetBroker, Papers, Peer


class Fleet:
    """Two devices and a console, and a broker that is started by the test's fixture."""

    def __init__(self, folder: Path) -> None:
        self.authority = Authority(folder / "lab")
        self.server = self.authority.server("localhost", "--address", "127.0.0.1")
        self.renewed = self.authority.server("renewed", "--address", "127.0.0.1")
        self.press_7 = self.authority.device("press-7")
        self.press_8 = self.authority.device("press-8")
        self.anna, self.rules = self.authority.console("anna")
        self.strangers = Authority(folder / "strangers")
        self.impostor = self.strangers.device("press-7")._replace(ca=self.server.ca)


@pytest.fixture(scope="session")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Fleet:
    return Fleet(tmp_path_factory.mktemp("fleet"))


@pytest.fixture
def broker(fleet: Fleet, tmp_path: Path, new_broker: Callable[..., Mosquitto]) -> Iterator[FleetBroker]:
    """Running. ``new_broker`` is asked for because it says whether there can be one."""
    made = FleetBroker(tmp_path / "fleet", fleet.server, fleet.rules)
    made.start()
    yield made
    made.kill()


@pytest.fixture
def peer(broker: FleetBroker) -> Iterator[Callable[..., Peer]]:
    """Connects clients to ``broker``: ``peer(papers, "some id")``."""
    made: list[Peer] = []

    def connect(papers: Papers, client_id: str, **options: Any) -> Peer:
        made.append(Peer(broker, papers, client_id, **options))
        return made[-1]

    yield connect
    for one in made:
        one.close()
