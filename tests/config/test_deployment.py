"""The sections for deployments."""

from __future__ import annotations

import pytest

from .conftest import Load, Refuse


@pytest.mark.parametrize("url", ["http://127.0.0.1:8080", "https://detector.example/api/", "http://[::1]:8080/v1"])
def test_where_smoke_requests_go(load_text: Load, url: str) -> None:
    model = load_text(f"apps: {{a: {{model: {{path: /models, smoke: '{url}'}}}}}}").config.apps["a"].model
    assert model is not None and model.smoke == url


@pytest.mark.parametrize(
    "url", ["", "127.0.0.1:8080", "http://", "ftp://x", "http://x?a=1", "http://x/y#z", "http://x:0"]
)
def test_what_is_no_address_to_put_paths_behind(refuse: Refuse, url: str) -> None:
    (problem,) = refuse(f"apps: {{a: {{model: {{path: /models, smoke: '{url}'}}}}}}")
    assert problem.key == "apps.a.model.smoke"


def test_left_out_nothing_is_sent(load_text: Load) -> None:
    model = load_text("apps: {a: {model: {path: /models}}}").config.apps["a"].model
    assert model is not None and model.smoke == ""


def test_a_probe_needs_to_know_where_the_app_answers(load_text: Load, refuse: Refuse) -> None:
    model = load_text("apps: {a: {model: {path: /m, smoke: 'http://x', probe: {every: 1h}}}}").config.apps["a"].model
    assert model is not None and model.probe is not None and (model.probe.every, model.probe.timeout) == (3600.0, 10.0)
    (problem,) = refuse("apps: {a: {model: {path: /m, probe: {every: 1h}}}}")
    assert problem.key == "apps.a.model.probe" and "where the app answers" in problem.reason
    (problem,) = refuse("apps: {a: {model: {path: /m, smoke: 'http://x', probe: {every: 5s}}}}")
    assert "may not be longer than every" in problem.reason
    metrics = "{url: 'http://x', preset: kserve, stalled_after: 5m}"
    text = f"apps: {{a: {{metrics: {metrics}, model: {{path: /m, smoke: 'http://x', probe: {{}}}}}}}}"
    (problem,) = refuse(text)
    assert problem.key == "apps.a.metrics.stalled_after" and "never sees silence" in problem.reason
