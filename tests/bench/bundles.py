"""Fetching, verifying and staging a bundle, against what curl, sha256sum and cp take for the same bytes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from edged.adapters.bundle_http import obtain
from edged.adapters.download import Options
from edged.bundles import Rules, stage
from tests.bundles.maker import dump, manifest, pack

from .measure import Figure, median, until

_SIZE = 100 * 10**6


def fetch(folder: Path, count: int) -> Figure:
    """One 100 MB tar over HTTP on loopback; both ways in turn, so that a busy machine slows both."""
    folder.mkdir(exist_ok=True)
    files = {"weights.bin": os.urandom(_SIZE), "config.yaml": b"a: 1\n"}
    content = {"manifest.json": dump(manifest(files, config={"file": "config.yaml"}))} | files
    served = folder / "served"
    served.mkdir()
    (served / "b.tar").write_bytes(pack(content))
    del files, content
    server, url = _serve(served)
    ours, theirs = [], []
    try:
        for number in range(count + 1):
            pair = (_seconds(folder, lambda: _by_hand(url, folder)), _seconds(folder, lambda: _by_edged(url, folder)))
            if number:  # the first time warms everything up
                theirs.append(pair[0])
                ours.append(pair[1])
    finally:
        server.terminate()
        server.wait(10.0)
    ratio = median([mine / other for mine, other in zip(ours, theirs, strict=True)])
    note = f"{median(ours):.2f} s with every byte synced, curl + sha256sum + cp {median(theirs):.2f} s without"
    return Figure("100 MB bundle fetched, verified, staged : by hand", ratio, 1.5, "x", count, 1.0, note)


def _serve(folder: Path) -> tuple[subprocess.Popen[bytes], str]:
    log = folder.parent / "server.log"
    command = [sys.executable, "-u", "-m", "http.server", "0", "--bind", "127.0.0.1", "--directory", str(folder)]
    with log.open("wb") as stream:
        server = subprocess.Popen(command, stdout=stream, stderr=subprocess.STDOUT)
    line = until(lambda: log.read_text().partition("\n")[0], 20.0, "the server says where it listens")
    return server, f"http://127.0.0.1:{line.split(' port ')[1].split()[0]}/b.tar"


def _by_hand(url: str, folder: Path) -> None:
    tar = folder / "by-hand.tar"
    subprocess.run(["curl", "-sfo", str(tar), url], check=True)
    subprocess.run(["sha256sum", str(tar)], check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["cp", str(tar), str(folder / "by-hand.copy")], check=True)


def _by_edged(url: str, folder: Path) -> None:
    room = folder / "room"
    room.mkdir()
    staged = obtain(
        url, folder / "downloads", Rules(), lambda source: stage(source, room, Rules()), Options(within=300.0)
    )
    assert staged.copied > _SIZE


def _seconds(folder: Path, work: Callable[[], None]) -> float:
    """Wall time; what is left behind is removed, and the disk quiet, before the next one begins."""
    os.sync()
    begun = time.perf_counter()
    work()
    took = time.perf_counter() - begun
    shutil.rmtree(folder / "room", ignore_errors=True)
    for name in ("by-hand.tar", "by-hand.copy"):
        (folder / name).unlink(missing_ok=True)
    return took
