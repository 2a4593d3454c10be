"""Fixtures shared by all tests. What needs a real engine or broker says so with a mark."""

pytest_plugins = ["tests.fixtures.broker", "tests.fixtures.engine"]
