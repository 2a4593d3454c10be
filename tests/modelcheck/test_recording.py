"""What an app has recorded, line by line, as rows for both models."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec import structs
from onnx import save_model

from edged.adapters.model_check import ChildRuntime
from edged.modelcheck import recording
from edged.modelcheck.types import READING_STAGE, Disagreement, ModelCheck, Port

from .bundles import DOUBLE, MIB, bundle, model
from .conftest import Check

X = Port(name="x", dtype="float32", shape=("batch", 3))
GOOD = '{"x": [1, 2.5, -3]}'


def wrote(folder: Path, *lines: str | bytes) -> str:
    file = folder / "recorded.ndjson"
    file.write_bytes(b"".join((line.encode() if isinstance(line, str) else line) + b"\n" for line in lines))
    return str(file)


def test_lines_become_rows(tmp_path: Path) -> None:
    found = recording.load(wrote(tmp_path, GOOD, "", '{"x": [0, 0, 0], "more": "ignored"}'), [X])
    assert found.skipped == 0 and found.arrays["x"].dtype == np.float32
    assert found.arrays["x"].tolist() == [[1, 2.5, -3], [0, 0, 0]]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('{"x": [1, 2', "not valid JSON"),
        ("[" * 100_000, "not valid JSON"),
        (b"\0\0\0", "not valid JSON"),
        (b'{"x": "\xff"}', "not valid JSON"),
        ("[1, 2, 3]", "no JSON object"),
        ("{}", "'x' is missing"),
        ('{"x": [1, 2]}', "'x' is float32 [2], the manifest says float32 [3]"),
        ('{"x": [[1, 2, 3]]}', "'x' is float32 [1, 3]"),
        ('{"x": [1, [2], 3]}', "'x' is no array"),
        ('{"x": [1, null, 3]}', "'x' is not float32"),
        ('{"x": [true, false, true]}', "'x' is not float32"),
        ('{"x": ["1", "2", "3"]}', "'x' is not float32"),
        ('{"x": [1, 2, 1e300]}', "'x' holds values beyond float32"),
        ('{"x": [1, 2, NaN]}', "not valid JSON"),
        ('{"x": ' + "[" * 70 + "1" + "]" * 70 + "}", "'x' is no"),
    ],
)
def test_a_line_that_does_not_fit_is_counted(tmp_path: Path, line: str | bytes, words: str) -> None:
    found = recording.load(wrote(tmp_path, GOOD, line, GOOD), [X])
    assert len(found.arrays["x"]) == 2 and found.skipped == 1
    assert words in found.why


@pytest.mark.parametrize(
    ("dtype", "good", "bad"),
    [
        ("int8", [1, -128], [1, 128]),
        ("uint8", [0, 255], [0, -1]),
        ("int64", [0, 2**63 - 1], [0, 2**63]),
        ("uint64", [0, 2**63 - 1], [0, -1]),
        ("int32", [1, 2], [1, 2.5]),
        ("bool", [True, False], [1, 0]),
        ("string", ["a", "b"], [1, 2]),
        ("float16", [1, 2], [1, 70000]),
    ],
)
def test_each_kind_of_input(tmp_path: Path, dtype: str, good: list[Any], bad: list[Any]) -> None:
    port = Port(name="x", dtype=dtype, shape=("batch", 2))
    file = wrote(tmp_path, json.dumps({"x": good}), json.dumps({"x": bad}))
    found = recording.load(file, [port])
    assert found.arrays["x"].tolist() == [good] and found.skipped == 1


def test_free_dimensions_have_to_be_alike(tmp_path: Path) -> None:
    free = [Port(name=name, dtype="float32", shape=("batch", "n")) for name in ("x", "y")]
    lines = ['{"x": [1, 2], "y": [3, 4]}'] * 3 + ['{"x": [1], "y": [3]}', '{"x": [1, 2], "y": [3]}']
    found = recording.load(wrote(tmp_path, *lines), free)
    assert found.arrays["y"].shape == (3, 2) and found.skipped == 2


def against(request: ModelCheck, current: str, *lines: str) -> ModelCheck:
    folder = Path(request.model).parent
    save_model(model(current), folder / "current.onnx")
    return structs.replace(request, current=str(folder / "current.onnx"), recorded=wrote(folder, *lines))


def compared(check: Check, request: ModelCheck) -> Disagreement:
    verdict = check(request)
    assert verdict.ok and verdict.disagreement is not None, verdict
    return verdict.disagreement


def test_the_child_compares_over_the_lines(check: Check, tmp_path: Path) -> None:
    """y is x + max(x, 0) now, 2x in the new one: apart where x is negative."""
    current = "agraph (float[batch, 3] x) => (float[batch, 3] y) { r = Relu(x) y = Add(x, r) }"
    lines = [GOOD, '{"x": [1, 1, 1]}', '{"x": [4, 4, 4]}', "junk", '{"x": [2, 2, 2]}']
    found = compared(check, against(bundle(tmp_path), current, *lines))
    assert (found.rows, found.skipped) == (4, 1) and "not valid JSON" in found.note
    assert found.outputs[0].beyond == 0.25 and found.outputs[0].max == 3.0


def test_a_recording_of_which_nothing_fits_fails_nothing(check: Check, tmp_path: Path) -> None:
    found = compared(check, against(bundle(tmp_path), DOUBLE, '{"z": 1}', "junk"))
    assert (found.rows, found.skipped) == (0, 2) and found.note == "no recorded input fits: 'x' is missing"


def test_fewer_samples_than_the_model_takes_at_once(check: Check, tmp_path: Path) -> None:
    four = DOUBLE.replace("batch", "4")
    port = structs.replace(X, shape=(4, 3))
    request = bundle(tmp_path, four, inputs=(port,), outputs=(structs.replace(port, name="y"),))
    found = compared(check, against(request, four, GOOD, GOOD))
    assert found.rows == 0 and found.note == "too few recorded inputs: the model takes 4 at once"


def test_a_recording_that_takes_the_child_down_keeps_no_model_out(tmp_path: Path) -> None:
    """Such as one that makes the kernel short of memory while it is read."""
    dies = f'import os; print(\'{{"stage": "{READING_STAGE}"}}\', flush=True); os.kill(os.getpid(), 9)'
    runtime = ChildRuntime((sys.executable, "-c", dies))
    verdict = runtime.check_model(bundle(tmp_path), timeout=30, memory_limit=400 * MIB, cpu_seconds=30)
    assert verdict.ok and verdict.disagreement is not None
    assert "killed from outside" in verdict.disagreement.note and READING_STAGE in verdict.disagreement.note
