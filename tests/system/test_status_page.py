"""The status page of a running daemon: true, live, and closed to whoever has no token."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.fixtures.browser import Browser
from tests.fixtures.edged import Edged
from tests.fixtures.engine import Engine

pytestmark = pytest.mark.engine
Make = Callable[..., Edged]
TOKEN = "b3f1c0ffee0123456789abcdef"


def ask(daemon: Edged, path: str = "/", **headers: str) -> tuple[int, str, dict[str, str]]:
    connection = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=10.0)
    try:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode(), {k.lower(): v for k, v in answer.getheaders()}
    finally:
        connection.close()


def test_it_shows_a_failure_and_its_recovery_live(engine: Engine, edged: Make, browser: Browser) -> None:
    engine.run("worker")
    daemon = edged({"apps": {"worker": {"restart": {"backoff": "100ms"}}}}).start()
    daemon.wait_state("worker", "healthy")
    page = browser.page()
    page.look(390)
    page.open(f"http://127.0.0.1:{daemon.port}/")
    assert "healthy" in page.ask("document.querySelector('#app-worker').textContent")
    engine.client.stop("worker", timeout=1)
    daemon.wait_state("worker", "stopped")
    page.wait("document.querySelector('#app-worker').textContent.includes('stopped')")
    engine.client.start("worker")
    page.wait("document.querySelector('#app-worker').textContent.includes('healthy')")
    engine.client.pause("worker")
    page.wait("document.querySelector('#app-worker').textContent.includes('paused')")
    engine.client.unpause("worker")
    assert daemon.stop() == 0
    page.wait("document.querySelector('#lost').textContent.includes('does not answer')")


def test_an_alert_and_its_incident_are_on_it(engine: Engine, edged: Make) -> None:
    engine.run("broken", "sh", "-c", "exit 3")
    rules = {"budget": 1, "per": "1h", "backoff": "100ms", "retry_after": "1h"}
    daemon = edged({"apps": {"broken": {"restart": rules}}}).start()
    daemon.wait_event("recovery.gave_up")
    daemon.wait(lambda: "RecoveryExhausted" in ask(daemon)[1])
    shown = ask(daemon)[1]
    assert "1 of 1" in shown and 'class="card bad" id="app-broken"' in shown
    opened = daemon.wait_event("incident.opened")["data"]["incident"]
    daemon.wait(lambda: opened in ask(daemon)[1])


def test_the_same_page_is_told_by_its_tag(engine: Engine, edged: Make) -> None:
    daemon = edged().start()
    status, _, headers = ask(daemon)
    assert status == 200 and headers["content-security-policy"].startswith("default-src 'none'")

    def unchanged() -> bool:
        mark = ask(daemon)[2]["etag"]
        status, body, headers = ask(daemon, **{"If-None-Match": mark})
        return status == 304 and body == "" and headers["etag"] == mark

    daemon.wait(unchanged)


def test_without_a_token_only_this_machine_reads(engine: Engine, edged: Make) -> None:
    daemon = edged().start()
    for path in ("/", "/metrics", "/status.json"):
        assert ask(daemon, path)[0] == 200
        assert ask(daemon, path, Host="evil.example")[0] == 403
    assert ask(daemon, "/healthz", Host="evil.example")[0] == 200


def test_other_machines_need_the_token(engine: Engine, edged: Make, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(TOKEN + "\n")
    daemon = edged()
    listen: dict[str, Any] = {"listen": f"0.0.0.0:{daemon.port}", "token_file": str(file)}
    daemon.configure({"http": listen})
    daemon.start()
    for path in ("/", "/metrics", "/status.json"):
        status, body, headers = ask(daemon, path)
        assert status == 401 and "edged_app_up" not in body and "Basic" in headers["www-authenticate"]
        assert ask(daemon, path, Authorization=f"Bearer {TOKEN}x")[0] == 401
        assert ask(daemon, path, Authorization=f"Bearer {TOKEN}", Host="press-7.example")[0] == 200
    assert ask(daemon, "/healthz")[0] == 200 and ask(daemon, "/readyz")[0] in (200, 503)
    assert daemon.status()["device"] == "test-device", "the command line has a way of its own"

    # A new token with a reload; a bad one changes nothing.
    file.write_text(TOKEN[::-1])
    daemon.reload()
    daemon.wait(lambda: ask(daemon, "/metrics", Authorization=f"Bearer {TOKEN[::-1]}")[0] == 200)
    assert ask(daemon, "/metrics", Authorization=f"Bearer {TOKEN}")[0] == 401
    file.write_text("short")
    daemon.reload()
    daemon.wait(lambda: any("holds no token" in error for error in daemon.status()["config"]["errors"]))
    assert ask(daemon, "/metrics", Authorization=f"Bearer {TOKEN[::-1]}")[0] == 200


def test_a_token_that_cannot_be_read_keeps_all_out_and_nothing_down(
    engine: Engine, edged: Make, tmp_path: Path
) -> None:
    engine.run("worker")
    gone = tmp_path / "gone"
    daemon = edged()
    http = {"listen": f"0.0.0.0:{daemon.port}", "token_file": str(gone)}
    daemon.configure({"http": http, "apps": {"worker": {"restart": {"backoff": "100ms"}}}})
    daemon.start()
    daemon.wait_state("worker", "healthy")
    assert ask(daemon, "/metrics", Authorization="Bearer ")[0] == 503 and ask(daemon, "/healthz")[0] == 200
    assert "nobody can read the status page" in daemon.text()
    gone.write_text(TOKEN)
    daemon.reload()
    daemon.wait(lambda: ask(daemon, "/metrics", Authorization=f"Bearer {TOKEN}")[0] == 200)


def test_an_open_address_without_a_token_is_a_mistake(engine: Engine, edged: Make) -> None:
    daemon = edged().start()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    daemon.configure({"http": {"listen": f"0.0.0.0:{port}"}})
    daemon.reload()
    errors = daemon.wait(lambda: daemon.status()["config"]["errors"])
    assert "open to other machines, and no token is asked for" in errors[0]
    assert ask(daemon)[0] == 200
