"""Evidence is read by many people: it holds no secret of the app."""

from __future__ import annotations

from edged.act.redact import redacted


def test_values_of_secrets_are_hidden_and_nothing_else() -> None:
    environment = [
        "PATH=/usr/bin", "DB_PASSWORD=hunter2", "API_KEY=abc", "AUTH_TOKEN=t=1", "MODEL=/m", "EMPTY_SECRET=",
        "DSN=postgres://u:p@db/x", "HOMEPAGE=http://example.org/a", "NOVALUE",
    ]  # fmt: skip
    kept = redacted({"Config": {"Env": environment, "Image": "i"}, "Id": "c"})
    assert kept["Config"]["Env"] == [
        "PATH=/usr/bin", "DB_PASSWORD=***", "API_KEY=***", "AUTH_TOKEN=***", "MODEL=/m", "EMPTY_SECRET=",
        "DSN=***", "HOMEPAGE=http://example.org/a", "NOVALUE",
    ]  # fmt: skip
    assert kept["Id"] == "c" and kept["Config"]["Image"] == "i"
    assert environment[1] == "DB_PASSWORD=hunter2"


def test_odd_descriptions_are_left_as_they_are() -> None:
    for odd in ({}, {"Config": None}, {"Config": {"Env": None}}, {"Config": {"Env": [1]}}):
        assert redacted(odd) == odd
