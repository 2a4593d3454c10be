"""The status page's address: had at once, or waited for."""

from __future__ import annotations

import contextlib
import logging
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

from edged.app import web
from edged.app.web import Web
from edged.config.model import Http
from edged.ports import PortError, Response, Routes

from ..fixtures.patience import PATIENCE

ROUTES: Routes = {("GET", "/healthz"): lambda request: Response(200, b"well")}


@pytest.fixture
def taken() -> Iterator[tuple[socket.socket, str]]:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        one.listen()
        yield one, f"127.0.0.1:{one.getsockname()[1]}"


def test_a_reload_is_told_that_the_address_is_taken(taken: tuple[socket.socket, str]) -> None:
    with pytest.raises(PortError, match=f"cannot listen on {taken[1]}"):
        Web(Http(listen=taken[1]), ROUTES)


def test_a_start_waits_for_it_and_says_so(
    taken: tuple[socket.socket, str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(web, "AGAIN", 0.02)
    one = Web(Http(listen=taken[1]), ROUTES, patient=True)
    assert one.port == 0 and not list(one.calls()) and "all else goes on" in caplog.text
    assert caplog.records[-1].levelno == logging.ERROR
    one.start()
    taken[0].close()
    deadline, answer = time.monotonic() + 10.0 * PATIENCE, b""
    while not answer and time.monotonic() < deadline:
        time.sleep(0.02)
        with contextlib.suppress(urllib.error.URLError):
            answer = urllib.request.urlopen(f"http://{taken[1]}/healthz", timeout=5.0).read()
    assert answer == b"well" and f":{one.port}" in taken[1]
    one.stop()


def test_one_that_is_stopped_before_does_not_come_up_later(
    taken: tuple[socket.socket, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web, "AGAIN", 0.0)
    one = Web(Http(listen=taken[1]), ROUTES, patient=True)
    one.start()
    one.stop()
    taken[0].close()
    with socket.create_server(("127.0.0.1", int(taken[1].rpartition(":")[2]))):
        assert one.port == 0
