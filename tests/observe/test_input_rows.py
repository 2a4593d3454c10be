"""The check of inputs: what is counted, what is learned and when, and where reading goes on."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from edged.config import Columns, Drift, Source
from edged.inputs import reference as references
from edged.observe import input_rows as module
from edged.observe.input_rows import NOTHING, InputReaders
from edged.observe.jobs import InputsJob
from edged.ports import Chunk, PortError, StorageError
from edged.vocabulary.facts import Fact, ReferenceSeen, RowsCounted
from tests.fixtures.patience import PATIENCE

RULES = Drift(source=Source(file="/rows.ndjson"), window=100, every=10.0)
HTTP = Source(http="http://127.0.0.1:1/")
JOB = InputsJob(
    check="inputs", subject="box", every=10.0, deadline=30.0, rules=RULES, model="", generation=0, resume="", quiet=True
)


def rows(count: int, seed: int = 1) -> list[bytes]:
    rng = random.Random(seed)
    return [json.dumps({"x": rng.gauss(0.0, 1.0), "w": rng.choice("ab")}).encode() for _ in range(count)]


class World:
    """A source, the models' references and the state folder. Also a clock."""

    def __init__(self) -> None:
        self.chunks: list[Chunk | PortError] = []
        self.models: dict[str, bytes] = {}
        self.kept: dict[str, bytes] = {}
        self.opened: list[str] = []
        self.closed = 0
        self.part, self.parts = b"", 0
        self.full = False
        self.at = 100.0

    def now(self) -> float:
        return self.at

    def wall(self) -> float:
        return self.at

    def open(self, app: str, source: Source, *, csv: bool, position: str) -> World:
        self.opened.append(position)
        return self

    def read(self, most: int) -> Chunk:
        chunk = self.chunks.pop(0) if self.chunks else Chunk()
        if isinstance(chunk, PortError):
            raise chunk
        return replace(chunk, more=bool(self.chunks))

    def close(self) -> None:
        self.closed += 1

    def shipped(self, app: str, model: str) -> bytes:
        return self.models.get(model, b"")

    def learned(self, app: str, key: str) -> bytes:
        return self.kept.get(key, b"")

    def keep(self, app: str, key: str, reference: bytes) -> None:
        if self.full:
            raise StorageError("no space left")
        self.kept[key] = reference

    def unfinished(self, app: str) -> bytes:
        return self.part

    def keep_unfinished(self, app: str, data: bytes) -> None:
        if self.full:
            raise StorageError("no space left")
        self.part, self.parts = data, self.parts + 1


@pytest.fixture
def world() -> World:
    return World()


def take(world: World, input_readers: InputReaders, *chunks: Chunk | PortError, **job: Any) -> list[Fact]:
    world.chunks = list(chunks)
    world.at += 10.0
    return list(input_readers.take(replace(JOB, **job)))


def until(condition: Callable[[], bool], within: float = 10.0) -> None:
    deadline = time.monotonic() + PATIENCE * within
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def counted(facts: list[Fact]) -> list[RowsCounted]:
    return [fact for fact in facts if isinstance(fact, RowsCounted)]


def reference_of(facts: list[Fact]) -> ReferenceSeen:
    (found,) = [fact for fact in facts if isinstance(fact, ReferenceSeen)]
    return found


def test_it_learns_and_then_counts(world: World) -> None:
    input_readers = InputReaders(world, world)
    (told,) = counted(take(world, input_readers, Chunk(lines=rows(1500))))
    assert (told.digest, told.batches, told.learned, told.wanted) == ("", (), 1500, 2000)
    facts = take(world, input_readers, Chunk(lines=rows(700)))
    seen = reference_of(facts)
    assert seen.reference.learned and seen.reference.rows == 2000 and list(world.kept) == ["none-0"]
    assert facts[-1] is seen, "behind the rows that it was made of"
    (told,) = counted(take(world, input_readers, Chunk(lines=rows(90))))
    assert told.digest == seen.digest and [batch.rows for batch in told.batches] == [20, 20, 20, 20, 10]
    assert sum(batch.seconds for batch in told.batches) == pytest.approx(10.0)
    assert set(told.batches[0].features) == {"x", "w"}
    take(world, input_readers)
    (told,) = counted(take(world, input_readers, Chunk(lines=rows(40))))
    assert told.waited == sum(batch.seconds for batch in told.batches) == 20.0, "also of the reading that had none"


def test_rows_without_anything_to_learn_are_told(world: World) -> None:
    input_readers = InputReaders(world, world)
    take(world, input_readers, Chunk(lines=[b'{"x": null}'] * 2000))
    (told,) = counted(take(world, input_readers, Chunk(lines=[b'{"x": null}'] * 30)))
    assert told.refused == {NOTHING: 30} and told.learned == 30
    (told,) = counted(take(world, input_readers, Chunk(lines=rows(50))))
    assert told.refused == {}


def test_nothing_is_learned_from_trouble(world: World) -> None:
    input_readers = InputReaders(world, world)
    (told,) = counted(take(world, input_readers, Chunk(lines=rows(3000), position="p"), quiet=False))
    assert (told.rows, told.learned, told.position[-2:]) == (3000, 0, ":p")
    (told,) = counted(take(world, input_readers, Chunk(lines=rows(100))))
    assert told.learned == 100


def test_what_was_learned_outlives_edged(world: World) -> None:
    first = reference_of(take(world, InputReaders(world, world), Chunk(lines=rows(2000))))
    again = reference_of(take(world, InputReaders(world, world)))
    assert again.digest == first.digest and again.reference == first.reference


def test_what_is_half_learned_outlives_edged(world: World) -> None:
    chunks = [Chunk(lines=rows(100, seed)) for seed in range(20)]
    other = World()
    whole = reference_of(take(other, InputReaders(other, other), *chunks))
    readers = InputReaders(world, world)
    for chunk in chunks[:15]:
        (told,) = counted(take(world, readers, chunk))
    assert told.learned == 1500 and world.parts == 7
    (told,) = counted(take(world, InputReaders(world, world)))
    assert (told.learned, told.wanted) == (1400, 2000), "a tenth may be lost"
    seen = reference_of(take(world, InputReaders(world, world), *chunks[14:]))
    assert (seen.reference, seen.digest) == (whole.reference, whole.digest)
    assert world.part == b"" and world.parts <= 10


@pytest.mark.parametrize("other", [{"model": "sha256:c"}, {"generation": 1}, {"rules": replace(RULES, source=HTTP)}])
def test_what_is_half_learned_of_something_else_is_left_aside(world: World, other: dict[str, Any]) -> None:
    take(world, InputReaders(world, world), Chunk(lines=rows(500)))
    (told,) = counted(take(world, InputReaders(world, world), Chunk(lines=rows(10)), **other))
    assert told.learned == 10


@pytest.mark.parametrize("damage", [lambda data: data[:-3], lambda data: data.replace(b"x", b"", 1), lambda _: b"?"])
def test_what_is_half_learned_and_damaged_is_learned_anew(world: World, damage: Callable[[bytes], bytes]) -> None:
    take(world, InputReaders(world, world), Chunk(lines=rows(500)))
    world.part = damage(world.part)
    readers = InputReaders(world, world)
    (told,) = counted(take(world, readers, Chunk(lines=rows(10))))
    assert told.learned == 10
    assert reference_of(take(world, readers, Chunk(lines=rows(2000)))).reference.rows == 2010


def test_a_full_disk_does_not_stop_it(world: World) -> None:
    world.full = True
    input_readers = InputReaders(world, world)
    assert reference_of(take(world, input_readers, Chunk(lines=rows(2000)))).reference.learned
    assert counted(take(world, input_readers, Chunk(lines=rows(20))))[0].batches


def test_the_reference_is_the_models(world: World) -> None:
    input_readers = InputReaders(world, world)
    learned = reference_of(take(world, input_readers, Chunk(lines=rows(2000))))
    made = replace(learned.reference, learned=False, rows=7)
    world.models["sha256:b"] = references.encode(made)
    shipped = reference_of(take(world, input_readers, model="sha256:b"))
    assert (shipped.model, shipped.reference) == ("sha256:b", made) and shipped.digest != learned.digest
    assert reference_of(take(world, input_readers, model="")).digest == learned.digest, "and back"
    (told,) = counted(take(world, input_readers, model="sha256:c"))
    assert (told.digest, told.wanted) == ("", 2000)


def test_learning_anew_leaves_the_models_own_aside(world: World) -> None:
    input_readers = InputReaders(world, world)
    learned = reference_of(take(world, input_readers, Chunk(lines=rows(2000))))
    world.models["sha256:b"] = references.encode(learned.reference)
    (told,) = counted(take(world, input_readers, Chunk(lines=rows(10)), model="sha256:b", generation=1))
    assert (told.digest, told.learned) == ("", 10)
    assert (
        reference_of(take(world, input_readers, Chunk(lines=rows(2000)), model="sha256:b", generation=1)).model
        == "sha256:b"
    )
    assert "b-1" in world.kept


def test_a_reference_that_cannot_be_used_is_said(world: World) -> None:
    world.models["sha256:b"] = b"{}"
    with pytest.raises(PortError, match="reference of box cannot be read"):
        take(world, InputReaders(world, world), model="sha256:b")


def test_columns_that_are_left_out_are_not_absent(world: World) -> None:
    reference_of(take(world, InputReaders(world, world), Chunk(lines=rows(2000))))
    rules = replace(RULES, columns=Columns(exclude=("w",)))
    input_readers = InputReaders(world, world)
    seen = reference_of(take(world, input_readers, rules=rules))
    assert [one.name for one in seen.reference.features] == ["x"]
    (told,) = counted(take(world, input_readers, Chunk(lines=rows(20)), rules=rules))
    assert told.batches[0].unknown == ()


def test_a_position_is_for_its_source_alone(world: World) -> None:
    input_readers = InputReaders(world, world)
    position = counted(take(world, input_readers, Chunk(lines=rows(1), position="p7")))[0].position
    take(world, InputReaders(world, world), resume=position)
    take(
        world,
        InputReaders(world, world),
        resume=position,
        rules=replace(RULES, source=Source(http="http://127.0.0.1:1/")),
    )
    assert world.opened == ["", "p7", ""]
    take(world, input_readers, rules=replace(RULES, format="csv"), resume=position)
    until(lambda: world.closed == 1 and world.opened[-1] == "p7")
    input_readers.keep_only(set())
    until(lambda: world.closed == 2)


def test_what_was_read_before_the_trouble_counts(world: World) -> None:
    input_readers = InputReaders(world, world)
    facts = take(world, input_readers, Chunk(lines=rows(5), position="p"), PortError("gone"))
    assert counted(facts)[0].rows == 5
    with pytest.raises(PortError, match="gone"):
        take(world, input_readers, PortError("gone"))


def test_one_check_reads_so_much_and_no_more(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_ROWS", 250)
    input_readers = InputReaders(world, world)
    facts = take(world, input_readers, *(Chunk(lines=rows(100)) for _ in range(10)))
    assert sum(fact.rows for fact in counted(facts)) == 300 and len(world.chunks) == 7


def test_refused_rows_are_counted_by_reason(world: World) -> None:
    lines = [*rows(5), b"\xff", b"[1]", b"\xff"]
    (told,) = counted(take(world, InputReaders(world, world), Chunk(lines=lines, refused={"longer than 64 KiB": 1})))
    assert told.refused == {"not JSON": 2, "not an object": 1, "longer than 64 KiB": 1} and told.rows == 5
