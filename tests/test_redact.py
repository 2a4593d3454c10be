"""Evidence and alerts are read by many people: they hold no secret of the app."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.redact import HIDDEN, redacted, sample, without_secrets


def test_values_of_secrets_are_hidden_and_nothing_else() -> None:
    environment = [
        "PATH=/usr/bin", "DB_PASSWORD=hunter2", "API_KEY=abc", "AUTH_TOKEN=t=1", "MODEL=/m", "EMPTY_SECRET=",
        "DSN=postgres://u:p@db/x", "HOMEPAGE=http://example.org/a", "NOVALUE",
    ]  # fmt: skip
    kept = redacted({"Config": {"Env": environment, "Image": "i"}, "Id": "c"})
    assert kept["Config"]["Env"] == [
        "PATH=/usr/bin", "DB_PASSWORD=***", "API_KEY=***", "AUTH_TOKEN=***", "MODEL=/m", "EMPTY_SECRET=",
        "DSN=postgres://***@db/x", "HOMEPAGE=http://example.org/a", "NOVALUE",
    ]  # fmt: skip
    assert kept["Id"] == "c" and kept["Config"]["Image"] == "i"
    assert environment[1] == "DB_PASSWORD=hunter2"


def test_wherever_a_description_holds_one() -> None:
    shown = redacted(
        {
            "Args": ["--password", "hunter2", "--verbose", "--token=hunter2", "-c", "x --api-key hunter2"],
            "Config": {
                "Env": ["OPTS=--password hunter2", "SENTRY_DSN=https://hunter2@sentry.example/1", "SSH_KEY=hunter2"],
                "Labels": {"org.example.key": "hunter2", "author": "bob"},
                "Healthcheck": {"Test": ["CMD-SHELL", "curl -H 'Authorization: Bearer hunter2' http://x/"]},
            },
            "HostConfig": {
                "LogConfig": {"Config": {"splunk-token": "hunter2", "max-size": "1m"}},
                "Mounts": [{"VolumeOptions": {"DriverConfig": {"Options": {"o": "username=bob,password=hunter2"}}}}],
            },
            "State": {"Health": {"Log": [{"ExitCode": 1, "Output": "refused: password=hunter2"}]}, "Pid": 7},
        }
    )
    assert "hunter2" not in str(shown)
    assert shown["Config"]["Labels"]["author"] == "bob" and shown["State"]["Pid"] == 7
    assert shown["Args"][2] == "--verbose" and shown["HostConfig"]["LogConfig"]["Config"]["max-size"] == "1m"


def test_odd_descriptions_are_left_as_they_are() -> None:
    for odd in ({}, {"Config": None}, {"Config": {"Env": None}}, {"Config": {"Env": [1]}}):
        assert redacted(odd) == odd


JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("ERROR login of bob failed", "ERROR login of bob failed"),
        ("password=hunter2", "password=***"),
        ("DB_PASSWORD: 'two words' next", "DB_PASSWORD: *** next"),
        ('{"user":"bob","password":"hun,ter\'2","ok":false}', '{"user":"bob","password":***,"ok":false}'),
        ('{"password":123,"ok":false}', '{"password":***'),
        ("?user=bob&api_key=abcdef&x=1", "?user=bob&api_key=***"),
        ("Authorization: Bearer abcdefghijkl and more", "Authorization: Bearer *** and more"),
        ("header authorization=Basic dXNlcjpwYXNz", "header authorization=Basic ***"),
        ("sent Bearer abcdefgh12345678", "sent Bearer ***"),
        ("connect postgres://bob:hunter2@db:5432/x failed", "connect postgres://***@db:5432/x failed"),
        ("amqp://:s3cret@host", "amqp://***@host"),
        ("see http://example.org:8080/a?b=c", "see http://example.org:8080/a?b=c"),
        (f"token {JWT} expired", "token *** expired"),
        (f"x-auth-token: {JWT}", "x-auth-token: ***"),
        ("AKIAIOSFODNN7EXAMPLE denied", "*** denied"),
        ("ghp_0123456789abcdefghijABCDEFGHIJ456789 revoked", "*** revoked"),
        ("mosquitto_pub --password hunter2 -t x", "mosquitto_pub --password *** -t x"),
        ("Set-Cookie: session=abc; Path=/", "Set-Cookie: ***"),
        ("the password is hunter2 now", "the password is *** now"),
        ("-----BEGIN RSA PRIVATE KEY-----MIIEow", "***"),
        ("authentication failed for bob", "authentication failed for bob"),
        ('say "token": "a\\"b", ok', 'say "token": ***, ok'),
        ("the token bucket is empty", "the token bucket is empty"),
        ("secret=", "secret="),
        ("https://0123abcd@sentry.example/1", "https://***@sentry.example/1"),
        ("GET /blob?se=2026&sig=hunter2&x=1", "GET /blob?se=2026&sig=***&x=1"),
        ("open app:hunter2@tcp(db:3306)/x", "open app:***@tcp(db:3306)/x"),
        ("<password>hunter2</password>", "<password>***</password>"),
        ('said {\\"password\\":\\"hunter2\\"}', 'said {\\"password\\":***"}'),
        ("'password' => 'hunter2'", "'password' => ***"),
        ("api key: hunter2", "api key: ***"),
        ("bob came with password hunter2", "bob came with password ***"),
        ("author: bob", "author: bob"),
    ],
)
def test_secrets_in_lines(line: str, shown: str) -> None:
    assert without_secrets(line) == shown


@given(st.text(st.sampled_from("abcXYZ0189!#$%^*()_+~"), min_size=6, max_size=60), st.sampled_from(("=", ": ", '="')))
def test_no_value_behind_a_telling_name_is_shown(value: str, sign: str) -> None:
    for name in ("password", "DB_PASSWD", "api-key", "client_secret", "ACCESS_TOKEN", "privateKey"):
        shown = without_secrets(f"x {name}{sign}{value}")
        assert value not in shown and HIDDEN in shown


@given(st.text(max_size=300))
def test_a_sample_is_one_short_printable_line(text: str) -> None:
    shown = sample(text, 160)
    assert len(shown) <= 160 and (shown.isprintable() or not shown)


def test_hiding_is_quick_whatever_the_line() -> None:
    """Lines come from apps; each rule of ours is held to what is asked of those in the configuration."""
    for bad in (
        "password",
        "a" * 999,
        '"' * 999,
        "authorization: " * 70,
        "://" * 330,
        "Bearer " * 140,
        "--pass-" * 140,
    ):
        began = time.thread_time()
        without_secrets((bad * 1000)[:1000])
        assert time.thread_time() - began < 0.2
