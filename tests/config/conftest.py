"""Writes configurations and loads them with nothing taken from this machine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from textwrap import dedent

import pytest

from edged.config import ConfigError, Loaded, Problem, load

Load = Callable[..., Loaded]
Refuse = Callable[..., tuple[Problem, ...]]


@pytest.fixture
def load_text(tmp_path: Path) -> Load:
    """Loads a text (or bytes) as a file."""

    def run(text: str | bytes, env: Mapping[str, str] | None = None) -> Loaded:
        path = tmp_path / "edged.yaml"
        path.write_bytes(text if isinstance(text, bytes) else dedent(text).lstrip("\n").encode())
        return load(path, env or {}, hostname="box")

    return run


@pytest.fixture
def refuse(load_text: Load) -> Refuse:
    """The problems of a text that must not load."""

    def run(text: str | bytes, env: Mapping[str, str] | None = None) -> tuple[Problem, ...]:
        with pytest.raises(ConfigError) as caught:
            load_text(text, env)
        return caught.value.errors

    return run
