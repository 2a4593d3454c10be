"""The section ``metrics``."""

from __future__ import annotations

import pytest

from edged.config import PRESETS, Metrics, names

from .conftest import Load, Refuse

URL = "url: 'http://127.0.0.1:8080/metrics'"


def metrics(load_text: Load, rest: str) -> Metrics:
    found = load_text(f"apps: {{a: {{metrics: {{{URL}, {rest}}}}}}}").config.apps["a"].metrics
    assert found is not None
    return found


def test_the_contracts_example(load_text: Load) -> None:
    found = metrics(
        load_text,
        "every: 15s, latency: {histogram: model_prediction_duration_seconds, quantile: 0.95, warn: 200ms, "
        "critical: 1s, for: 2m}, errors: {total: http_requests_total, failed: {status: '5..'}, warn: 1%, critical: 5%, "
        "for: 2m}, quality: {gauge: model_accuracy_ratio, min: 0.9}, stalled_after: 5m",
    )
    assert found.latency is not None and (found.latency.warn, found.latency.critical, found.latency.for_) == (
        0.2,
        1,
        120,
    )
    assert found.errors is not None and (found.errors.warn, found.errors.critical) == (0.01, 0.05)
    assert found.quality is not None and found.quality.min == 0.9 and found.stalled_after == 300.0


@pytest.mark.parametrize("preset", PRESETS)
def test_a_known_server_needs_no_names(load_text: Load, preset: str) -> None:
    known = names(metrics(load_text, f"preset: {preset}, latency: {{warn: 200ms, quantile: 0.9}}"))
    assert (known.histogram or known.summary) and known.quantile == 0.9


def test_own_names_and_units_come_before_the_presets(load_text: Load) -> None:
    found = metrics(load_text, "preset: tfserving, latency: {summary: s, unit: milliseconds}, errors: {total: n_total}")
    known = names(found)
    assert (known.histogram, known.summary, known.scale) == ("", "s", 1e-3)
    assert (known.totals, known.failures, known.failed) == (("n_total",), (), {})


def test_a_preset_with_an_own_idea_of_failures(load_text: Load) -> None:
    known = names(metrics(load_text, "preset: vllm, errors: {failed: {finished_reason: 'error|abort'}}"))
    assert known.totals == ("vllm:request_success_total",) and known.failed == {"finished_reason": "error|abort"}


@pytest.mark.parametrize(
    ("rest", "key", "words"),
    [
        ("latency: {}", "latency", "says not which metric holds the latency"),
        ("latency: {histogram: a, summary: b}", "latency.summary", "both given"),
        ("latency: {histogram: a, warn: 2s, critical: 1s}", "latency.warn", "must be less than critical"),
        ("latency: {histogram: 'a b'}", "latency.histogram", "not a valid metric name"),
        ("latency: {histogram: a, quantile: 1.5}", "latency.quantile", "at most"),
        ("latency: {histogram: a, unit: hours}", "latency.unit", "is not one of"),
        ("latency: {histogram: a, labels: {m: '('}}", "latency.labels.m", "is not a regular expression"),
        ("errors: {}", "errors", "says not which counter"),
        ("preset: kserve, errors: {}", "errors", "says not which counter"),
        ("errors: {total: a, warn: 10%, critical: 5%}", "errors.warn", "must be less than critical"),
        ("errors: {total: a, failed: {status: '[5'}}", "errors.failed.status", "is not a regular expression"),
        ("quality: {min: 0.9}", "quality.gauge", "is missing"),
        ("quality: {gauge: q, min: 0.9, labels: {m: '*'}}", "quality.labels.m", "is not a regular expression"),
        ("stalled_after: 5m", "stalled_after", "needs something that counts inferences"),
        ("preset: trition", "preset", "is not one of"),
    ],
)
def test_what_contradicts_itself(refuse: Refuse, rest: str, key: str, words: str) -> None:
    (problem,) = refuse(f"apps: {{a: {{metrics: {{{URL}, {rest}}}}}}}")
    assert problem.key == f"apps.a.metrics.{key}" and words in problem.reason


def test_errors_that_can_never_be_told_are_warned_of(load_text: Load) -> None:
    def warned(errors: str, rest: str = "") -> list[str]:
        found = load_text(f"apps: {{a: {{metrics: {{{URL}, {rest} errors: {{{errors}}}}}}}}}").warnings
        return [f"{one.key} {one.reason}" for one in found]

    (told,) = warned("total: a_total")
    assert told.startswith("apps.a.metrics.errors says not which requests failed")
    assert not warned("total: a_total, failed: {status: '5..'}")
    assert not warned("total: a_total, warn: 0%, critical: 0%"), "it only counts"
    assert not warned("", "preset: triton,") and not warned("", "preset: vllm,")
