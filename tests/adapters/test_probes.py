"""Probes against real sockets that do everything a broken service does."""

from __future__ import annotations

import os
import resource
import socket
import ssl
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from edged import __version__
from edged.adapters.probes import SocketProber
from edged.adapters.resolver import Address, Resolver
from edged.ports import PortError, Prober
from tests.fixtures.openssl import valid_for

TIMEOUT = 0.5
SLACK = 1.0
"""Seconds a loaded machine may add."""


class Server:
    """Hands each connection to ``handle`` on a thread of its own; ``over`` is set when the test ends."""

    def __init__(self, handle: Callable[[socket.socket, threading.Event], None], host: str = "127.0.0.1") -> None:
        self.over = threading.Event()
        self._handle = handle
        self._socket = socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
        self.port: int = self._socket.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self) -> None:
        while True:
            connection, _ = self._socket.accept()
            if self.over.is_set():
                connection.close()
                return
            thread = threading.Thread(target=self._serve, args=(connection,))
            thread.start()
            self._threads.append(thread)

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            connection.settimeout(5)
            try:
                self._handle(connection, self.over)
            except OSError:
                return  # the probe went away, as it may

    def close(self) -> None:
        self.over.set()
        with socket.create_connection(self._socket.getsockname()[:2]):
            pass
        for thread in self._threads:
            thread.join(5)
        self._socket.close()


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    servers: list[Server] = []

    def start(*args: Any, **options: Any) -> Server:
        servers.append(Server(*args, **options))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def prober() -> Iterator[SocketProber]:
    made = SocketProber()
    yield made
    made.close()


def says(*parts: bytes, pause: float = 0.0) -> Callable[[socket.socket, threading.Event], None]:
    """Reads the request, sends the parts with a pause after each, and closes."""

    def handle(connection: socket.socket, over: threading.Event) -> None:
        connection.recv(65536)
        for part in parts:
            connection.sendall(part)
            if over.wait(pause):
                return

    return handle


def hangs(connection: socket.socket, over: threading.Event) -> None:
    over.wait(10)


def resets(connection: socket.socket, over: threading.Event) -> None:
    connection.recv(65536)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@pytest.fixture
def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
    return port


def status(code: str, body: bytes = b"", headers: str = "") -> bytes:
    return f"HTTP/1.1 {code}\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode() + body


CHUNKED = b"HTTP/1.1 500 Oops\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nmodel\r\n7;x=y\r\n is bad\r\n0\r\n\r\n"


@pytest.mark.parametrize(
    ("answer", "ok", "detail"),
    [
        (status("200 OK", b"fine"), True, "HTTP 200"),
        (status("204 No Content"), True, "HTTP 204"),
        (status("302 Found", headers="Location: http://192.0.2.1/\r\n"), True, "HTTP 302"),
        (b"HTTP/1.0 200 OK\r\n\r\n", True, "HTTP 200"),
        (b"HTTP/1.1 200\r\n\r\n", True, "HTTP 200"),
        (b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + status("200 OK"), True, "HTTP 200"),
        (status("503 Service Unavailable", b"model\r\n not   loaded\n"), False, "HTTP 503: model not loaded"),
        (status("503 Service Unavailable"), False, "HTTP 503: Service Unavailable"),
        (status("404", b""), False, "HTTP 404"),
        (status("500 Oops", b"\x00\xff\x1b[31mred"), False, "HTTP 500: \ufffd[31mred"),
        (status("500 Oops", b"x" * 300_000), False, "HTTP 500: " + "x" * 200),
        (CHUNKED, False, "HTTP 500: model is bad"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", False, "not an HTTP answer: 'SSH-2.0-OpenSSH_9.2'"),
        (b"HTTP/1.1 abc\r\n\r\n", False, "not an HTTP answer: 'HTTP/1.1 abc'"),
        (b"HTTP/1.1 200 OK\r\nServer", False, "connection closed in mid-answer"),
        (b"", False, "connection closed without an answer"),
        (b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * 20_000, False, "HTTP 200 with more than 64 KiB of headers"),
    ],
)
def test_http_answers(prober: Prober, serve: Callable[..., Server], answer: bytes, ok: bool, detail: str) -> None:
    got = prober.http(f"http://127.0.0.1:{serve(says(answer)).port}/health", 5)
    assert (got.ok, got.detail) == (ok, detail)
    assert 0 < got.seconds < 2


def test_what_is_asked(prober: Prober, serve: Callable[..., Server]) -> None:
    seen: list[bytes] = []

    def handle(connection: socket.socket, over: threading.Event) -> None:
        seen.append(connection.recv(65536))
        connection.sendall(status("200 OK"))

    port = serve(handle).port
    assert prober.http(f"http://ann:s%20t@localhost:{port}/a b/%41?q=ä&x=1#part", 5).ok
    assert seen[0].decode().split("\r\n") == [
        "GET /a%20b/%41?q=%C3%A4&x=1 HTTP/1.1", f"Host: localhost:{port}", f"User-Agent: edged/{__version__}",
        "Accept: */*", "Accept-Encoding: identity", "Connection: close", "Authorization: Basic YW5uOnMgdA==", "", "",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("handle", "detail"),
    [
        (hangs, "no answer within 0.5s"),
        (says(*[b"H"] * 100, pause=0.02), "not an HTTP answer: 'HH'"),
        (says(b"HTTP/1.1 200 OK\r\n", *[b"X: y\r\n"] * 100, pause=0.02), "no answer within 0.5s"),
        (resets, "connection reset by peer"),
    ],
    ids=["silence", "garbage", "dripping", "reset"],
)
def test_bad_servers_cost_no_more_than_the_timeout(
    prober: Prober, serve: Callable[..., Server], handle: object, detail: str
) -> None:
    began = time.monotonic()
    got = prober.http(f"http://127.0.0.1:{serve(handle).port}/", TIMEOUT)
    assert time.monotonic() - began < TIMEOUT + SLACK
    assert (got.ok, got.detail) == (False, detail)
    assert got.seconds < TIMEOUT + SLACK


@pytest.mark.parametrize("code", ["200 OK", "503 Oh"])
def test_an_endless_body_does_not_matter(prober: Prober, serve: Callable[..., Server], code: str) -> None:
    head = f"HTTP/1.1 {code}\r\n\r\n".encode()
    server = serve(says(head, *[b"still here "] * 100, pause=0.02))
    began = time.monotonic()
    got = prober.http(f"http://127.0.0.1:{server.port}/", 5)
    assert time.monotonic() - began < 0.25 + SLACK
    assert got.seconds < SLACK
    assert got.ok is (code == "200 OK")
    assert got.ok or got.detail.startswith("HTTP 503: still here still here")


def test_nobody_listens(prober: Prober, free_port: int) -> None:
    for got in (
        prober.http(f"http://127.0.0.1:{free_port}/", 5),
        prober.http(f"http://localhost:{free_port}/", 5),
        prober.tcp(f"127.0.0.1:{free_port}", 5),
        prober.tcp(f"localhost:{free_port}", 5),
    ):
        assert (got.ok, got.detail) == (False, "connection refused")
        assert got.seconds < SLACK


@pytest.mark.skipif(not Path("/proc/net/if_inet6").exists(), reason="this host has no IPv6")
def test_ipv6(prober: Prober, serve: Callable[..., Server]) -> None:
    port = serve(says(status("200 OK")), host="::1").port
    assert prober.http(f"http://[::1]:{port}/", 5).ok
    assert prober.tcp(f"[::1]:{port}", 5).ok
    assert prober.tcp(f"localhost:{port}", 5).ok, "the second address of localhost"


def test_tcp(prober: Prober, serve: Callable[..., Server]) -> None:
    got = prober.tcp(f"127.0.0.1:{serve(hangs).port}", 5)
    assert (got.ok, got.detail) == (True, "")


def test_tcp_to_a_host_that_takes_no_connections(prober: Prober) -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for client in waiting:
            client.setblocking(False)
            client.connect_ex(server.getsockname())
        got = prober.tcp(f"127.0.0.1:{server.getsockname()[1]}", TIMEOUT)
        for client in waiting:
            client.close()
    assert (got.ok, got.detail) == (False, "no connection within 0.5s")
    assert got.seconds < TIMEOUT + SLACK


@pytest.mark.parametrize("address", ["127.0.0.1:0", "127.0.0.1:99999", "127.0.0.1", "x:y"])
def test_addresses_that_cannot_be_used(prober: Prober, address: str) -> None:
    with pytest.raises(PortError, match="bad port"):
        prober.tcp(address, 1)


@pytest.mark.parametrize("url", ["http://127.0.0.1:99999/", "http://[::1/", "http://u:secret@h:x/"])
def test_urls_that_cannot_be_used_are_not_shown(prober: Prober, url: str) -> None:
    with pytest.raises(PortError, match="URL cannot be used") as caught:
        prober.http(url, 1)
    assert "secret" not in str(caught.value)


def test_no_descriptors_left_is_our_own_trouble(prober: Prober, free_port: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest_free = os.dup(0)
    os.close(lowest_free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free, hard))
    try:
        with pytest.raises(PortError, match="could not be made: Too many open files"):
            prober.http(f"http://127.0.0.1:{free_port}/", 1)
        with pytest.raises(PortError, match="could not be made: Too many open files"):
            prober.tcp(f"127.0.0.1:{free_port}", 1)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_descriptors_stay_flat(prober: Prober, serve: Callable[..., Server], free_port: int) -> None:
    port = serve(resets).port
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(20):
        prober.http(f"http://127.0.0.1:{port}/", 1)
        prober.http(f"http://127.0.0.1:{free_port}/", 1)
        prober.tcp(f"localhost:{free_port}", 1)
    time.sleep(0.05)  # the server's ends
    assert len(list(Path("/proc/self/fd").iterdir())) <= before


# TLS


def openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)


NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CA with a good, an expired and a foreign server certificate."""
    folder = tmp_path_factory.mktemp("pki")
    for ca in ("ca", "other"):
        openssl(folder, "req", "-x509", *NEW_KEY, "-keyout", f"{ca}.key", "-out", f"{ca}.pem", "-days", "2",
                "-subj", f"/CN=test {ca}")  # fmt: skip
    for name, days, names in (
        ("good", 2, "DNS:localhost,IP:127.0.0.1"), ("expired", -1, "IP:127.0.0.1"), ("foreign", 2, "DNS:else"),
    ):  # fmt: skip
        openssl(folder, "req", *NEW_KEY, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}",
                "-addext", f"subjectAltName={names}")  # fmt: skip
        openssl(folder, "x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
                "-copy_extensions", "copy", *valid_for(days), "-out", f"{name}.pem")  # fmt: skip
    return folder


def with_tls(pki: Path, name: str, answer: bytes) -> Callable[[socket.socket, threading.Event], None]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pki / f"{name}.pem", pki / f"{name}.key")

    def handle(connection: socket.socket, over: threading.Event) -> None:
        with context.wrap_socket(connection, server_side=True) as wrapped:
            says(answer)(wrapped, over)

    return handle


@pytest.mark.parametrize(
    ("name", "ca", "ok", "detail"),
    [
        ("good", "ca.pem", True, "HTTP 200"),
        ("good", "other.pem", False, "TLS: unable to get local issuer certificate"),
        ("good", "", False, "TLS: unable to get local issuer certificate"),
        ("expired", "ca.pem", False, "TLS: certificate has expired"),
        ("foreign", "ca.pem", False, "TLS: IP address mismatch, certificate is not valid for '127.0.0.1'."),
    ],
)
def test_https(
    prober: Prober, serve: Callable[..., Server], pki: Path, name: str, ca: str, ok: bool, detail: str
) -> None:
    port = serve(with_tls(pki, name, status("200 OK"))).port
    got = prober.http(f"https://127.0.0.1:{port}/", 5, str(pki / ca) if ca else "")
    assert (got.ok, got.detail) == (ok, detail)


def test_https_by_name_and_with_a_failure(prober: Prober, serve: Callable[..., Server], pki: Path) -> None:
    port = serve(with_tls(pki, "good", status("503 Oh", b"warming up"))).port
    got = prober.http(f"https://localhost:{port}/", 5, str(pki / "ca.pem"))
    assert (got.ok, got.detail) == (False, "HTTP 503: warming up")


@pytest.mark.parametrize(
    ("handle", "detail"),
    [
        (hangs, "no TLS handshake within 0.5s"),
        (says(b"HTTP/1.1 400 Bad\r\n\r\n"), "TLS failed: wrong version number"),
        (says(b""), "TLS failed: unexpected eof while reading"),
        (resets, "connection reset by peer"),
    ],
    ids=["silence", "plain http", "closed", "reset"],
)
def test_https_to_something_else(
    prober: Prober, serve: Callable[..., Server], pki: Path, handle: object, detail: str
) -> None:
    began = time.monotonic()
    got = prober.http(f"https://127.0.0.1:{serve(handle).port}/", TIMEOUT, str(pki / "ca.pem"))
    assert time.monotonic() - began < TIMEOUT + SLACK
    assert (got.ok, got.detail) == (False, detail)


def test_a_ca_file_that_cannot_be_used_is_our_own_trouble(prober: Prober, tmp_path: Path) -> None:
    with pytest.raises(PortError, match=r"cannot use CA file .*gone.pem: No such file"):
        prober.http("https://127.0.0.1:1/", 1, str(tmp_path / "gone.pem"))
    (tmp_path / "bad.pem").write_text("not a certificate\n")
    with pytest.raises(PortError, match=r"cannot use CA file .*bad.pem"):
        prober.http("https://127.0.0.1:1/", 1, str(tmp_path / "bad.pem"))


def test_a_renewed_ca_file_is_noticed(prober: Prober, serve: Callable[..., Server], pki: Path, tmp_path: Path) -> None:
    port = serve(with_tls(pki, "good", status("200 OK"))).port
    ca = tmp_path / "ca.pem"
    ca.write_bytes((pki / "other.pem").read_bytes())
    assert not prober.http(f"https://127.0.0.1:{port}/", 5, str(ca)).ok
    ca.write_bytes((pki / "ca.pem").read_bytes())
    assert prober.http(f"https://127.0.0.1:{port}/", 5, str(ca)).ok


# Names


class Names:
    """A name service that the test can make hang."""

    def __init__(self) -> None:
        self.hang = threading.Event()
        self.asked: list[str] = []

    def lookup(self, host: str) -> list[Address]:
        self.asked.append(host)
        if host.startswith("slow"):
            self.hang.wait(10)
        if host.startswith("none"):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        if host.startswith("odd"):
            raise UnicodeError("label too long")
        if host.startswith("mem"):
            raise socket.gaierror(socket.EAI_MEMORY, "Memory allocation failure")
        return [(socket.AF_INET, "127.0.0.1", 0), (socket.AF_INET6, "::1", 0)]


@pytest.fixture
def names() -> Iterator[Names]:
    made = Names()
    yield made
    made.hang.set()


@pytest.fixture
def named(names: Names) -> Iterator[SocketProber]:
    made = SocketProber(Resolver(names.lookup))
    yield made
    names.hang.set()
    made.close()


@pytest.mark.parametrize(
    ("name", "ok", "detail"),
    [
        ("broker.example", True, "127.0.0.1, ::1"),
        ("none.example", False, "name resolution failed: Name or service not known"),
        ("odd.example", False, "not a valid host name"),
        ("192.0.2.7", True, "192.0.2.7"),
    ],
)
def test_dns(named: Prober, name: str, ok: bool, detail: str) -> None:
    got = named.dns(name, 5)
    assert (got.ok, got.detail) == (ok, detail)


def test_no_memory_for_a_look_up_is_our_own_trouble(named: Prober) -> None:
    with pytest.raises(PortError, match="Memory allocation failure"):
        named.dns("mem.example", 5)


def test_probes_by_name(named: Prober, serve: Callable[..., Server]) -> None:
    port = serve(says(status("200 OK"))).port
    assert named.http(f"http://app.example:{port}/", 5).ok
    assert named.tcp(f"app.example:{port}", 5).ok


def test_a_hanging_name_service(named: Prober, names: Names, serve: Callable[..., Server]) -> None:
    before = set(threading.enumerate())
    for _ in range(3):  # asked again while the first look-up hangs: joins it
        got = named.dns("slow.example", 0.1)
        assert (got.ok, got.detail) == (False, "no answer of name resolution within 0.1s")
        assert got.seconds < 0.1 + SLACK
    assert names.asked == ["slow.example"]
    with pytest.raises(PortError, match="busy with another name"):
        named.dns("other.example", 0.1)
    assert len(set(threading.enumerate()) - before) <= 1

    port = serve(says(status("200 OK"))).port
    assert named.http(f"http://127.0.0.1:{port}/", 1).ok, "literals need no name service"
    assert named.http(f"http://localhost:{port}/", 1).ok

    names.hang.set()
    assert named.dns("slow.example", 5).ok
    assert named.dns("other.example", 5).ok


def test_names_waiting_are_bounded(named: Prober) -> None:
    named.dns("slow.example", 0.01)
    for number in range(63):
        with pytest.raises(PortError, match="busy"):
            named.dns(f"n{number}.example", 0.0001)
    with pytest.raises(PortError, match="overloaded"):
        named.dns("one-too-many.example", 1)


def test_the_thread_ends_with_the_prober(names: Names) -> None:
    before = set(threading.enumerate())
    prober = SocketProber(Resolver(names.lookup))
    assert set(threading.enumerate()) <= before, "not before the first name"
    prober.dns("a.example", 5)
    (thread,) = set(threading.enumerate()) - before
    prober.close()
    thread.join(5)
    assert not thread.is_alive()
    with pytest.raises(PortError):
        prober.dns("a.example", 1)


def test_the_real_name_service(prober: Prober) -> None:
    assert prober.dns("localhost", 5).ok
    got = prober.dns("does-not-exist.invalid", 5)
    assert got.ok is False
    assert got.detail.startswith(("name resolution failed: ", "no answer of name resolution"))
