"""``edged fleet watch``: what happens, as it happens."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from . import OK, fleet_options
from .fleet_ls import chosen, chosen_early, labels_argument, summary
from .render import plain

if TYPE_CHECKING:
    from ..fleet import Console
    from ..fleet.console import News

SHOWN = 12
"""Lines of the past in the live view."""
SPELL = 0.5
"""Seconds between two pictures."""


def arguments(parser: argparse.ArgumentParser) -> None:
    labels_argument(parser)
    parser.add_argument("--json", action="store_true", help="each change as a line of JSON")
    parser.epilog = "example: edged fleet watch --labels site=plant-a\n\n^C ends it."


def main(args: argparse.Namespace) -> int:
    from ..fleet import EVERY, results
    from ..fleet.link import Connected
    from ..fleet.watch import line, row
    from ..ports import Unreachable

    chosen_early(args)
    with fleet_options.console(args, signing=False) as console:
        below = ("status", "meta", "app/+", "alert/+/+", "event")
        console.follow([*(f"{EVERY}/{one}" for one in below), results()])
        console.survey()
        view = None if args.json or not sys.stdout.isatty() else _View(args, console)
        try:
            while True:
                news = console.pump(SPELL)
                if isinstance(news, Connected):
                    with suppress(Unreachable):  # lost again: the next connection asks again
                        console.survey()
                if news is not None and _wanted(args, console, news):
                    _show(view, line(news) if view or not args.json else json.dumps(row(news)))
                if view is not None:
                    view.draw()
        except KeyboardInterrupt:
            return OK
        finally:
            if view is not None:
                view.close()


def _wanted(args: argparse.Namespace, console: Console, news: News) -> bool:
    """Lost connections concern everybody; the rest is about a device that was asked for."""
    device = getattr(news, "device", None)
    if device is None or not args.labels:
        return True
    return any(one.id == device for one in chosen(console.fleet, args.labels))


def _show(view: _View | None, text: str) -> None:
    if view is not None:
        view.tell(text)
    else:
        print(plain(text), flush=True)


class _View:
    def __init__(self, args: argparse.Namespace, console: Console) -> None:
        from rich.live import Live

        from .fleet_rows import screen

        self._args = args
        self._console = console
        self._lines: deque[str] = deque(maxlen=SHOWN)
        self._drawn = 0.0
        self._live = Live(console=screen(), screen=True, auto_refresh=False)
        self._live.start()

    def tell(self, text: str) -> None:
        self._lines.append(f"{time.strftime('%H:%M:%S')}  {text}")

    def draw(self) -> None:
        """At most twice a second, however much happens."""
        if time.monotonic() - self._drawn < SPELL:
            return
        self._drawn = time.monotonic()
        self._live.update(self._picture(), refresh=True)

    def _picture(self) -> Any:
        from rich.console import Group
        from rich.text import Text

        from ..fleet.watch import urgent
        from ..report.payloads import rfc3339
        from .fleet_rows import HEAD, device_row, painted, table

        console, now = self._console, rfc3339(time.time())
        devices = chosen(console.fleet, self._args.labels)
        room = max(3, self._live.console.height - SHOWN - 5)
        shown = sorted(devices, key=urgent)[:room]
        gaps = console.logs.missing()
        head = summary(devices, console.fleet) + ("" if console.connected else "; NOT CONNECTED")
        head += f"; events missing of {len(gaps)} devices" if gaps else ""
        rest = f"… and {len(devices) - room} more, in no worse state" if len(devices) > room else ""
        return Group(
            Text(head, "bold"),
            table(HEAD, (device_row(device, now) for device in shown)),
            Text(rest, "dim"),
            *(painted(text, "") for text in self._lines),
        )

    def close(self) -> None:
        self._live.stop()
