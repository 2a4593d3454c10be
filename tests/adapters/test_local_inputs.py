"""References that edged learned, on disk: whole or finished, the last few of them, and what is half learned."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edged.adapters.inputs import opening
from edged.adapters.inputs.opening import LocalInputs
from edged.adapters.probes import SocketProber
from edged.config import Config
from edged.ports import NotFound, PortError, StorageError


@pytest.fixture
def inputs(tmp_path: Path) -> LocalInputs:
    return LocalInputs(tmp_path, SocketProber(), Config)


def test_references_are_kept_but_for_the_oldest(inputs: LocalInputs, tmp_path: Path) -> None:
    assert inputs.learned("box", "none-0") == b""
    for number in range(opening.KEPT + 2):
        inputs.keep("box", f"model-{number}", b"%d" % number)
        os.utime(tmp_path / "references" / "box" / f"model-{number}.json", (number, number))
    inputs.keep("box", "last-0", b"last")
    kept = sorted(path.name for path in (tmp_path / "references" / "box").iterdir())
    assert len(kept) == opening.KEPT and "last-0.json" in kept and "model-0.json" not in kept
    assert inputs.learned("box", "model-9") == b"9" and inputs.learned("other", "model-9") == b""


def test_what_is_half_learned_is_replaced_and_goes(inputs: LocalInputs, tmp_path: Path) -> None:
    assert inputs.unfinished("box") == b""
    inputs.keep_unfinished("box", b"")
    inputs.keep_unfinished("box", b"1")
    inputs.keep("box", "none-0", b"reference")
    inputs.keep_unfinished("box", b"22")
    assert inputs.unfinished("box") == b"22" and inputs.unfinished("other") == b""
    inputs.keep_unfinished("box", b"")
    assert inputs.unfinished("box") == b"" and inputs.learned("box", "none-0") == b"reference"
    assert [path.name for path in (tmp_path / "references" / "box").iterdir()] == ["none-0.json"]


def test_no_more_is_read_than_there_is_room_for(inputs: LocalInputs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "MOST_UNFINISHED", 100)
    inputs.keep_unfinished("box", b"x" * 5000)
    assert len(inputs.unfinished("box")) == 101


def test_trouble_has_a_name(inputs: LocalInputs, tmp_path: Path) -> None:
    (tmp_path / "references").write_text("in the way")
    with pytest.raises(StorageError, match="references/box"):
        inputs.keep_unfinished("box", b"1")
    with pytest.raises(StorageError, match="references/box"):
        inputs.keep("box", "none-0", b"1")
    with pytest.raises(PortError, match="cannot be the name of a folder"):
        inputs.unfinished("../box")
    with pytest.raises(NotFound):
        inputs.shipped("box", "sha256:" + "a" * 64)
