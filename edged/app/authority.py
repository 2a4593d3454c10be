"""The trust file, read with the configuration."""

from __future__ import annotations

from pathlib import Path

from ..bundles.trust import Trust, load
from ..config import Config
from ..config.problem import ConfigError, render
from ..vocabulary.state import State
from ..vocabulary.trust import TrustedKey


def read(config: Config) -> tuple[tuple[TrustedKey, ...], tuple[str, ...]]:
    """The keys of the trust file, or what is wrong with it; no file: no keys."""
    if not config.commands.trust:
        return (), ()
    try:
        return load(Path(config.commands.trust)).keys, ()
    except ConfigError as error:
        return (), tuple(render((problem,)) for problem in error.errors)


def signers(state: State, config: Config) -> Trust | None:
    """Whose signatures under bundles count; ``None``: nobody has said that they must be signed."""
    authority = state.authority
    if not (config.commands.trust or authority.added or authority.revoked or authority.damaged):
        return None
    return Trust(keys=authority.keys)
