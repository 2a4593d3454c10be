"""Fetching bundles from a real server on loopback: one that behaves, and ones that do not."""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from edged.adapters.bundle_http import obtain
from edged.adapters.download import Options
from edged.bundles import BundleRefused, Limits, Rules, Staged, stage
from edged.ports import Refused, Unreachable
from tests.bundles.maker import dump, manifest, pack

FILES = {"big file.bin": bytes(range(256)) * 20_000, "sub/c.yaml": b"a: 1\n"}
RAW = dump(manifest(FILES))
TAR = pack({"manifest.json": RAW} | FILES)


class Server:
    """Serves ``files``; ``misbehave`` may answer in its own way (and then returns True)."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {"/b.tar": TAR, "/b/manifest.json": RAW}
        self.files |= {"/b/big%20file.bin": FILES["big file.bin"], "/b/sub/c.yaml": FILES["sub/c.yaml"]}
        self.tag = '"v1"'
        self.modified = ""
        self.ranges = True
        self.cut: list[int] = []
        """Bytes of body after which the next answers break off."""
        self.misbehave: Callable[[Any], bool] = lambda _: False
        self.asked: list[tuple[str, str]] = []
        self.sent = 0
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                server.asked.append((self.path, self.headers.get("Range", "")))
                if not server.misbehave(self):
                    server.answer(self)

            def log_message(self, *_: object) -> None:
                """Quiet."""

        class Quiet(ThreadingHTTPServer):
            def handle_error(self, *_: object) -> None:
                """The client hung up, as it should."""

        self.http = Quiet(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.thread = threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.http.server_port}"

    def answer(self, request: Any) -> None:
        data = self.files.get(request.path)
        if data is None:
            request.send_error(404)
            return
        start = 0
        valid = request.headers.get("If-Range", "") in ("", self.tag or self.modified)
        if self.ranges and valid and (asked := request.headers.get("Range")):
            start = int(asked.removeprefix("bytes=").rstrip("-"))
            if start >= len(data):
                request.send_response(416)
                request.send_header("Content-Length", "0")
                request.end_headers()
                return
            request.send_response(206)
            request.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        else:
            request.send_response(200)
        if self.tag:
            request.send_header("ETag", self.tag)
        if self.modified:
            # The ``Date`` of an answer is that of its first line, not of this one.
            request.send_header("Last-Modified", formatdate(usegmt=True) if self.modified == "now" else self.modified)
        body = data[start:]
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        if self.cut and len(body) > 1000:
            body = body[: self.cut.pop(0)]
            request.close_connection = True
        self.sent += len(body)
        request.wfile.write(body)

    def close(self) -> None:
        self.http.shutdown()
        self.http.server_close()
        self.thread.join(10.0)


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.close()


@pytest.fixture
def fetch(tmp_path: Path) -> Callable[..., Staged]:
    (tmp_path / "room").mkdir()

    def run(url: str, rules: Rules | None = None, **more: Any) -> Staged:
        options = Options(**({"idle": 10.0, "within": 60.0, "backoff": 0.01} | more.pop("options", {})))
        use = more.pop("use", lambda source: stage(source, tmp_path / "room", rules or Rules(), held=more.get("held")))
        return obtain(url, tmp_path / "downloads", rules or Rules(), use, options, **more)

    return run


Fetch = Callable[..., Staged]


def whole(staged: Staged) -> bool:
    return all((staged.folder / path).read_bytes() == data for path, data in FILES.items())


def left(tmp_path: Path) -> list[str]:
    return [p.name for p in (tmp_path / "downloads").rglob("*")]


@pytest.mark.parametrize("path", ["/b.tar", "/b", "/b/"])
def test_a_bundle_is_fetched(server: Server, fetch: Fetch, tmp_path: Path, path: str) -> None:
    assert whole(fetch(server.url + path)) and left(tmp_path) == []


@pytest.mark.parametrize("path", ["/b.tar", "/b"])
def test_goes_on_after_breaks(server: Server, fetch: Fetch, path: str) -> None:
    server.cut = [1_000_000, 10, 0, 2_000_000]
    assert whole(fetch(server.url + path))
    assert [r for _, r in server.asked if r] == ["bytes=1000000-", "bytes=1000010-", "bytes=1000010-", "bytes=3000010-"]
    assert server.sent < len(TAR) + 10_000


@pytest.mark.parametrize("path", ["/b.tar", "/b"])
def test_goes_on_after_a_restart(server: Server, fetch: Fetch, tmp_path: Path, path: str) -> None:
    server.cut = [3_000_000]
    with pytest.raises(Unreachable, match="broke off"):
        fetch(server.url + path, options={"attempts": 1})
    assert any(name.endswith(".part") for name in left(tmp_path))
    server.sent = 0
    assert whole(fetch(server.url + path)) and server.sent < len(TAR) - 2_900_000


def test_without_a_strong_validator_it_begins_anew(server: Server, fetch: Fetch) -> None:
    for tag, modified, resumes in (
        ('W/"v1"', "", False), ("", "", False), ("", "now", False),
        ("", "Sat, 01 Jan 2022 00:00:00 GMT", True),
    ):  # fmt: skip
        server.tag, server.modified, server.cut, server.asked = tag, modified, [1_000_000], []
        assert whole(fetch(server.url + "/b.tar"))
        assert [r for _, r in server.asked] == ["", "bytes=1000000-" if resumes else ""]


def test_a_server_that_ignores_ranges(server: Server, fetch: Fetch) -> None:
    server.ranges, server.cut = False, [1_000_000, 2_000_000]
    assert whole(fetch(server.url + "/b.tar"))


def test_another_file_than_before(server: Server, fetch: Fetch) -> None:
    other = {"big file.bin": FILES["big file.bin"][::-1], "sub/c.yaml": b"a: 2\n"}
    server.cut = [1_000_000]
    with pytest.raises(Unreachable):
        fetch(server.url + "/b.tar", options={"attempts": 1})
    server.files["/b.tar"], server.tag = pack({"manifest.json": dump(manifest(other))} | other), '"v2"'
    assert (fetch(server.url + "/b.tar").folder / "sub/c.yaml").read_bytes() == b"a: 2\n"


def test_another_file_under_the_same_tag(server: Server, fetch: Fetch) -> None:
    """The halves do not fit: found by digest, and fetched once more as a whole."""
    server.cut = [1_000_000]
    with pytest.raises(Unreachable):
        fetch(server.url + "/b.tar", options={"attempts": 1})
    other = {"big file.bin": FILES["big file.bin"][::-1], "sub/c.yaml": b"a: 1\n"}
    server.files["/b.tar"] = pack({"manifest.json": dump(manifest(other))} | other)
    assert (fetch(server.url + "/b.tar").folder / "big file.bin").read_bytes() == other["big file.bin"]


def test_a_shorter_file_under_the_same_tag(server: Server, fetch: Fetch) -> None:
    server.cut = [3_000_000]
    with pytest.raises(Unreachable):
        fetch(server.url + "/b.tar", options={"attempts": 1})
    small = {"c.yaml": b"a: 3\n"}
    server.files["/b.tar"] = pack({"manifest.json": dump(manifest(small))} | small)
    assert fetch(server.url + "/b.tar").manifest.total == 5
    assert [r for _, r in server.asked] == ["", "bytes=3000000-", ""]


def test_a_206_from_elsewhere_in_the_file(server: Server, fetch: Fetch) -> None:
    def lies(request: Any) -> bool:
        if not request.headers.get("Range"):
            return False
        request.send_response(206)
        request.send_header("Content-Range", f"bytes 0-{len(TAR) - 1}/{len(TAR)}")
        request.send_header("Content-Length", str(len(TAR)))
        request.end_headers()
        request.wfile.write(TAR)
        return True

    server.cut, server.misbehave = [1_000_000], lies
    assert whole(fetch(server.url + "/b.tar"))


def test_sizes(server: Server, fetch: Fetch, tmp_path: Path) -> None:
    server.files["/b/big%20file.bin"] += b"x"
    with pytest.raises(BundleRefused) as caught:
        fetch(server.url + "/b")
    assert caught.value.code == "size_mismatch" and left(tmp_path) == []
    server.files["/b/big%20file.bin"] = b"x" * len(FILES["big file.bin"])
    with pytest.raises(BundleRefused) as caught:
        fetch(server.url + "/b")
    assert caught.value.code == "digest_mismatch"
    server.files["/b/manifest.json"] = b" " * (2**20 + 1)
    with pytest.raises(BundleRefused) as caught:
        fetch(server.url + "/b")
    assert caught.value.code == "too_large"
    with pytest.raises(BundleRefused) as caught:
        fetch(server.url + "/nothing")
    assert caught.value.code == "missing_file"
    server.files["/b.tar"] = b"\0" * (9 * 2**20 + 1)
    with pytest.raises(BundleRefused) as caught:
        fetch(server.url + "/b.tar", Rules(limits=Limits(bytes=2**20)))
    assert caught.value.code == "too_large"


def test_an_endless_answer(server: Server, fetch: Fetch, tmp_path: Path) -> None:
    def endless(request: Any) -> bool:
        request.send_response(200)
        request.send_header("Transfer-Encoding", "chunked")
        request.end_headers()
        try:
            for _ in range(1000):
                request.wfile.write(b"10000\r\n" + b"x" * 65536 + b"\r\n")
        except OSError:
            server.sent = -1
        return True

    server.misbehave = endless
    with pytest.raises(BundleRefused) as caught:
        fetch(server.url + "/b.tar", Rules(limits=Limits(bytes=2**20)))
    assert caught.value.code == "too_large" and left(tmp_path) == []
    with pytest.raises(BundleRefused) as caught:
        fetch(server.url + "/b.tar", room=lambda _: 2**20 * 80)
    assert caught.value.code == "no_room"


def test_room(server: Server, fetch: Fetch, tmp_path: Path) -> None:
    for path in ("/b.tar", "/b"):
        with pytest.raises(BundleRefused) as caught:
            fetch(server.url + path, room=lambda _: len(TAR), reserve=0)
        assert caught.value.code == "no_room"
        assert sum(p.stat().st_size for p in (tmp_path / "downloads").rglob("*") if p.is_file()) == 0


def test_what_is_held_is_not_fetched(server: Server, fetch: Fetch, tmp_path: Path) -> None:
    (tmp_path / "held").write_bytes(FILES["big file.bin"])
    staged = fetch(server.url + "/b", held=lambda _, size: tmp_path / "held" if size > 100 else None)
    assert whole(staged) and "/b/big%20file.bin" not in [path for path, _ in server.asked]


def test_errors_that_pass_and_errors_that_do_not(server: Server, fetch: Fetch) -> None:
    codes = iter([503, 429, 500])

    def fails(request: Any) -> bool:
        if (code := next(codes, 0)) == 0:
            return False
        request.send_response(code)
        request.send_header("Content-Length", "0")
        request.end_headers()
        return True

    server.misbehave = fails
    assert whole(fetch(server.url + "/b.tar"))
    codes = iter([403])
    with pytest.raises(Refused, match="answered 403"):
        fetch(server.url + "/b.tar")
    codes = iter([503] * 100)
    server.asked = []
    with pytest.raises(Unreachable, match=r"answered 503.*gave up after 4"):
        fetch(server.url + "/b.tar", options={"attempts": 4})
    assert len(server.asked) == 4
    for url in ("ftp://x/b.tar", "http:///b.tar", "http://h:99999/b.tar", "file:///etc/passwd", "http://h/a b.tar"):
        with pytest.raises(Refused, match="cannot be used"):
            fetch(url)


def test_redirects(server: Server, fetch: Fetch) -> None:
    def moved(request: Any) -> bool:
        if request.path.startswith("/loop"):
            target = "/loop"
        elif request.path == "/old.tar":
            target = f"{server.url}/b.tar"
        else:
            return False
        request.send_response(302)
        request.send_header("Location", target)
        request.send_header("Content-Length", "0")
        request.end_headers()
        return True

    server.misbehave = moved
    assert whole(fetch(server.url + "/old.tar"))
    server.asked = []
    with pytest.raises(Refused, match="redirects too often"):
        fetch(server.url + "/loop.tar")
    assert len(server.asked) == 6


def test_times(server: Server, fetch: Fetch) -> None:
    stop = threading.Event()

    def drips(request: Any) -> bool:
        request.wfile.write(b"HTTP/1.1 200 OK\r\nX: ")
        while not stop.wait(0.05):
            try:
                request.wfile.write(b"x")
                request.wfile.flush()
            except OSError:
                break
        request.close_connection = True
        return True

    server.misbehave = drips
    with pytest.raises(Unreachable, match="no answer in time"):
        fetch(server.url + "/b.tar", options={"within": 0.7})
    stop.set()
    server.misbehave = lambda request: bool(threading.Event().wait(2.0)) or True
    with pytest.raises(Unreachable, match="no answer in time"):
        fetch(server.url + "/b.tar", options={"idle": 0.2, "attempts": 2})


def test_rate(server: Server, fetch: Fetch) -> None:
    slept: list[float] = []
    assert whole(fetch(server.url + "/b.tar", options={"rate": 2_000_000, "sleep": slept.append}))
    assert sum(slept) > 2.0


def test_nobody_there(fetch: Fetch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(Unreachable, match="cannot be reached"):
            fetch(f"http://127.0.0.1:{taken.getsockname()[1]}/b.tar", options={"attempts": 2})


def test_tls(server: Server, fetch: Fetch, tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-keyout", str(key), "-out", str(certificate), "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"], check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.http.socket = context.wrap_socket(server.http.socket, server_side=True)
    url = server.url.replace("http:", "https:")
    with pytest.raises(Refused, match=r"certificate of 127.0.0.1 is not valid"):
        fetch(url + "/b.tar")
    assert whole(fetch(url + "/b.tar", options={"ca_file": str(certificate)}))

    def downgrades(request: Any) -> bool:
        request.send_response(301)
        request.send_header("Location", "http://127.0.0.1/b.tar")
        request.end_headers()
        return True

    server.misbehave = downgrades
    with pytest.raises(Refused, match="unencrypted"):
        fetch(url + "/c.tar", options={"ca_file": str(certificate)})
