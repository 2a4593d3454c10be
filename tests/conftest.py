"""Fixtures shared by all tests. What needs a real engine or broker says so with a mark."""

import os

# Set before anything imports onnxruntime: it would phone home otherwise.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

pytest_plugins = [
    "tests.fixtures.broker",
    "tests.fixtures.engine",
    "tests.fixtures.edged",
    "tests.fixtures.machine",
    "tests.fixtures.prometheus",
    "tests.fixtures.unit",
]
