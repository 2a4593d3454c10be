"""The end of what an app has recorded reaches the check, whatever the app makes of the file."""

from __future__ import annotations

import json
import os
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edged.adapters.artifacts import ArtifactStore
from edged.adapters.artifacts.recording import MOST_BYTES, MOST_LINES, recorded
from edged.vocabulary.actions import Where
from tests.adapters.artifacts import FolderContainers, deploy, no_web, runtime
from tests.bundles.maker import EXAMPLE

MODELS = Where("model", "/models", "mount")
LINE = b'{"x": [1]}'


@pytest.fixture
def staging(tmp_path: Path) -> Path:
    folder = tmp_path / "staging"
    folder.mkdir()
    return folder


def taken(file: Path, staging: Path) -> tuple[list[bytes], str]:
    """The lines, and why there are none."""
    with recorded(str(file), staging) as (copy, why):
        lines = copy.read_bytes().splitlines() if copy is not None else []
        assert copy is None or copy.parent.stat().st_mode & 0o077 == 0
    assert not list(staging.iterdir()), "nothing is left"
    return lines, why


def test_whole_lines_only(tmp_path: Path, staging: Path) -> None:
    file = tmp_path / "r.ndjson"
    file.write_bytes(LINE + b"\n\n" + LINE + b'\n{"x": [')
    assert taken(file, staging) == ([LINE, LINE], "")


def test_the_last_thousand_lines(tmp_path: Path, staging: Path) -> None:
    file = tmp_path / "r.ndjson"
    file.write_bytes(b"".join(b"%d\n" % number for number in range(5000)))
    lines, _ = taken(file, staging)
    assert len(lines) == MOST_LINES and lines[-1] == b"4999"


def test_the_last_mebibyte(tmp_path: Path, staging: Path) -> None:
    file = tmp_path / "r.ndjson"
    line = b"x" * 99_999 + b"\n"
    with file.open("wb") as stream:
        stream.truncate(3 * 2**30)
        stream.seek(0, 2)
        stream.write(line * 20)
    lines, why = taken(file, staging)
    assert len(lines) == MOST_BYTES // len(line) and {len(one) for one in lines} == {len(line) - 1} and not why


def pipe(file: Path) -> None:
    os.mkfifo(file)


def listening(file: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(file))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda file: None, "No such file"),
        (lambda file: file.mkdir(), "no regular file"),
        (pipe, "no regular file"),
        (listening, "cannot be read"),
        (lambda file: file.symlink_to("/etc/passwd"), "is a link"),
        (lambda file: file.write_bytes(b""), "no whole line"),
        (lambda file: file.write_bytes(b'{"x": [1'), "no whole line"),
        (lambda file: file.write_bytes(b"x" * (MOST_BYTES + 9)), "no whole line"),
    ],
)
def test_what_is_no_recording_is_said_and_waited_for_by_nobody(
    tmp_path: Path, staging: Path, make: Callable[[Path], Any], words: str
) -> None:
    file = tmp_path / "r"
    make(file)
    lines, why = taken(file, staging)
    assert not lines and words in why and str(file) in why


def test_a_full_disk_is_said(tmp_path: Path) -> None:
    with recorded("/dev/null", tmp_path / "gone") as (copy, why):
        assert copy is None and "no room" in why


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    (tmp_path / "state").mkdir()
    return ArtifactStore(tmp_path / "state", FolderContainers(tmp_path).port(), runtime(), no_web)


def example(folder: Path, version: str) -> Path:
    """The shipped model under another version: the same answers, another digest."""
    shutil.copytree(EXAMPLE, folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps({**manifest, "version": version, "sequence": 99}))
    return folder


def test_both_models_run_over_what_was_recorded(store: ArtifactStore, tmp_path: Path) -> None:
    current = deploy(store, "app", MODELS, EXAMPLE)
    new = deploy(store, "app", MODELS, example(tmp_path / "b", "99"), "d2")
    windows = np.load(EXAMPLE / "golden.npz")["window"]
    file = tmp_path / "recorded.ndjson"
    lines = [json.dumps({"window": window.tolist()}) for window in windows]
    file.write_text("\n".join([*lines, "junk", '{"window": [']))
    found = store.validate("app", MODELS, new, "", current, str(file), 100)["disagreement"]
    assert (found["rows"], found["skipped"]) == (len(windows), 1)
    assert found["outputs"] and all(output["beyond"] == 0 for output in found["outputs"])
    staging = tmp_path / "state" / "staging" / "model" / "app"
    assert not [entry for entry in staging.iterdir() if "recorded" in entry.name]


def test_without_one_in_place_or_without_a_file_it_is_only_said(store: ArtifactStore, tmp_path: Path) -> None:
    new = deploy(store, "app", MODELS, EXAMPLE)
    file = tmp_path / "recorded.ndjson"
    measured = store.validate("app", MODELS, new, "", new, str(file), 100)
    assert measured["stage"] == "done" and "No such file" in measured["disagreement"]["note"]
    file.write_bytes(LINE + b"\n")
    measured = store.validate("app", MODELS, new, "", "", str(file), 100)
    assert "no model in place" in measured["disagreement"]["note"]
    assert "disagreement" not in store.validate("app", MODELS, new, "", new, "", 100)
