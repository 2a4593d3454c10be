"""Files that are made to hurt, and files that are broken: refused soon, with a place."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edged.config import ConfigError, Problem, load, render
from edged.config.document import parse

from .conftest import Load, Refuse


@pytest.fixture(autouse=True)
def soon() -> Iterator[None]:
    start = time.thread_time()
    yield
    assert time.thread_time() - start < 5.0


def _bomb() -> str:
    lines = ["a: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 30)]
    return "\n".join(lines)


def _repeats() -> str:
    names = ", ".join(f"n{i}" for i in range(1000))
    return f"apps:\n  a: &a {{needs: [{names}]}}\n" + "\n".join(f"  b{i}: *a" for i in range(2000))


def _merges() -> str:
    return "m0: &m0 {k: 1}\n" + "\n".join(f"m{i}: &m{i} {{<<: *m{i - 1}, k{i}: 1}}" for i in range(1, 9000))


SYNTAX = [
    # text, line, part of the reason
    ("a: 'x", 1, "is not valid YAML"),
    ("a:\n\t- b", 2, "is not valid YAML"),
    ("a: b: c", 1, "mapping values are not allowed"),
    ("a: [x", 1, "is not valid YAML"),
    ("a: *x", 1, "this alias is not defined"),
    ("a: 1\n---\nb: 2", 2, "more than one document"),
    ("a: @x", 1, "is not valid YAML"),
    ("x", 1, "the file holds a single value"),
    ("- x", 1, "the file holds a list"),
    ("a: &a {b: *a}", 1, "contains itself"),
    ("a: 1\n? [x, y]\n: 1", 2, "a key must be plain text"),
    ("device:\n  id: {{ host }}", 2, "a key must be plain text"),
    ("!!python/object:os.x a: 1", 1, "a key must be plain text"),
    ("!!python/object:os.x {a: 1}", 1, "the file as a whole carries a YAML tag"),
    ("a: {<<: 5}", 1, "`<<` must name a mapping"),
    ("a: {<<: [{}, 5]}", 1, "`<<` must name a mapping"),
    ("%YAML 3.0\n---\na: 1", 1, "is not valid YAML"),
    ("a: \x01", 1, "control character U+0001"),
    ("a: 1\nb: \ufffe", 2, "control character U+FFFE"),
    ("[" * 500_000, 1, "nested deeper than 32"),
    ("{a: " * 200_000, 1, "nested deeper than 32"),
    ("- " * 100_000, 1, "nested deeper than 32"),
    ("\n".join(f"{' ' * i}a:" for i in range(500)), 33, "nested deeper than 32"),
    ("a: [" + "x," * 300_000 + "]", 1, "more than 100000 values"),
]


@pytest.mark.parametrize(("text", "line", "reason"), SYNTAX)
def test_documents(refuse: Refuse, text: str, line: int, reason: str) -> None:
    (problem,) = refuse(text.encode())
    assert reason in problem.reason
    assert abs(problem.line - line) <= 1
    assert len(render([problem])) < 500


def test_bytes(refuse: Refuse) -> None:
    (problem,) = refuse(b"a: 1\nb: \xff")
    assert (problem.line, problem.column, problem.reason) == (2, 4, "is not UTF-8")
    assert refuse("a: 1".encode("utf-16"))[0].reason == "is UTF-16"
    assert refuse(b"#" * (2**20 + 1))[0].reason == "is larger than 1MiB"
    assert refuse(b"\0" * 100)[0].reason == "holds the control character U+0000"


def test_bombs(refuse: Refuse) -> None:
    # 9 to the power of 30 values, shared; the keys are unknown, and no one of them is followed.
    assert {problem.reason for problem in refuse(_bomb())} == {"unknown key"}
    assert "repeats too much" in refuse(_repeats())[-1].reason
    assert "merges too much" in refuse(_merges())[0].reason


def test_a_flood_of_errors_is_cut(refuse: Refuse) -> None:
    problems = refuse("\n".join(f"key{i}: 1" for i in range(40_000)))
    assert len(problems) == 1001
    assert problems[-1].reason == "there is more wrong; only the first 1000 problems are shown"


def test_a_flood_of_faults(refuse: Refuse, load_text: Load) -> None:
    chain = "\n".join(f"  a{i}: {{needs: [a{i + 1}]}}" for i in range(3000))
    assert refuse(f"apps:\n{chain}")[0].reason.startswith("names a3000")
    load_text(f"apps:\n{chain}\n  a3000: {{}}")
    circles = "\n".join(f"  a{i}: {{needs: [a{i}]}}" for i in range(2000))
    assert len(refuse(f"apps:\n{circles}")) == 20
    many = ", ".join(f"n{i}" for i in range(5000))
    assert len(refuse(f"apps: {{a: {{needs: [{many}]}}}}")) == 1001


def test_long_texts(refuse: Refuse) -> None:
    for text in ("discover: " + "/" * 900_000, "x" * 500 + ": 1", 'device: {id: "' + "//@" * 300_000 + '"}'):
        assert len(render(refuse(text))) < 500
    assert refuse("device: {labels: {x: '" + "${A}" * 100_000 + "'}}", {"A": "x" * 100_000})[0].reason == (
        "becomes too long with its variables filled in"
    )
    assert refuse("device: {labels: {x: '" + "y" * 5000 + "'}}")[0].reason == "is longer than 4096 characters"


def test_a_pipe_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero")):
        with pytest.raises(ConfigError, match="is not a regular file"):
            load(path, {})


def test_without_the_c_library(monkeypatch: pytest.MonkeyPatch, refuse: Refuse, load_text: Load) -> None:
    import yaml

    monkeypatch.delattr(yaml, "CSafeLoader")
    assert load_text("apps: {a: &a {priority: 3}, b: {<<: *a}}").config.apps["b"].priority == 3
    for text, _, reason in SYNTAX:
        if len(text) < 1000:
            assert reason in refuse(text.encode())[0].reason
    assert "hunter2" not in render(refuse("mqtt: {password: *hunter2}"))
    assert "hunter2" not in render(refuse("mqtt: {password: !hunter2!x y}"))


WORDS = [
    "apps", "detector", "health", "http", "mqtt", "url", "password", "needs", "container", "label", "memory", "warn",
    "host", "disk", "paths", "device", "labels", "id", "5s", "80%", "${X}", "null", "~", "off", "1", ".nan", "&a",
    "*a", "<<", "!t", "!!str", "-", "?", ":", ": ", ", ", "\n", "\n  ", "{", "}", "[", "]", "'", '"', "|", ">", "#",
    "http://x", "mqtts://b", "\t", "---", "%",
]  # fmt: skip


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(WORDS), max_size=25).map("".join) | st.binary(max_size=80))
def test_nothing_but_config_error(tmp_path: Path, text: str | bytes) -> None:
    path = tmp_path / "edged.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    try:
        load(path, {"X": "${Y}"}, hostname="box")
    except ConfigError as error:
        assert error.errors
        assert all(isinstance(problem, Problem) and problem.reason for problem in error.errors)
        assert all(line.isprintable() for line in render(error.errors).split("\n"))


def test_a_tree_knows_its_places() -> None:
    tree = parse(b"\n# x\na: 1\nb:\n  c: [x]\n", "f")
    assert [(entry.key, entry.line, entry.column) for entry in tree.entries] == [("a", 3, 1), ("b", 4, 1)]
