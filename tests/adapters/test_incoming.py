"""Bundles through the socket: bounded, whole or not at all, gone afterwards."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from edged.adapters import incoming
from edged.adapters.http_server import HttpServer
from edged.adapters.incoming import Incoming
from edged.cli import Failure
from edged.cli.client import delete, get, send
from edged.ports import Refused, Request, Response, Routes, StorageError


def test_it_is_taken_whole_and_private(tmp_path: Path) -> None:
    path = Path(Incoming(tmp_path).take(io.BytesIO(b"x" * 3_000_000 + b"rest"), 3_000_000))
    assert path.read_bytes() == b"x" * 3_000_000 and path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert Incoming(tmp_path).drop(str(path)) and not path.exists()
    assert not Incoming(tmp_path).drop(str(path))


@pytest.mark.parametrize("length", [0, -1, incoming.MOST_BYTES + 1])
def test_what_is_empty_or_too_large_is_refused(tmp_path: Path, length: int) -> None:
    with pytest.raises(Refused):
        Incoming(tmp_path).take(io.BytesIO(b"x"), length)


def test_half_a_bundle_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="7 bytes too early"):
        Incoming(tmp_path).take(io.BytesIO(b"abc"), 10)
    assert list((tmp_path / "incoming").iterdir()) == []


def test_no_more_than_a_few_wait_and_old_ones_go(tmp_path: Path) -> None:
    taken = [Path(Incoming(tmp_path).take(io.BytesIO(b"x"), 1)) for _ in range(incoming.MOST_FILES)]
    with pytest.raises(Refused, match="wait"):
        Incoming(tmp_path).take(io.BytesIO(b"x"), 1)
    old = time.time() - incoming.OLD - 1.0
    os.utime(taken[0], (old, old))
    assert Path(Incoming(tmp_path).take(io.BytesIO(b"y"), 1)).read_bytes() == b"y" and not taken[0].exists()


def test_a_full_disk_is_said_before_the_first_byte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(incoming, "ROOM", 2**62)
    with pytest.raises(StorageError, match="no room"):
        Incoming(tmp_path).take(io.BytesIO(b"x"), 1)


def test_nothing_else_is_ever_removed(tmp_path: Path) -> None:
    other = tmp_path / "other.tar"
    other.write_bytes(b"x")
    (tmp_path / "incoming").mkdir()
    for path in (str(other), str(tmp_path / "incoming" / ".." / "other.tar"), "", "/", "https://a.example/b.tar"):
        assert not Incoming(tmp_path).drop(path)
    assert other.exists()


def test_what_the_daemon_sees(tmp_path: Path) -> None:
    tar, folder = tmp_path / "a.tar", tmp_path / "folder"
    tar.write_bytes(b"x")
    folder.mkdir()
    see: Callable[[str], dict[str, int]] = Incoming(tmp_path).sees
    assert see(str(tar)) == {"device": tar.stat().st_dev, "inode": tar.stat().st_ino}
    assert see(str(folder)) == {}, "there is no manifest that it could read"
    (folder / "manifest.json").write_text("{}")
    assert see(str(folder))["inode"] == folder.stat().st_ino
    assert see(str(tmp_path / "none")) == {} and see("\0") == {}


def test_through_the_socket(tmp_path: Path) -> None:
    keeper = Incoming(tmp_path)

    def take(request: Request) -> Response:
        assert request.stream is not None
        return Response(200, f'{{"path":"{keeper.take(request.stream, request.length)}"}}'.encode())

    routes: Routes = {
        ("PUT", "/b"): take,
        ("PUT", "/no"): lambda request: Response(400, b'{"error":"too much"}'),
        ("GET", "/b"): lambda request: Response(200, b"{}"),
        ("DELETE", "/b"): lambda request: Response(200, b'{"dropped":true}'),
    }
    server = HttpServer.unix(tmp_path / "s", routes)
    server.start()
    try:
        source = tmp_path / "big.tar"
        source.write_bytes(os.urandom(5_000_000))
        with source.open("rb") as file:
            answer = send(str(tmp_path / "s"), "/b", file)
        assert Path(answer["path"]).read_bytes() == source.read_bytes()
        with source.open("rb") as file, pytest.raises(Failure, match=r"too much"):
            send(str(tmp_path / "s"), "/no", file)
        assert get(str(tmp_path / "s"), "/b") == {} and delete(str(tmp_path / "s"), "/b") == {"dropped": True}
    finally:
        server.stop()
