"""``smoke.json``: requests for the app itself, with the answers it must give once it serves the model. Pure."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType, field

from ..config.units import Unreadable, parse_duration
from .manifest import Part, Tolerance, strict
from .refusal import BundleRefused

MOST_BYTES = 2**20
"""Of the file."""
MOST_ANSWER = 2**20
"""Bytes of one answer that are read."""
LONGEST = 60.0
"""Seconds for all requests together."""
_DEEPEST = 32
_LONGEST_SHOWN = 80

Path = Annotated[str, Meta(min_length=1, max_length=2000, pattern=r"^/[!-~]*\Z")]
ContentType = Annotated[str, Meta(max_length=200, pattern=r"^[!-~][ -~]*\Z")]
Status = Annotated[int, Meta(ge=200, le=599)]


class Headers(Part, frozen=True, kw_only=True):
    content_type: ContentType = field(name="content-type", default="")


class Expected(Part, frozen=True, kw_only=True):
    """The answer. Of an object only the keys given must match; lists have as many elements."""

    status: Status = 200
    body: Any = UNSET


class Request(Part, frozen=True, kw_only=True):
    method: Literal["GET", "POST", "PUT"] = "POST"
    path: Path
    headers: Headers = Headers()
    body: Any = UNSET
    """Text is sent as it is, all else as JSON."""
    expect: Expected = Expected()

    @property
    def content(self) -> bytes:
        if isinstance(self.body, UnsetType):
            return b""
        return self.body.encode() if isinstance(self.body, str) else msgspec.json.encode(self.body)

    @property
    def content_type(self) -> str:
        if self.headers.content_type or isinstance(self.body, UnsetType):
            return self.headers.content_type
        return "text/plain; charset=utf-8" if isinstance(self.body, str) else "application/json"


class SmokeTest(Part, frozen=True, kw_only=True):
    """Numbers match when ``|answered - expected| <= atol + rtol * |expected|``."""

    requests: Annotated[tuple[Request, ...], Meta(min_length=1, max_length=100)]
    rtol: Tolerance = 1e-3
    atol: Tolerance = 1e-5
    timeout: str = "5s"
    """For all requests together."""

    @property
    def seconds(self) -> float:
        return parse_duration(self.timeout)


def parse(data: bytes) -> SmokeTest:
    """The test in ``data``, or ``BundleRefused("smoke")``."""
    if len(data) > MOST_BYTES:
        raise _refused(f"is larger than {MOST_BYTES} bytes")
    test = strict(data, SmokeTest, "smoke", "the smoke test's file")
    try:
        if not 0.05 <= test.seconds <= LONGEST:
            raise _refused(f"timeout must be between 50ms and {LONGEST:.0f}s")
    except Unreadable as error:
        raise _refused(f"timeout {error.reason} ({error.hint})") from None
    for number, request in enumerate(test.requests, 1):
        path = request.path.partition("?")[0]
        # One that begins with two slashes names a host to many a client.
        if request.path.startswith("//") or "#" in request.path or {"..", "."} & set(path.split("/")):
            raise _refused(f"request {number}: the path must lie below the app's address, without // in front, .. or #")
        if "%2e" in path.lower() or "\\" in path:
            raise _refused(f"request {number}: the path must be written plainly, without %2e or \\")
        if _depth(request.body) > _DEEPEST or _depth(request.expect.body) > _DEEPEST:
            raise _refused(f"request {number}: is nested deeper than {_DEEPEST} levels")
        if request.method == "GET" and not isinstance(request.body, UnsetType):
            raise _refused(f"request {number}: a GET has no body")
    return test


def difference(request: Request, status: int, answer: bytes, rtol: float, atol: float) -> str:
    """The first thing about an answer that is not as expected, in words; empty: nothing."""
    wanted = request.expect
    if status != wanted.status:
        return f"{request.path} answered with status {status} where {wanted.status} was expected{_said(answer)}"
    if isinstance(wanted.body, UnsetType):
        return ""
    try:
        got = msgspec.json.decode(answer)
    except (msgspec.DecodeError, RecursionError, ValueError):
        got = answer.decode("utf-8", "replace").strip()
        if not isinstance(wanted.body, str):
            return f"{request.path} answered with something that is no JSON{_said(answer)}"
    found = _compare(wanted.body, got, rtol, atol, "")
    return f"{request.path} {found}" if found else ""


def _compare(wanted: Any, got: Any, rtol: float, atol: float, at: str) -> str:
    where = f" ({at})" if at else ""
    if isinstance(wanted, dict) and isinstance(got, dict):
        for key, value in wanted.items():
            below = f"{at}.{key}" if at else key
            if key not in got:
                return f"answered without {below}"
            if found := _compare(value, got[key], rtol, atol, below):
                return found
        return ""
    if isinstance(wanted, list) and isinstance(got, list):
        if len(wanted) != len(got):
            return f"answered {len(got)} elements where {len(wanted)} were expected{where}"
        for index, (value, other) in enumerate(zip(wanted, got, strict=True)):
            if found := _compare(value, other, rtol, atol, f"{at}[{index}]"):
                return found
        return ""
    same = _near(wanted, got, rtol, atol) if _number(wanted) and _number(got) else _equal(wanted, got)
    return "" if same else f"answered {' where '.join(_shown(got, wanted))} was expected{where}"


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _near(wanted: float, got: float, rtol: float, atol: float) -> bool:
    try:
        return abs(got - wanted) <= atol + rtol * abs(wanted)
    except OverflowError:  # integers beyond a double
        return got == wanted


def _equal(wanted: Any, got: Any) -> bool:
    """``True`` is no 1."""
    return type(wanted) is type(got) and bool(wanted == got)


def _shown(*values: Any) -> list[str]:
    """Numbers with as many digits as it takes to tell them apart."""
    short = [f"{value:.6g}" if isinstance(value, float) else _json(value) for value in values]
    return short if len(set(short)) > 1 else [_json(value) for value in values]


def _json(value: Any) -> str:
    return _plain(msgspec.json.encode(value).decode())


def _said(answer: bytes) -> str:
    text = _plain(" ".join(answer[:1000].decode("utf-8", "replace").split()))
    return f": {text}" if text else ""


def _plain(text: str) -> str:
    short = text if len(text) <= _LONGEST_SHOWN else f"{text[: _LONGEST_SHOWN - 1]}…"
    return "".join(c if c.isprintable() else "?" for c in short)


def _depth(value: Any) -> int:
    """Levels, without recursion; one more than allowed is as much as is looked at."""
    level, here = 0, [value]
    while here and level <= _DEEPEST:
        inner = [v for v in here if isinstance(v, dict | list)]
        here = [x for v in inner for x in (v.values() if isinstance(v, dict) else v)]
        level += bool(inner)
        if not inner:
            break
    return level


def _refused(why: str) -> BundleRefused:
    return BundleRefused("smoke", f"the smoke test's file: {why}")
