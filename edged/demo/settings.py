"""The demo's configuration of edged: quick, so that a minute is enough. In the field everything is calmer."""

from __future__ import annotations

from pathlib import Path

from .container import MODELS

APP = "detector"
DEVICE = "demo-box"
STAYS_STOPPED = 4.0
"""Seconds in which edged must leave a stopped app alone; it would start one that died within a second."""


def plain(broker: int) -> str:
    """``mqtt:`` for a broker on this port that lets everybody in."""
    return f'url: "mqtt://127.0.0.1:{broker}"'


def config(
    *,
    state: Path,
    engine: str,
    container: str,
    app: int,
    page: int,
    mqtt: str,
    device: str = DEVICE,
    site: str = "demo",
    more: str = "",
) -> str:
    """The file as text; ``app`` and ``page`` are ports, ``mqtt`` the way to the broker, ``more`` further sections."""
    return f"""\
# Made by edged demo. Every key is explained in config/edged.yaml.
device: {{id: {device}, labels: {{site: {site}}}}}
state_dir: {state}
mqtt: {{{mqtt}, metrics_every: 15s}}
{more}\
http: {{listen: "127.0.0.1:{page}"}}
docker: {{url: "{engine}", restart: {{after: 0s}}}}    # never touch this machine's engine itself
sampling: {{every: 500ms}}
discover: off                                         # nor anybody else's containers
apps:
  {APP}:
    container: {container}
    health: {{http: "http://127.0.0.1:{app}/health", every: 1s, timeout: 1s, failures: 2, start_period: 10s}}
    memory: {{warn: 60%, critical: 80%, for: 2s, leak: {{window: 12s, horizon: 1h}}}}
    metrics:
      url: http://127.0.0.1:{app}/metrics
      every: 500ms
      timeout: 500ms
      latency: {{histogram: model_prediction_duration_seconds}}
      errors: {{total: http_requests_total, failed: {{status: "5.."}}}}
    model:
      path: {MODELS}
      delivery: mount
      gate: {{window: 3s, min_samples: 10, latency: 10}}  # a laptop has other things to do, too
      smoke: "http://127.0.0.1:{app}"
    restart: {{budget: 10, per: 10m, backoff: 200ms, max_backoff: 2s, reset_after: 5s, stop_timeout: 3s}}
"""


def spoiled(good: str) -> str:
    """The same with two mistakes that people make."""
    return good.replace("memory: {warn: 60%, critical: 80%", "memmory: {warn: 60%, critical: 80%").replace(
        "every: 1s", "every: soon"
    )
