"""Who may read what is served on TCP."""

from __future__ import annotations

from base64 import b64encode

import pytest

from edged.config.listen import host_of, loopback
from edged.ports import Request, Response, Routes
from edged.report.access import Door, shown

TOKEN = "0123456789abcdef0123456789abcdef"
ROUTES: Routes = {
    ("GET", path): lambda request: Response(200, b"content")
    for path in ("/", "/metrics", "/status.json", "/healthz", "/readyz")
}


def ask(token: str | None, path: str = "/metrics", **headers: str) -> Response:
    return Door(token).guard(ROUTES)["GET", path](Request(path, {}, b"", "10.0.0.9", headers=headers))


def basic(name: str, password: str) -> str:
    return "Basic " + b64encode(f"{name}:{password}".encode()).decode()


@pytest.mark.parametrize(
    "given", [f"Bearer {TOKEN}", f"bearer {TOKEN}", basic("", TOKEN), basic("ann", TOKEN), "b" + basic("a", TOKEN)[1:]]
)
@pytest.mark.parametrize("path", ["/", "/metrics", "/status.json"])
def test_the_token_opens(path: str, given: str) -> None:
    assert ask(TOKEN, path, authorization=given, host="press-7.plant.example:9108").status == 200


@pytest.mark.parametrize(
    "given",
    [
        "", "Bearer", "Bearer ", f"Bearer {TOKEN[:-1]}", f"Bearer {TOKEN}x", f"Bearer x{TOKEN}", TOKEN,
        f"Token {TOKEN}",
        basic(TOKEN, ""), basic(TOKEN, "x"), basic("", TOKEN[:-1]), "Basic", "Basic !!!", "Basic /w==", "Bearer ü",
        f"Basic {TOKEN}", "Bearer None",
    ],
)  # fmt: skip
@pytest.mark.parametrize("path", ["/", "/metrics", "/status.json"])
def test_nothing_else_opens(path: str, given: str) -> None:
    answer = ask(TOKEN, path, authorization=given, host="127.0.0.1")
    assert answer.status == 401 and answer.body != b"content"
    assert answer.headers["WWW-Authenticate"].startswith("Basic realm=")


def test_without_the_header() -> None:
    assert ask(TOKEN).status == 401 and shown({}) == ""


@pytest.mark.parametrize("token", [TOKEN, "", None])
@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_probes_need_none(path: str, token: str | None) -> None:
    assert ask(token, path, host="10.0.0.5:9108").status == 200


def test_when_the_token_could_not_be_read_nobody_gets_in() -> None:
    for given in ("", "Bearer ", "Bearer None", f"Bearer {TOKEN}"):
        assert ask(None, authorization=given, host="127.0.0.1").status == 503


@pytest.mark.parametrize("host", ["127.0.0.1:9108", "localhost:9108", "LOCALHOST", "[::1]:9108", "127.8.8.8", ""])
def test_without_a_token_this_machine_may_read(host: str) -> None:
    assert ask("", host=host).status == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:1", "10.0.0.1:1", "127.0.0.1.evil.example", "localhost.x"]
)
def test_without_a_token_other_names_are_refused(host: str) -> None:
    """A page elsewhere may call itself by this machine's address, and have a browser here read for it."""
    assert ask("", host=host).status == 403


def test_a_new_token_counts_from_then_on() -> None:
    door = Door(TOKEN)
    route = door.guard(ROUTES)["GET", "/"]
    request = Request("/", {}, b"", "", headers={"authorization": f"Bearer {TOKEN}"})
    assert route(request).status == 200
    door.token = TOKEN[::-1]
    assert route(request).status == 401


@pytest.mark.parametrize(
    ("address", "host", "own"),
    [
        ("127.0.0.1:9108", "127.0.0.1", True), (":9108", "", True), ("[::1]:9108", "::1", True), ("::1", "::1", True),
        ("localhost:1", "localhost", True), ("localhost.:1", "localhost.", True), ("0.0.0.0:9108", "0.0.0.0", False),
        ("[::]:9108", "::", False), ("10.1.2.3:9108", "10.1.2.3", False), ("press-7:9108", "press-7", False),
        ("127.evil.example:1", "127.evil.example", False), ("127.1:1", "127.1", False),
    ],
)  # fmt: skip
def test_addresses(address: str, host: str, own: bool) -> None:
    assert (host_of(address), loopback(address)) == (host, own)
