"""The examination of the engine and of control groups against a real one."""

from __future__ import annotations

import socket
import threading
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from edged.doctor import cgroups
from edged.doctor import engine as examination
from edged.doctor.finding import Finding
from edged.doctor.identity import Identity
from tests.fixtures.engine import Engine

from .conftest import Admit


def by_name(found: Any) -> dict[str, Finding]:
    return {one.name: one for one in found}


@pytest.mark.engine
def test_an_engine_and_its_apps(engine: Engine, examined: Admit) -> None:
    engine.run("limited", mem_limit=64 * 2**20)
    engine.run("free")
    apps = {"limited": {"health": {"tcp": "127.0.0.1:1"}}, "free": {}, "lost": {}}
    patient = examined({"docker": {"url": engine.url}, "apps": apps})
    found = by_name(examination.look(patient))
    assert found["engine"].verdict == "ok" and "2 of 2 containers run" in found["engine"].text
    assert "2 found: free, limited" in found["engine apps"].text
    assert "no container for lost" in found["engine apps missing"].text
    assert "no health check for free" in found["engine apps health"].text
    assert "no memory limit for free" in found["engine apps memory"].text and "free" in found["engine apps memory"].fix
    assert "free, limited grow" in found["engine apps logs"].text
    read = by_name(cgroups.look(patient))
    assert read["cgroups"].verdict == "ok" and read["cgroups reading"].verdict == "ok"
    assert "MiB" in read["cgroups reading"].text


@pytest.mark.engine
def test_an_engine_that_hangs_or_is_gone(engine: Engine, examined: Admit) -> None:
    patient = examined({"docker": {"url": engine.url}})
    engine.freeze()
    began = time.monotonic()
    hangs = by_name(examination.look(patient))["engine"]
    assert time.monotonic() - began < 6.0
    assert hangs.verdict == "fail" and "sudo systemctl restart docker.service" in hangs.fix, hangs
    engine.thaw()
    engine.hide_socket()
    gone = by_name(examination.look(patient))["engine"]
    assert gone.verdict == "fail" and "enable --now docker.service" in gone.fix
    assert by_name(cgroups.look(patient))["cgroups reading"].verdict == "skip"


@pytest.mark.engine
def test_the_socket_of_the_engine_for_another_user(engine: Engine, examined: Admit) -> None:
    stranger = Identity(name="nobody", uid=65534, gid=65534, mine=False)
    patient = msgspec.structs.replace(examined({"docker": {"url": engine.url}}), daemon=stranger)
    told = by_name(examination.look(patient))["engine access"]
    assert told.verdict == "fail" and "usermod -aG docker nobody" in told.fix
    group = msgspec.structs.replace(stranger, groups=(engine.socket.stat().st_gid,))
    told = by_name(examination.look(msgspec.structs.replace(patient, daemon=group)))["engine access"]
    assert told.verdict == "ok", told


def test_something_that_is_no_engine(examined: Admit, tmp_path: Path) -> None:
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")

        thread = threading.Thread(target=answer)
        thread.start()
        told = by_name(examination.look(examined({"docker": {"url": f"unix://{path}"}})))["engine"]
        thread.join(5.0)
    assert told.verdict == "fail" and "docker.url" in told.fix
