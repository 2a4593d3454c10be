"""The past in numbers over HTTP: ``GET /v1/rollups?since=…&until=…&subject=…&metric=…&step=60``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from ..ports import Request, Response, StorageError
from ..ports.history import HOUR, MINUTE, History, Series

_encode = msgspec.json.Encoder(order="deterministic").encode


def rollups(history: History, request: Request) -> Response:
    """Series with their points as ``[begin, count, min, mean, max, last]``. ``since``, ``until``: Unix time."""

    def given(name: str, default: str) -> str:
        return request.query.get(name, [default])[0]

    try:
        since, until = float(given("since", "0")), float(given("until", "inf"))
        step = int(given("step", str(HOUR)))
    except ValueError:
        return _error("since and until must be Unix times, and step a number of seconds", 400)
    if step not in (MINUTE, HOUR):
        return _error(f"step must be {MINUTE} or {HOUR}", 400)
    try:
        found = history.rollups(since, until, subject=given("subject", ""), metric=given("metric", ""), step=step)
    except StorageError as error:
        return _error(str(error), 503)
    return Response(200, _list(found))


def _list(found: Iterable[Series]) -> Iterator[bytes]:
    separator = b"["
    for series in found:
        yield separator + _encode(series)
        separator = b",\n"
    yield b"]\n" if separator != b"[" else b"[]\n"


def _error(text: str, code: int) -> Response:
    return Response(code, _encode({"error": text}) + b"\n")
