"""Lines to columns: whatever a line holds, it is a row or it is counted as none."""

from __future__ import annotations

import json
import math

import pytest

from edged.config import Columns
from edged.inputs.rows import MOST_COLUMNS, MOST_TEXT, table, text_of

ALL = Columns()


def lines(*rows: object) -> list[bytes]:
    return [json.dumps(row).encode() for row in rows]


def test_rows_with_the_same_keys() -> None:
    seen = table(lines({"a": 1, "b": "x"}, {"a": 2.5, "b": None}), b"", ALL)
    assert (seen.rows, dict(seen.columns), seen.refused) == (2, {"a": (1, 2.5), "b": ("x", None)}, {})


def test_keys_that_come_and_go() -> None:
    seen = table(lines({"a": 1}, {"b": 2}, {"b": 3, "a": 4}), b"", ALL)
    assert {name: list(values) for name, values in seen.columns.items()} == {"a": [1, None, 4], "b": [None, 2, 3]}


def test_what_python_writes_and_json_does_not_know() -> None:
    seen = table([b'{"a": NaN, "b": Infinity}', b'{"a": 1, "b": -Infinity}'], b"", ALL)
    assert math.isnan(seen.columns["a"][0]) and list(seen.columns["b"]) == [math.inf, -math.inf]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"\xff\xfe", "not JSON"),
        (b'{"a": 1', "not JSON"),
        (b"[" * 60_000, "not JSON"),
        (b"[1]", "not an object"),
        (b"7", "not an object"),
        (b"null", "not an object"),
    ],
)
def test_a_bad_line_spoils_no_other(line: bytes, reason: str) -> None:
    seen = table([b'{"a": 1}', line, b'{"a": 2}'], b"", ALL)
    assert list(seen.columns["a"]) == [1, 2]
    assert seen.refused == {reason: 1}


def test_one_level_of_objects_is_flattened() -> None:
    seen = table(lines({"s": {"t": 1, "u": {"v": 2}}, "w": [1, 2]}, {"s": {"t": 3}, "w": 4}), b"", ALL)
    assert list(seen.columns["s.t"]) == [1, 3]
    assert list(seen.columns["w"]) == [None, 4]
    assert "s" not in seen.columns and "s.u.v" not in seen.columns
    assert (seen.refused["nested too deeply"], seen.refused["a list in a row"]) == (1, 1)


def test_columns_are_chosen_by_name() -> None:
    seen = table(lines({"id": 1, "t_in": 2, "t_out": 3, "p": 4}), b"", Columns(include=("t_*", "id*"), exclude=("id",)))
    assert list(seen.columns) == ["t_in", "t_out"]


def test_csv() -> None:
    seen = table([b'1,"a,b",', b"2,c", b"3,d,e\r", b"", b"\0", b" "], b"\xef\xbb\xbfn,text,more\r", ALL)
    assert {k: list(v) for k, v in seen.columns.items()} == {"n": ["1", "3"], "text": ["a,b", "d"], "more": [None, "e"]}
    assert seen.refused == {"not as many cells as the header": 1, "not CSV": 1}
    numbered = table([b"0,1.5", b"1,2.5"], b",x", ALL)
    assert list(numbered.columns) == ["x"] and numbered.refused == {}


def test_bounds() -> None:
    seen = table([json.dumps({f"k{row}-{n}": n for n in range(300)}).encode() for row in range(20)], b"", ALL)
    assert len(seen.columns) <= MOST_COLUMNS and seen.refused["too many columns"] > 0
    seen = table(lines({"x" * 500: 1, "\u202e": 2, "ok": 3}), b"", ALL)
    assert list(seen.columns) == ["ok"]


def test_names_of_categories() -> None:
    assert [text_of(value) for value in (True, 1, 1.0, 0.5, "é\n")] == ["true", "1", "1", "0.5", "é?"]
    assert len(text_of("y" * 1000)) == MOST_TEXT and text_of("\ud800") == "?"
