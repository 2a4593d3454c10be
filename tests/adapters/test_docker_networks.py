"""Cutting real containers off from real networks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from edged.adapters.docker_engine import DockerEngine
from edged.adapters.docker_networks import to_networks
from edged.ports import NotFound, PortError
from edged.vocabulary.isolation import Endpoint
from tests.fixtures.bridge import bridges, connected
from tests.fixtures.engine import Engine

PLANT = Endpoint(network="plant", aliases=("detector", "model"), ipv4="172.31.240.9")


@pytest.fixture
def adapter(engine: Engine) -> Iterator[DockerEngine]:
    with closing(DockerEngine(engine.url, timeout=5.0)) as adapter:
        yield adapter


@pytest.mark.engine
@pytest.mark.parametrize("running", [True, False])
def test_a_container_is_cut_off_and_gets_back_what_it_had(engine: Engine, adapter: DockerEngine, running: bool) -> None:
    with bridges(engine, plant="172.31.240.0/28", other="172.31.240.16/28"):
        identity = engine.run("worker", network_mode="plant", start=running)
        adapter.disconnect(identity, "plant", 10.0)
        adapter.connect(identity, PLANT, 10.0)
        adapter.connect(identity, Endpoint(network="other"), 10.0)
        mode, before = adapter.networks(identity, 5.0)
        assert mode == "plant" and sorted(before, key=lambda e: e.network) == [Endpoint(network="other"), PLANT]
        for endpoint in before:
            adapter.disconnect(identity, endpoint.network, 10.0)
        assert adapter.networks(identity, 5.0) == ("plant", ()) and not connected(engine, "worker")
        assert (engine.inspect("worker")["State"]["Status"] == "running") == running
        for endpoint in before:
            adapter.connect(identity, endpoint, 10.0)
        assert {e.network: e for e in adapter.networks(identity, 5.0)[1]} == {e.network: e for e in before}
        plant = connected(engine, "worker")["plant"]
        assert plant["IPAMConfig"]["IPv4Address"] == PLANT.ipv4 and {"detector", "model"} <= {*plant["Aliases"]}


@pytest.mark.engine
def test_to_cut_twice_is_no_error_and_what_is_not_there_is_one(engine: Engine, adapter: DockerEngine) -> None:
    with bridges(engine, plant="172.31.240.0/28"):
        identity = engine.run("worker", network_mode="plant")
        for _ in range(2):
            adapter.disconnect(identity, "plant", 10.0)
        adapter.disconnect(identity, "gone", 10.0)
        with pytest.raises(PortError, match="gone"):
            adapter.connect(identity, Endpoint(network="gone"), 10.0)
        with pytest.raises(NotFound):
            adapter.disconnect("nobody", "plant", 10.0)


@pytest.mark.engine
def test_modes_without_a_network_of_ones_own(engine: Engine, adapter: DockerEngine) -> None:
    host, none = engine.run("worker"), engine.run("hermit", network_mode="none")
    shared = engine.run("guest", network_mode=f"container:{none}")
    assert adapter.networks(host, 5.0)[0] == "host" and adapter.networks(none, 5.0) == ("none", ())
    assert adapter.networks(shared, 5.0) == (f"container:{none}", ())


def test_odd_answers_are_left_out() -> None:
    odds: tuple[object, ...] = (None, [], {"HostConfig": 1, "NetworkSettings": {"Networks": []}})
    for odd in odds:
        assert to_networks(odd) == ("", ())
    told = {
        "Id": "0123456789abcdef",
        "HostConfig": {"NetworkMode": "plant"},
        "NetworkSettings": {
            "Networks": {
                "none": {},
                "odd": None,
                "plant": {
                    "Aliases": ["a", "0123456789ab", 7],
                    "IPAMConfig": {"IPv4Address": "10.0.0.2", "IPv6Address": "fd00::2"},
                    "Links": ["db:db"],
                    "DriverOpts": {"k": "v"},
                    "IPAddress": "10.0.0.2",
                },
            }
        },
    }
    plant = Endpoint(
        network="plant", aliases=("a",), ipv4="10.0.0.2", ipv6="fd00::2", links=("db:db",), options={"k": "v"}
    )
    assert to_networks(told) == ("plant", (Endpoint(network="odd"), plant))
