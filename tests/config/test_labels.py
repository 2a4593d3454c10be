from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.config import App, Health, Memory, Restart, app_from_labels, app_name, enabled, observed_app

from .conftest import Load


def test_labels_describe_an_app() -> None:
    app, errors = app_from_labels(
        "x",
        {
            "edged.enable": "true",
            "edged.app": "x",
            "edged.health.http": "http://127.0.0.1/health",
            "edged.memory.critical": "97%",
            "edged.memory.warn": "96%",
            "edged.memory.for": "1m",
            "edged.needs": "broker, other,",
            "edged.restart.enabled": "no",
            "edged.priority": "3",
            "com.example.other": "x",
            "edgedx.y": "x",
        },
        None,
    )
    assert errors == ()
    assert app == App(
        needs=("broker", "other"),
        health=Health(http="http://127.0.0.1/health"),
        memory=Memory(warn=0.96, critical=0.97, for_=60.0),
        restart=Restart(enabled=False),
        priority=3,
    )


def test_names_of_the_operators_choice_are_labels_as_well() -> None:
    given = {
        "edged.metrics.url": "http://127.0.0.1/metrics",
        "edged.metrics.errors.total": "requests_total",
        "edged.metrics.errors.failed.status": "5..",
        "edged.metrics.errors.labels.path": "/predict",
    }
    app, errors = app_from_labels("x", given, None)
    assert errors == () and app.metrics is not None and app.metrics.errors is not None
    assert (app.metrics.errors.failed, app.metrics.errors.labels) == ({"status": "5.."}, {"path": "/predict"})
    (error,) = app_from_labels("x", given | {"edged.metrics.errors.failed.a.b": "5.."}, None)[1]
    assert "unknown label" in error


def test_no_labels_change_nothing() -> None:
    assert app_from_labels("x", {}, None) == (App(), ())
    assert app_from_labels("x", {}, observed_app("c")) == (observed_app("c"), ())


def test_the_file_wins(load_text: Load) -> None:
    # priority is given as what is the default anyway, and still counts.
    base = load_text("apps: {x: {priority: 50, needs: [y], health: {every: 10s}}, y: }").config.apps["x"]
    labels = {"edged.priority": "3", "edged.needs": "z", "edged.health.every": "7s", "edged.health.failures": "9"}
    app, errors = app_from_labels("x", labels, base)
    assert errors == ()
    assert (app.priority, app.needs, app.health.every, app.health.failures) == (50, ("y",), 10.0, 9)


def test_an_app_built_by_the_program_wins_where_it_differs() -> None:
    app, errors = app_from_labels("x", {"edged.restart.enabled": "true", "edged.priority": "3"}, observed_app("x"))
    assert (app.restart.enabled, app.priority, errors) == (False, 3, ())


ERRORS = [
    ("edged.helth.http", "x", "edged.helth.http='x': unknown label (did you mean edged.health.http?)"),
    ("edged.timeout", "5s", "edged.timeout='5s': unknown label (did you mean edged.health.timeout?)"),
    ("edged.enabled", "true", "edged.enabled='true': unknown label (did you mean edged.enable?)"),
    ("edged.qqqqqq", "1", "edged.qqqqqq='1': unknown label"),
    ("edged.", "1", "edged.='1': unknown label (did you mean edged.app?)"),
    ("edged.given", "a", "edged.given='a': unknown label"),
    ("edged.health", "x", "edged.health='x': names a section (give one of its keys, as in edged.health.http)"),
    ("edged.container", "y", "edged.container='y': unknown label (a container cannot say which container it is)"),
    ("edged.container.label", "y",
     "edged.container.label='y': unknown label (a container cannot say which container it is)"),
    ("edged.enable", "1", "edged.enable='1': is neither true nor false (write true or false)"),
    ("edged.app", "a b", "edged.app='a b': is not a valid name (letters, digits, `_`, `.` and `-`)"),
    ("edged.priority", "high", "edged.priority='high': is not a whole number"),
    ("edged.health.every", "5",
     "edged.health.every='5': has no unit (write it like 500ms, 5s, 2m, 1h or 7d)"),
    ("edged.health.every", "1s", "edged.health.every='1s': timeout (2s) may not be longer than every (1s)"),
    ("edged.memory.warn", "99%", "edged.memory.warn='99%': warn (99%) must be less than critical (95%)"),
    ("edged.needs", "a,a", "edged.needs='a,a': names a twice"),
    ("edged.needs", "a,b c",
     "edged.needs='a,b c': is not a valid name (letters, digits, `_`, `.` and `-`, at most 128, beginning with a "
     "letter or digit)"),
    ("edged.health.ca_file", "x.pem", "edged.health.ca_file='x.pem': is not a full path (begin it with /)"),
    ("edged.cpu.warn", "${HOME}", "edged.cpu.warn='${HOME}': is not a share (write it like 80% or 0.8)"),
]  # fmt: skip


@pytest.mark.parametrize(("label", "value", "error"), ERRORS)
def test_errors(label: str, value: str, error: str) -> None:
    app, errors = app_from_labels("x", {label: value, "edged.cpu.throttled": "50%"}, None)
    assert errors == (error,)
    assert app.cpu.throttled == 0.5, "the good label still counts"
    assert app_from_labels("x", {"edged.cpu.throttled": "50%"}, None)[0] == app, "the bad one does not"


def test_rules_between_labels_and_the_file() -> None:
    base = App(health=Health(http="http://x"))
    app, errors = app_from_labels("x", {"edged.health.tcp": "x:1", "edged.health.failures": "5"}, base)
    assert errors == ("edged.health.tcp='x:1': http and tcp are both given (keep one of them)",)
    assert (app.health.http, app.health.tcp, app.health.failures) == ("http://x", "", 5)


def test_several_errors_at_once() -> None:
    labels = {"edged.memory.warn": "98%", "edged.memory.critical": "97%", "edged.priority": "x", "edged.x": "y"}
    app, errors = app_from_labels("x", labels, None)
    assert [error.partition("=")[0] for error in errors] == ["edged.x", "edged.priority", "edged.memory.warn"]
    assert app == App(memory=Memory(critical=0.97))


def test_names() -> None:
    assert app_name("web-1", {}) == "web-1"
    assert app_name("/web", {}) == "web"
    assert app_name("web", {"edged.app": "shop"}) == "shop"
    assert app_name("web", {"edged.app": "not valid"}) == "web"
    assert app_name("/../ä b", {}) == "b"
    assert app_name("ä", {}) == "container"
    assert len(app_name("a" * 500, {})) == 128


def test_enabled() -> None:
    assert enabled({"edged.enable": "true"})
    assert not enabled({})
    assert enabled({}, default=True)
    assert not enabled({"edged.enable": "false"}, default=True)
    assert not enabled({"edged.enable": "perhaps"})


@given(
    st.dictionaries(
        st.sampled_from(
            ["edged.health", "edged.health.http", "edged.health.tcp", "edged.health.every", "edged.health.timeout",
             "edged.memory.warn", "edged.memory.critical", "edged.needs", "edged.restart.backoff", "edged.enable",
             "edged.restart.max_backoff", "edged.container", "edged.health.ca_file"]
        )
        | st.text(max_size=8).map("edged.".__add__),
        st.sampled_from(["1s", "5s", "500ms", "90%", "10%", "a,b", "http://x", "x:1", "", "/x", "true"])
        | st.text(max_size=5),
        max_size=8,
    )
)  # fmt: skip
def test_whatever_the_labels_the_app_is_in_order(labels: dict[str, str]) -> None:
    app, errors = app_from_labels("x", labels, None)
    assert app.memory.warn < app.memory.critical
    assert app.health.timeout <= app.health.every
    assert not (app.health.http and app.health.tcp)
    assert len(errors) <= len(labels)
    assert all(error.isprintable() for error in errors)
