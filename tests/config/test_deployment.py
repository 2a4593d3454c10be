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
