"""``edged fleet send``: one command to one device or many."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import FAILED, OK, REFUSED, USAGE, Failure, fleet_options
from .fleet_ls import chosen, chosen_early, labels_argument
from .render import plain
from .values import duration

if TYPE_CHECKING:
    from ..fleet import Command, Console, Device, Tracker
    from ..fleet.tracker import Tracked


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("words", nargs="+", metavar="[DEVICE] TYPE [KEY=VALUE]", help="KEY:=JSON is taken as it is")
    labels_argument(parser)
    parser.add_argument("--all", action="store_true", help="every device")
    parser.add_argument("--expires", default="5m", metavar="TIME", help="not carried out later than this (default 5m)")
    parser.add_argument("--timeout", default="15m", metavar="TIME", help="how long to wait for results (default 15m)")
    parser.add_argument("--no-wait", action="store_true", help="only until the broker has it")
    parser.add_argument("--json", action="store_true", help="each answer as a line of JSON")
    parser.add_argument(
        "-o", "--output", metavar="FILE", help="a large result goes there; with several devices a folder"
    )
    parser.epilog = (
        "examples: edged fleet send press-7 restart app=detector\n"
        "          edged fleet send --labels site=plant-a logs.get app=detector lines=200 -o logs\n\n"
        "exit code 0 all succeeded, 1 one failed, expired or did not answer, 3 one was rejected and none failed.\n"
        "^C leaves the commands going on."
    )


def main(args: argparse.Namespace) -> int:
    expires, timeout = duration(args.expires, "--expires"), duration(args.timeout, "--timeout")
    chosen_early(args)
    many = bool(args.labels) or args.all
    if len(args.words) < (1 if many else 2):
        raise Failure(USAGE, "say what to do, as in: edged fleet send press-7 restart app=detector")
    ids = None if many else _ids(args.words[0])
    type_, *texts = args.words[0 if many else 1 :]
    with fleet_options.console(args, signing=True) as console:
        console.survey(ids)
        devices = chosen(console.fleet, args.labels) if ids is None else [found(console, one) for one in ids]
        if not devices:
            raise Failure(FAILED, "there is no such device; edged fleet ls shows all")
        commands = _commands(devices, type_, texts)
        return _Sending(args, console, commands, expires, timeout).run()


def _ids(text: str) -> list[str]:
    """Each device once, and nothing that a broker would take for a pattern of topics."""
    import msgspec

    from ..config.types import DeviceId

    try:
        return list(dict.fromkeys(msgspec.convert(text.split(","), list[DeviceId])))
    except msgspec.ValidationError:
        raise Failure(USAGE, f"{text!r} is no device, and no list like press-7,press-8") from None


def found(console: Console, id_: str) -> Device:
    if id_ not in console.fleet.devices:
        raise Failure(FAILED, f"no device {id_} is known to the broker; edged fleet ls shows all")
    return console.fleet.devices[id_]


def _commands(devices: list[Device], type_: str, texts: list[str]) -> list[Command]:
    """Arguments are checked before anything is sent, against what each device says of itself."""
    from uuid import uuid4

    from ..fleet import Command
    from ..fleet.arguments import BadArguments, parse

    parsed: dict[bytes, dict[str, Any]] = {}
    commands = []
    for device in devices:
        advertised = bytes(device.meta.commands) if device.meta is not None else b""
        if advertised not in parsed:
            schemas = device.schemas
            if schemas and type_ not in schemas:
                known = ", ".join(sorted(schemas))
                raise Failure(USAGE, f"{device.id} knows no command {type_}; it knows: {known}")
            try:
                parsed[advertised] = parse(texts, schemas.get(type_))
            except BadArguments as error:
                raise Failure(USAGE, f"{type_}: {error}") from None
        commands.append(Command(str(uuid4()), type_, device.id, parsed[advertised]))
    return commands


class _Sending:
    def __init__(
        self, args: argparse.Namespace, console: Console, commands: list[Command], expires: float, timeout: float
    ) -> None:
        from ..fleet import Tracker, results

        self._args = args
        self._console = console
        self._expires = expires
        self._issued = time.time()
        self._until = time.monotonic() + timeout
        self._single = len(commands) == 1
        self._tracker: Tracker = Tracker(commands, time.monotonic())
        console.follow([results(commands[0].device if self._single else "+", commands[0].type)])
        for command in commands:
            console.send(command, expires, self._issued)

    def run(self) -> int:
        from ..fleet import Answer, NotTaken
        from ..fleet.link import Connected

        tracker, console = self._tracker, self._console
        with Bar(len(tracker.all), not self._single and not self._args.json) as bar:
            while time.monotonic() < self._until and (console.unsent or (tracker.open and not self._args.no_wait)):
                news = console.pump(0.5)
                if isinstance(news, Answer) and (tracked := tracker.take(news, time.monotonic())):
                    self._told(tracked, news)
                elif isinstance(news, NotTaken) and (tracked := tracker.find(news.command)):
                    self._not_taken(tracked, news)
                # What was answered while there was no connection is told again to whoever asks.
                after = 0.0 if isinstance(news, Connected) else None
                for command in tracker.silent(time.monotonic(), *(() if after is None else (after,))):
                    console.send(command, self._expires, self._issued)
                bar.update(len(tracker.all) - tracker.open)
        return self._end()

    def _told(self, tracked: Tracked, answer: Any) -> None:
        from .fleet_rows import answer_json, answer_line

        if answer.phase == "data" and answer.state == "running":
            return
        if self._args.json:
            print(json.dumps(answer_json(answer)), flush=True)
        elif self._single or answer.final:
            prefix = "" if self._single else f"{answer.device}  "
            print(f"{prefix}{answer_line(answer)}", flush=True)
        if answer.final:
            self._result(tracked)

    def _not_taken(self, tracked: Tracked, news: Any) -> None:
        tracked.note = news.reason
        print(plain(f"{tracked.command.device}: {news.reason}"), file=sys.stderr, flush=True)
        if not news.unheard:
            self._tracker.give_up(tracked)

    def _result(self, tracked: Tracked) -> None:
        if tracked.note:
            print(f"{tracked.command.device}: {tracked.note}", file=sys.stderr)
        answer, content = tracked.answer, tracked.content
        if content is None:
            if self._single and not self._args.json and answer is not None and answer.result:
                print(json.dumps(answer.result, indent=2))
            return
        if self._args.output:
            path = Path(self._args.output)
            try:
                if not self._single:
                    path.mkdir(parents=True, exist_ok=True)
                    path /= tracked.command.device
                path.write_bytes(content)
            except OSError as error:
                raise Failure(FAILED, f"{path} cannot be written: {error.strerror}") from None
            print(f"{tracked.command.device}: {len(content)} bytes in {path}", file=sys.stderr)
        elif not self._args.json:
            print(plain(content.decode("utf-8", "replace")))

    def _end(self) -> int:
        counts = Counter(self._ended(tracked) for tracked in self._tracker.all.values())
        if self._args.no_wait:
            return FAILED if self._console.unsent or any(t.refused for t in self._tracker.all.values()) else OK
        if not self._single and not self._args.json:
            print(", ".join(f"{count} {state}" for state, count in sorted(counts.items())))
        for tracked in self._tracker.all.values():
            if not tracked.final and not tracked.refused:
                self._silent(tracked)
        failed = counts.keys() - {"succeeded", "rejected"}
        damaged = any(tracked.note and tracked.final for tracked in self._tracker.all.values())
        return FAILED if failed or damaged else REFUSED if counts["rejected"] else OK

    def _silent(self, tracked: Tracked) -> None:
        device = tracked.command.device
        if self._args.json:
            print(
                json.dumps(
                    {"device": device, "id": tracked.command.id, "type": tracked.command.type, "state": "silent"}
                )
            )
            return
        state = self._console.fleet.devices[device].state
        print(f"{device}: {tracked.state}, no result within {self._args.timeout}; it is {state}")

    def _ended(self, tracked: Tracked) -> str:
        return tracked.state if tracked.final else "refused by the broker" if tracked.refused else "silent"


class Bar:
    """Progress over many devices, on a terminal only."""

    def __init__(self, total: int, wanted: bool) -> None:
        self._progress: Any = None
        if wanted and sys.stderr.isatty():
            from rich.progress import Progress

            from .fleet_rows import screen

            self._progress = Progress(console=screen(stderr=True), transient=True)
            self._task = self._progress.add_task("devices", total=total)

    def __enter__(self) -> Bar:
        if self._progress is not None:
            self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._progress is not None:
            self._progress.stop()

    def update(self, done: int) -> None:
        if self._progress is not None:
            self._progress.update(self._task, completed=done)
