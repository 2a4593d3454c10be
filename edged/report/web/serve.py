"""Answers ``GET /``."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from ...ports import Request, Response, StoredEvent
from ..snapshot import Snapshot
from .page import REFRESHES, page, policy
from .past import Deployments
from .trends import Line
from .view import View

FRESH = 1.0
"""Seconds for which a page is good for all who ask."""


class StatusPage:
    def __init__(
        self,
        snapshot: Callable[[], Snapshot],
        picture: Callable[[Snapshot], dict[str, Any]],
        line: Callable[[str, str], Line],
        history: Callable[[float, tuple[str, ...], int], list[StoredEvent]],
        stuck: Callable[[], float],
    ) -> None:
        """``picture``: as ``edged status`` shows it. ``stuck``: seconds without a turn of the loop, if too many."""
        self._snapshot, self._picture, self._line, self._stuck = snapshot, picture, line, stuck
        self._deployments = Deployments(history)
        self._made: dict[str, tuple[float, bytes, str]] = {}
        self._making = threading.Lock()

    def respond(self, request: Request) -> Response:
        refresh = request.query.get("refresh", [""])[0]
        body, mark = self._page(refresh if refresh in REFRESHES else "")
        headers = {
            "ETag": mark,
            "Cache-Control": "private, no-cache",
            "Content-Security-Policy": policy(),
            "Referrer-Policy": "no-referrer",
            "Cross-Origin-Resource-Policy": "same-origin",
        }
        if mark in request.headers.get("if-none-match", ""):
            return Response(304, b"", "text/html; charset=utf-8", headers)
        return Response(200, body, "text/html; charset=utf-8", headers)

    def _page(self, refresh: str) -> tuple[bytes, str]:
        with self._making:
            until, body, mark = self._made.get(refresh, (0.0, b"", ""))
            if time.monotonic() < until:
                return body, mark
            shot = self._snapshot()
            deployments, trouble = self._deployments.latest(shot)
            view = View(
                picture=self._picture(shot),
                shot=shot,
                deployments=deployments,
                line=self._line,
                stuck=self._stuck(),
                trouble=trouble,
            )
            body, mark = page(view, refresh)
            self._made[refresh] = time.monotonic() + FRESH, body, mark
            return body, mark
