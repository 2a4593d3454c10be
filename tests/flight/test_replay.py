"""The same configuration gives the same decisions, whatever part of the recording is left."""

from __future__ import annotations

from pathlib import Path

import pytest

from edged.adapters import flight_recorder
from edged.adapters.flight_files import contents
from edged.flight.replay import Count, replay
from edged.flight.segment import HEAD, ITEMS, MAGIC, PACKED, Damaged, Segment, encode, frame, frames

from .recording import WALL, feed, one_run, recorded, recorder, walk


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_a_device_in_trouble_decides_again_what_it_decided(tmp_path: Path, seed: int) -> None:
    heard = walk(seed=seed)
    count = Count()
    decided = list(replay(recorded(tmp_path, heard), count))
    assert not count.differences and not count.notes
    assert count.facts == len(heard)
    assert count.decisions == sum(len(j.actions) + len(j.events) for *_, j in heard) > 20
    assert decided[0].wall == pytest.approx(WALL, abs=1.0)
    wanted = [j.actions for *_, j in heard if j.actions or j.events]
    assert [one.actions for one in decided] == wanted


def test_segments_follow_each_other_without_a_seam(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flight_recorder, "LONGEST", 20.0)
    heard = one_run(walk())
    files = recorded(tmp_path, heard)
    count = Count()
    list(replay(files, count))
    assert len(files) > 3 and not count.differing and not count.notes and count.facts == len(heard)


def test_a_segment_that_is_damaged_or_cut_off_is_left_out_and_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flight_recorder, "LONGEST", 20.0)
    files = recorded(tmp_path, one_run(walk()))
    second, third = files[1][1], files[2][1]
    files[1] = files[1][0], second[: len(second) // 2]
    files[2] = files[2][0], third[:-20] + bytes([third[-20] ^ 1]) + third[-19:]
    count = Count()
    list(replay(files, count))
    assert not count.differing
    assert len(count.notes) == 2 and files[1][0] in count.notes[0] and "cut off" in count.notes[0]
    assert "damaged" in count.notes[1]


@pytest.mark.parametrize("data", [b"", b"PK\3\4", MAGIC, MAGIC + b"\0" * 40, MAGIC + b"H\0\0\0\1\0\0\0\0x"])
def test_what_is_no_recording_says_so(data: bytes) -> None:
    with pytest.raises(Damaged):
        Segment(data)


def test_every_cut_leaves_what_came_before_it(tmp_path: Path) -> None:
    ((name, data),) = recorded(tmp_path, one_run(walk(steps=3)))
    whole = Count()
    list(replay([(name, data)], whole))
    seen = told = 0
    for length in range(0, len(data), max(1, len(data) // 60)):
        count = Count()
        list(replay([(name, data[:length])], count))
        assert len(count.notes) <= 1 and not count.differing and count.facts <= whole.facts
        seen, told = seen + 1, told + len(count.notes)
    # One that ends between two parts is as whole as the one that is just being written.
    assert seen >= 50 and told >= seen - 5


def test_what_edged_wrote_before_it_packed_better_is_still_read(tmp_path: Path) -> None:
    heard = one_run(walk(steps=5))
    files = []
    for name, data in recorded(tmp_path, heard):
        parts = list(frames(data[len(MAGIC) :]))
        assert {kind for kind, _ in parts} == {HEAD, PACKED}
        old = [frame(HEAD if kind == HEAD else ITEMS, encode(content)) for kind, content in parts]
        files.append((name, MAGIC + b"".join(old)))
    count = Count()
    list(replay(files, count))
    assert count.facts == len(heard) and not count.differing and not count.notes


def test_another_decision_is_shown(tmp_path: Path) -> None:
    heard = one_run(walk())
    index = next(i for i, turn in enumerate(heard) if turn[4].actions)
    now, fact, config, before, judged = heard[index]
    other = judged.__class__(judged.state, (), judged.events)
    files = recorded(tmp_path, [*heard[:index], (now, fact, config, before, other), *heard[index + 1 :]])
    count = Count()
    list(replay(files, count))
    assert count.differing == 1
    assert len(count.differences[0].now) > len(count.differences[0].then)


def test_a_crash_takes_no_more_than_was_not_noted(tmp_path: Path) -> None:
    heard = one_run(walk())
    folder, runtime = tmp_path / "flight", tmp_path / "run"
    runtime.mkdir()
    half = len(heard) // 2
    first = recorder(folder, runtime)
    first.begin()
    feed(first, heard[:half])
    first.take()
    feed(first, heard[half : half + 5])  # never noted: this run ends here

    seen = Count()
    list(replay(contents(folder, runtime), seen))
    assert seen.facts == half and not seen.differing and not seen.notes

    second = recorder(folder, runtime)
    second.begin()
    feed(second, heard[half:])
    second.finish()
    count = Count()
    list(replay(contents(folder, None), count))
    assert count.facts == len(heard) and not count.differing and not count.notes


def test_what_was_written_is_not_taken_twice(tmp_path: Path) -> None:
    """edged ended between writing to the segment and removing the note."""
    folder, runtime = tmp_path / "flight", tmp_path / "run"
    runtime.mkdir()
    heard = one_run(walk(steps=5))
    first = recorder(folder, runtime)
    first.begin()
    feed(first, heard)
    first.take()
    note = (runtime / "flight.newest").read_bytes()
    first.finish()
    (runtime / "flight.newest").write_bytes(note)
    recorder(folder, runtime).begin()
    count = Count()
    list(replay(contents(folder, runtime), count))
    assert count.facts == len(heard) and not count.notes and not (runtime / "flight.newest").exists()
