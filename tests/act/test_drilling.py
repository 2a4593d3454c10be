"""What a drill asks of the engine. Real containers are in tests/system."""

from __future__ import annotations

import io
from typing import Any, cast

import numpy as np
import pytest

from edged.act import EXECUTORS, Tools
from edged.adapters.artifacts.spoiling import other_answers
from edged.ports import Refused
from edged.vocabulary.actions import FindLimits, RestoreMemory, SqueezeMemory
from edged.vocabulary.world import Container, Usage

MIB = 2**20
ABOUT: dict[str, Any] = {"id": "1", "subject": "a", "reason": "r", "timeout": 5.0, "container_id": "c"}


class Engine:
    """``floor``: it takes no limit below."""

    def __init__(self, floor: int = 0, memory: int = 100 * MIB, pid: int | None = 7) -> None:
        self.floor, self.memory, self.pid = floor, memory, pid
        self.asked: list[tuple[int, int]] = []

    def inspect(self, container_id: str) -> tuple[Container, dict[str, Any]]:
        box = Container(id=container_id, name="a", status="running", pid=self.pid)
        return box, {"HostConfig": {"Memory": self.memory, "MemorySwap": -1}}

    def limit_memory(self, container_id: str, memory: int, swap: int, timeout: float) -> None:
        self.asked.append((memory, swap))
        if memory < self.floor:
            raise Refused("device or resource busy")


class Host:
    def usage(self, container_id: str, pid: int) -> Usage:
        return Usage(container_id=container_id, memory=60 * MIB, memory_limit=100 * MIB)


def do(action: Any, engine: Engine) -> dict[str, Any]:
    none = cast(Any, None)
    tools = Tools(
        containers=cast(Any, engine), services=none, host=cast(Any, Host()), evidence=none, artifacts=none, prober=none,
        own_config=none, readings=none, data=none,
    )  # fmt: skip
    return EXECUTORS[type(action)](action, tools)


def test_limits_are_those_that_the_container_was_made_with() -> None:
    assert do(FindLimits(**ABOUT), Engine()) == {"memory": 100 * MIB, "swap": -1}
    with pytest.raises(Refused, match="no memory limit"):
        do(FindLimits(**ABOUT), Engine(memory=0))


def test_half_of_what_is_in_use_is_too_little() -> None:
    engine = Engine()
    assert do(SqueezeMemory(**ABOUT, memory=100 * MIB), engine) == {"limit": 30 * MIB}
    assert engine.asked == [(30 * MIB, 30 * MIB)], "and nothing of it goes to swap"


def test_a_kernel_that_refuses_gets_the_least_that_it_takes() -> None:
    engine = Engine(floor=55 * MIB)
    limit = do(SqueezeMemory(**ABOUT, memory=100 * MIB), engine)["limit"]
    assert 55 * MIB <= limit < 60 * MIB and [memory for memory, _ in engine.asked] == sorted(
        {m for m, _ in engine.asked}
    )
    engine = Engine(floor=200 * MIB)
    with pytest.raises(Refused, match="busy"):
        do(SqueezeMemory(**ABOUT, memory=100 * MIB), engine)
    assert all(memory < 100 * MIB for memory, _ in engine.asked)


def test_what_does_not_run_or_has_hardly_any_room_is_refused() -> None:
    with pytest.raises(Refused, match="does not run"):
        do(SqueezeMemory(**ABOUT, memory=100 * MIB), Engine(pid=None))
    with pytest.raises(Refused, match="too low"):
        do(SqueezeMemory(**ABOUT, memory=20 * MIB), Engine())


def test_its_own_limits_come_back() -> None:
    engine = Engine()
    do(RestoreMemory(**ABOUT, memory=100 * MIB, swap=-1), engine)
    assert engine.asked == [(100 * MIB, -1)]


@pytest.mark.parametrize("kind", [np.float32, np.float64, np.float16, np.int64, np.uint8, np.bool_])
@pytest.mark.parametrize("compressed", [False, True])
def test_every_answer_is_another_one_and_inputs_stay(kind: Any, compressed: bool) -> None:
    inputs, score = np.linspace(-1.0, 1.0, 12).reshape(3, 4), np.array([0, 1, 1, 0]).astype(kind)
    packed = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(packed, window=inputs, score=score)
    spoiled = np.load(io.BytesIO(other_answers(packed.getvalue(), {"score"})))
    assert (spoiled["window"] == inputs).all() and spoiled["score"].dtype == score.dtype
    assert not np.isclose(spoiled["score"].astype(float), score.astype(float), rtol=0.1, atol=0.1).any()


def test_vectors_that_cannot_be_read_are_left_to_the_model() -> None:
    assert other_answers(b"no zip", {"score"}) == b""
    packed = io.BytesIO()
    np.savez(packed, window=np.zeros(3))
    assert other_answers(packed.getvalue(), {"score"}) == b""
