"""Bundles by URL that do not come: there is none, or nobody wants it any more."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from edged.adapters.artifacts import ArtifactStore, obtain
from edged.bundles import Rules
from edged.config import Bundles
from edged.ports import ArtifactError, Unreachable
from edged.vocabulary.actions import Where
from tests.adapters.artifacts import FolderContainers, runtime

CONFIGS = Where("config", "/cfg", "mount")
WITHIN = 60.0


class Server:
    """A bundle that comes byte by byte and never to its end; anything else is not there."""

    def __init__(self) -> None:
        self.asked, self.left = threading.Event(), threading.Event()
        asked, left = self.asked, self.left

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path != "/endless.tar":
                    self.send_error(404)
                    return
                self.send_response(200)
                self.send_header("Content-Length", str(2**20))
                self.end_headers()
                asked.set()
                try:
                    while not left.wait(0.01):
                        self.wfile.write(b"x")
                except OSError:
                    left.set()

            def log_message(self, *_: object) -> None:
                """Quiet."""

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.http.server_port}"

    def close(self) -> None:
        self.left.set()
        self.http.shutdown()
        self.thread.join(10.0)
        self.http.server_close()


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.close()


def make(
    tmp_path: Path, over: Callable[[str, str], bool], web: Callable[..., Any] = obtain, **limits: int
) -> ArtifactStore:
    state = tmp_path / "state"
    state.mkdir()
    containers = FolderContainers(tmp_path).port()
    return ArtifactStore(state, containers, runtime(), web, over=over, limits=lambda: Bundles(**limits))


def test_what_is_not_there_has_a_code_of_its_own(server: Server, tmp_path: Path) -> None:
    store = make(tmp_path, lambda app, deployment: False)
    with pytest.raises(ArtifactError, match=r"answered 404 for other\.tar") as error:
        store.fetch("app", CONFIGS, f"{server.url}/other.tar", "d1", WITHIN)
    assert error.value.code == "source"


def test_a_cancelled_one_is_not_fetched_to_its_end(server: Server, tmp_path: Path) -> None:
    ended = set[tuple[str, str]]()
    store = make(tmp_path, lambda app, deployment: (app, deployment) in ended)
    with ThreadPoolExecutor(1) as pool:
        fetching = pool.submit(store.fetch, "app", CONFIGS, f"{server.url}/endless.tar", "d1", WITHIN)
        assert server.asked.wait(WITHIN)
        ended.add(("app", "d1"))
        assert server.left.wait(WITHIN), "the connection is closed"
        with pytest.raises(Unreachable):
            fetching.result(WITHIN)


def test_the_limits_are_those_of_the_configuration(tmp_path: Path) -> None:
    given: list[tuple[int, int]] = []

    def web(url: str, downloads: Path, rules: Rules, *more: Any) -> Any:
        given.append((rules.limits.bytes, more[-1]))
        raise Unreachable("as far as this")

    with pytest.raises(Unreachable):
        make(tmp_path, lambda app, deployment: False, web, max_size=2**21, rate=2**10).fetch(
            "app", CONFIGS, "http://127.0.0.1/b.tar", "d1", WITHIN
        )
    assert given == [(2**21, 2**10)]
