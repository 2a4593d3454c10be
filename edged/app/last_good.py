"""A copy of the configuration that was last in force, for a start with a file that is not in order.

A device that was given a bad file and then lost power would come up without a watchdog; with the copy it goes on as
before, and says what is wrong with the file.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from pathlib import Path

from ..adapters.atomic import write_atomic
from ..config.defaults import state_dir
from ..config.load import Loaded, load
from ..config.problem import ConfigError

log = logging.getLogger(__name__)

NAME = "last-good.yaml"


def keep(folder: Path, loaded: Loaded) -> None:
    """Copies the file that is in force now into the state ``folder``, unless that is there already."""
    copy = folder / NAME
    if not loaded.path or Path(loaded.path) == copy:
        return
    try:
        if not copy.exists() or copy.read_bytes() != loaded.data:
            write_atomic(copy, loaded.data, 0o600)  # it may hold a password
    except OSError as error:
        log.warning("the configuration in force could not be copied to %s: %s", copy, error.strerror)


def recall(path: Path, env: Mapping[str, str]) -> Loaded | None:
    """What was in force before ``path`` was changed; ``None``: nothing that can be used.

    Only under a service manager: a person who starts edged by hand wants to hear of the errors and nothing else.
    """
    if "INVOCATION_ID" not in env and "NOTIFY_SOCKET" not in env:
        return None
    copy = Path(state_dir(env)) / NAME
    if not os.access(copy, os.R_OK):
        return None
    try:
        return load(copy, env, folder=path.absolute().parent)
    except ConfigError as error:
        log.error("the configuration that was last in force cannot be used either: %s", error)
        return None
