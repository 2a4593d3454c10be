"""Rows from an HTTP endpoint: ``GET URL?cursor=…``, without ``cursor`` the first time.

It answers with the rows after the cursor, the oldest first, and with the cursor to go on from: as one JSON object
``{"rows": [{…}, …], "cursor": "…"}``, or as NDJSON, a row a line, whose last line is ``{"cursor": "…"}``. No rows, or
the same cursor: there is nothing new. 410 Gone: it does not know that cursor any more, and is asked without one.
"""

from __future__ import annotations

from urllib.parse import quote

import msgspec
from msgspec import Struct

from ...ports import Chunk, PortError, Prober, Refused
from .lines import MOST_LINE, TOO_LONG

TIMEOUT = 5.0
MOST_ANSWER = 4 * 2**20
"""Bytes of one answer."""
MOST_CURSOR = 2048
FORGOTTEN = "forgotten by the app before they were read"


class Answer(Struct, frozen=True):
    rows: list[msgspec.Raw]
    cursor: str | int = ""


class Last(Struct, frozen=True, forbid_unknown_fields=True):
    cursor: str | int


class HttpRows:
    """Implements ``RowSource``."""

    def __init__(self, url: str, prober: Prober, *, position: str) -> None:
        self._url, self._prober, self._cursor = url, prober, position

    def read(self, most: int) -> Chunk:
        status, body = self._prober.call("GET", self._address(), TIMEOUT, most=max(most, MOST_ANSWER))
        if status == 410 and self._cursor:
            self._cursor = ""
            return Chunk(refused={FORGOTTEN: 1})
        if status == 204:
            return Chunk(position=self._cursor)
        if status != 200:
            raise Refused(f"{self._url}: HTTP {status}")
        rows, cursor = parse(body)
        if rows and not cursor:
            raise PortError(f"{self._url} answers with rows and without a cursor, so they would be counted twice")
        if len(cursor) > MOST_CURSOR:
            raise PortError(f"{self._url} answers with a cursor of more than {MOST_CURSOR} characters")
        if not rows or cursor == self._cursor:
            self._cursor = cursor or self._cursor
            return Chunk(position=self._cursor)
        self._cursor = cursor
        fit = [row for row in rows if len(row) <= MOST_LINE]
        refused = {TOO_LONG: len(rows) - len(fit)} if len(fit) < len(rows) else {}
        return Chunk(lines=fit, position=cursor, refused=refused, more=True)

    def close(self) -> None:
        """Nothing is held."""

    def _address(self) -> str:
        if not self._cursor:
            return self._url
        return f"{self._url}{'&' if '?' in self._url else '?'}cursor={quote(self._cursor, safe='')}"


def parse(body: bytes) -> tuple[list[bytes], str]:
    """Rows and cursor; what is no row is for whoever counts them to refuse."""
    try:
        answer = msgspec.json.decode(body, type=Answer)
    except (msgspec.MsgspecError, RecursionError, ValueError):
        lines = [line for line in body.split(b"\n") if line.strip()]
        try:
            cursor = str(msgspec.json.decode(lines[-1], type=Last).cursor) if lines else ""
        except (msgspec.MsgspecError, RecursionError, ValueError):
            return lines, ""
        return lines[:-1], cursor
    return [bytes(row) for row in answer.rows], str(answer.cursor)
