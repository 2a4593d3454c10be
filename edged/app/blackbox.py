"""What a run leaves behind that does not end by itself, and what the next one makes of it.

Small files in the service manager's runtime folder, which is memory: they can be written while the disk hangs, and
wear no flash. Without a service manager they are in the state folder.
"""

from __future__ import annotations

import faulthandler
import logging
import re
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from msgspec import Struct

from ..adapters.atomic import write_atomic

log = logging.getLogger(__name__)

NOTE, STACKS, RESULT = "hung", "stacks", "result"
"""Names of the files: what edged saw hang; where its threads stood at SIGABRT; ``$SERVICE_RESULT``."""
WITHIN = 1.0
"""Seconds that a note may take to be written."""
MOST = 64 * 1024

_THREAD = re.compile(r"(?:Current thread|Thread) 0x([0-9a-f]+)[^\n]*\n((?:  File [^\n]*\n?)*)")
_FRAME = re.compile(r'  File "([^"]*)", line (\d+|\?\?\?) in (.*)')


class Left(Struct, frozen=True):
    """What the run before left behind; empty: it did not."""

    note: str = ""
    stacks: str = ""
    result: str = ""


class Blackbox:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stacks: IO[bytes] | None = None

    def open(self) -> Left:
        """What the run before left, and away with it."""
        return Left(*(self._take(name) for name in (NOTE, STACKS, RESULT)))

    def _take(self, name: str) -> str:
        path = self._folder / name
        try:
            with path.open("rb") as file:
                text = file.read(MOST).decode("utf-8", "replace").strip()
            path.unlink()
        except FileNotFoundError:
            return ""
        except OSError as error:
            log.warning("what the run before left in %s cannot be read: %s", path, error.strerror)
            return ""
        return text

    def arm(self) -> None:
        """From now on SIGABRT, which the watchdog sends, and crashes in C write down where each thread stands."""
        path = self._folder / STACKS
        try:
            self._stacks = path.open("wb", buffering=0)
            self._stacks.write(f"main 0x{threading.main_thread().ident or 0:x}\n".encode())
        except OSError as error:
            log.warning("%s cannot be written: a crash would leave no trace: %s", path, error.strerror)
            return
        faulthandler.enable(self._stacks, all_threads=True)

    def disarm(self) -> None:
        """At an orderly end there is nothing to be left."""
        if self._stacks is not None:
            faulthandler.disable()
            self._stacks.close()
            self._stacks = None
            (self._folder / STACKS).unlink(missing_ok=True)

    def note(self, text: str) -> bool:
        """Writes down why this run gives itself up. Waits for that no longer than ``WITHIN``; false: not written."""
        done = threading.Event()

        def write() -> None:
            try:
                write_atomic(self._folder / NOTE, text.encode())
            except OSError as error:
                log.error("the reason could not be written down: %s", error.strerror)
            else:
                done.set()

        threading.Thread(target=write, name="edged-note", daemon=True).start()
        return done.wait(WITHIN)


def folder(state: Path, env: Mapping[str, str]) -> Path:
    runtime = env.get("RUNTIME_DIRECTORY", "").partition(":")[0]
    return Path(runtime) if runtime else state


def ended_badly(left: Left) -> str:
    """How the run before ended, by what it left; empty: nothing speaks for a bad end."""
    if left.note:
        return f"watchdog: {left.note}"
    place = where(left.stacks)
    if left.result == "watchdog":
        return f"watchdog: the loop hung in {place}" if place else "watchdog: edged was frozen, it did nothing at all"
    if left.result in ("oom-kill", "timeout"):
        return left.result
    if place:
        return f"crash: {_signal(left.stacks)} in {place}"
    return "crash" if left.result in ("signal", "core-dump") else ""


def where(stacks: str) -> str:
    """``file:line function`` where the loop stood: in edged's own code, if it was anywhere in it."""
    main = re.match(r"main 0x([0-9a-f]+)\n", stacks)
    for thread, frames in _THREAD.findall(stacks):
        if main is None or int(thread, 16) != int(main[1], 16):
            continue
        found = _FRAME.findall(frames)
        own = [frame for frame in found if "/edged/" in frame[0]] or found
        if own:
            path, line, function = own[0]
            at = path.rfind("/edged/")
            return f"{path[at + 1 :] if at >= 0 else path}:{line} {function}"
    return ""


def _signal(stacks: str) -> str:
    named = re.search(r"^Fatal Python error: (.*)$", stacks, re.MULTILINE)
    return named[1] if named else "fatal error"
