"""Fixtures shared by all tests. What needs a real engine or broker says so with a mark."""

import os
import signal

import pytest

# Set before anything imports onnxruntime: it would phone home otherwise.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
# Before anything imports numpy: its threads wait by spinning, which takes the cores from the other workers.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# What is started in the background ignores ^C, and so would everything that tests start and interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

pytest_plugins = [
    "tests.fixtures.broker",
    "tests.fixtures.engine",
    "tests.fixtures.edged",
    "tests.fixtures.machine",
    "tests.fixtures.browser",
    "tests.fixtures.prometheus",
    "tests.fixtures.unit",
]

SLOW = (
    "tests/adapters/test_docker_engine",
    "tests/system/",
    "tests/fleet/",
    "tests/broker/",
    "tests/app/",
    "tests/web/test_browser",
    "tests/adapters/test_artifacts",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes long comes first, so that no worker is left alone with it in the end."""
    items.sort(key=lambda item: next((i for i, part in enumerate(SLOW) if item.nodeid.startswith(part)), len(SLOW)))
