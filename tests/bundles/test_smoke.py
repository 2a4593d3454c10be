"""smoke.json: what is taken, and which answers of an app are as they should be."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.bundles import BundleRefused, Rules, open_source, stage, verify
from edged.bundles.smoke import LONGEST, MOST_BYTES, Request, SmokeTest, difference, parse

from .maker import MODEL, manifest, write
from .test_verify import refusal

GOOD = {"requests": [{"path": "/predict", "body": {"x": [1]}, "expect": {"body": {"scores": [0.12]}}}]}


def read(*requests: dict[str, Any], **more: Any) -> SmokeTest:
    return parse(json.dumps({"requests": list(requests), **more}).encode())


def test_what_is_sent() -> None:
    test = read({"path": "/a", "body": {"x": 1}}, {"path": "/b", "body": "text"}, {"method": "GET", "path": "/c?d=1"})
    assert [(r.method, r.content, r.content_type) for r in test.requests] == [
        ("POST", b'{"x":1}', "application/json"),
        ("POST", b"text", "text/plain; charset=utf-8"),
        ("GET", b"", ""),
    ]
    assert (test.rtol, test.atol, test.seconds) == (1e-3, 1e-5, 5.0)
    given_type = read({"path": "/a", "body": "<x/>", "headers": {"content-type": "text/xml"}}, timeout="500ms")
    assert given_type.requests[0].content_type == "text/xml" and given_type.seconds == 0.5


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    "bad",
    [
        {},
        {"requests": []},
        {"requests": [{"path": "/a"}] * 101},
        {"requests": [{"path": "/a"}], "more": 1},
        {"requests": [{"path": "/a"}], "timeout": "0s"},
        {"requests": [{"path": "/a"}], "timeout": f"{LONGEST + 1:.0f}s"},
        {"requests": [{"path": "/a"}], "timeout": "soon"},
        {"requests": [{"path": "/a"}], "rtol": -1},
        *({"requests": [request]} for request in (
            {},
            {"path": ""},
            {"path": "a"},
            {"path": "http://elsewhere/a"},
            {"path": "//elsewhere/a"},
            {"path": "/a/../b"},
            {"path": "/a/%2E%2e/b"},
            {"path": "/a\\b"},
            {"path": "/a#b"},
            {"path": "/a b"},
            {"path": "/a\n"},
            {"path": "/a\r\nX: y"},
            {"path": "/a", "method": "DELETE"},
            {"path": "/a", "method": "GET", "body": 1},
            {"path": "/a", "headers": {"authorization": "x"}},
            {"path": "/a", "headers": {"content-type": "a\r\nX: y"}},
            {"path": "/a", "headers": {"content-type": "a\n"}},
            {"path": "/a", "expect": {"status": 42}},
            {"path": "/a", "expect": {"headers": {}}},
            {"path": "/a", "body": nested(40)},
            {"path": "/a", "expect": {"body": nested(40)}},
        )),
    ],
)  # fmt: skip
def test_what_is_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(BundleRefused) as caught:
        parse(json.dumps(bad).encode())
    assert caught.value.code == "smoke" and str(caught.value).startswith("the smoke test's file: ")


@pytest.mark.parametrize(
    "raw", [b"", b"x", b"[" * 100_000, b'{"requests":[{"path":"/a","path":"/b"}]}', b" " * (MOST_BYTES + 1)]
)
def test_what_is_no_document_is_refused(raw: bytes) -> None:
    with pytest.raises(BundleRefused) as caught:
        parse(raw)
    assert caught.value.code == "smoke"


def compare(wanted: Any, got: Any, *, status: int = 200, rtol: float = 1e-3, atol: float = 1e-5) -> str:
    request = read({"path": "/predict", "expect": {"body": wanted}}).requests[0]
    return difference(request, status, got if isinstance(got, bytes) else json.dumps(got).encode(), rtol, atol)


@pytest.mark.parametrize(
    ("wanted", "got"),
    [
        ({"scores": [0.12]}, {"scores": [0.12001], "time": 3}),
        ({"a": {"b": 1}}, {"a": {"b": 1.0, "c": 2}}),
        ([1, 2], [1, 2]),
        (0, 1e-6),
        (None, None),
        (True, True),
        ("ok", "ok"),
        ("ok", b"ok\n"),
        (10**400, 10**400),
    ],
)
def test_answers_that_match(wanted: Any, got: Any) -> None:
    assert compare(wanted, got) == ""


@pytest.mark.parametrize(
    ("wanted", "got", "words"),
    [
        ({"scores": [0.12]}, {"scores": [0.93]}, "/predict answered 0.93 where 0.12 was expected (scores[0])"),
        ({"a": [{"b": 1}]}, {"a": [{"c": 1}]}, "/predict answered without a[0].b"),
        ({"a": [1]}, {"a": [1, 2]}, "/predict answered 2 elements where 1 were expected (a)"),
        (1, 2, "/predict answered 2 where 1 was expected"),
        (1, True, "/predict answered true where 1 was expected"),
        (True, 1, "/predict answered 1 where true was expected"),
        ("1", 1, '/predict answered 1 where "1" was expected'),
        ({"a": 1}, [1], '/predict answered [1] where {"a":1} was expected'),
        (0.1234561, 0.1234562, "/predict answered 0.1234562 where 0.1234561 was expected"),
        ([1.0], b'[NaN]', "/predict answered with something that is no JSON: [NaN]"),
        ([1], b"\x00<html>", "/predict answered with something that is no JSON: ?<html>"),
        (0.5, 10**400, f"/predict answered 1{'0' * 78}… where 0.5 was expected"),
    ],
)  # fmt: skip
def test_the_first_difference_is_told(wanted: Any, got: Any, words: str) -> None:
    assert compare(wanted, got, rtol=1e-9, atol=0.0) == words


def test_another_status_is_told_with_what_was_said() -> None:
    said = compare({"a": 1}, b'{"error": "no\r\n such model"}', status=500)
    assert said == '/predict answered with status 500 where 200 was expected: {"error": "no such model"}'
    expected = Request(path="/gone", expect=read({"path": "/x", "expect": {"status": 404}}).requests[0].expect)
    assert difference(expected, 404, b"", 0.0, 0.0) == "", "no body was asked for"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)  # fmt: skip


@given(JSON, st.binary())
def test_any_answer_is_compared_and_the_same_one_matches(wanted: Any, junk: bytes) -> None:
    assert compare(wanted, wanted) == ""
    assert "\n" not in compare(wanted, junk)


def with_smoke(folder: Path, content: bytes) -> Path:
    files = {"model.onnx": MODEL, "smoke.json": content}
    model = manifest(files)["model"] | {"smoke": "smoke.json"}
    return write(folder, files, model=model)


def test_it_is_read_when_a_bundle_is_verified_and_staged(tmp_path: Path) -> None:
    good = with_smoke(tmp_path / "good", json.dumps(GOOD).encode())
    with open_source(good) as source:
        found = verify(source, Rules()).manifest.model
        assert found is not None and found.smoke == "smoke.json"
    bad = with_smoke(tmp_path / "bad", b'{"requests":[{"path":"http://elsewhere"}]}')
    assert refusal(bad) == "smoke"
    (tmp_path / "staged").mkdir()
    with open_source(bad) as source, pytest.raises(BundleRefused) as caught:
        stage(source, tmp_path / "staged", Rules(), reserve=0)
    assert caught.value.code == "smoke" and not list((tmp_path / "staged").iterdir())
    files = {"model.onnx": MODEL}
    unlisted = manifest(files)["model"] | {"smoke": "smoke.json"}
    assert refusal(write(tmp_path / "unlisted", files, model=unlisted)) == "manifest"
