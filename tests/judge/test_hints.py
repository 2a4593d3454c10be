"""What an alert about slow inferences says of the same moment."""

from __future__ import annotations

from msgspec.structs import replace

from edged.vocabulary import facts
from edged.vocabulary.deployments import Artifact, Placed
from edged.vocabulary.world import Usage

from .test_inference import LATENCY, Served


def advice(w: Served) -> str:
    return w.serve(5, seconds=0.4).raised().advice


def test_without_anything_unusual_that_is_said() -> None:
    w = Served(latency=LATENCY)
    w.run(400.0)
    assert advice(w.serve(10)).startswith("nothing else stands out")


def test_a_recent_deployment_is_named() -> None:
    w = Served(latency=LATENCY).serve(5)
    state = w.app("a")
    kept = replace(state.kept, deployed_at=w.now - 600.0, placed={"model": Placed(current=Artifact(version="2.1"))})
    w.state = replace(w.state, apps={"a": replace(state, kept=kept)})
    assert "a deployment 2.1 came to its end" in advice(w)


def test_the_hosts_pressure_and_the_rate_of_requests_are_named() -> None:
    w = Served(latency=LATENCY).serve(10)
    w.host(cpu_busy=0.97, pressure={"cpu.some": 0.6, "memory.some": 0.0})
    w.serve(5, seconds=0.4, number=300.0)
    text = w.raised().advice
    assert "requests come" in text and "the host's CPU is 97% busy" in text and "waits for CPU in 60%" in text


def test_memory_near_its_limit_is_named() -> None:
    w = Served(latency=LATENCY).serve(5)
    w.boxes["a"].memory = 85 * 2**20
    w.boxes["a"].memory_limit = 100 * 2**20
    w.resources()
    assert "its memory is at 85% of its limit" in advice(w)


def test_a_cpu_quota_that_holds_it_back_is_named() -> None:
    w = Served(latency=LATENCY).serve(5)
    for number, held in ((100, 10), (200, 90)):
        usage = Usage(container_id=w.boxes["a"].id, memory=1, cpu_seconds=w.now, periods=number, throttled_periods=held)
        w.feed(facts.ResourcesSampled(at=w.now, usages=(usage,)))
        w.run(5.0)
    assert "its CPU quota holds it back in 80% of all scheduler periods" in advice(w)
