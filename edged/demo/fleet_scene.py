"""What the fleet's scenes have in common: `edged fleet` as a person would use it, and a look at every device."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from typing import Any

from .events import Told, first
from .fleet_stage import FleetStage, Member
from .processes import EDGED, Child, lines, wait
from .scene import Account
from .settings import APP
from .verdict import NOBODY, Outcome

QUIET = 1.0
"""Seconds in which a command that is to have no effect could still have one."""
AUDITED_WITHIN = 10.0


class FleetScene(Account):
    def __init__(self, stage: FleetStage, name: str, injected: str) -> None:
        super().__init__(stage.timeline, stage.folder, name, injected)
        self.stage = stage
        self.seen: float | None = None
        self.acted: float | None = None
        self._before = {member.name: member.app.started for member in stage.members}

    def fleet(self, *words: str, within: float, key: str = "", eve: bool = False) -> tuple[int | None, list[Any]]:
        """``edged fleet … --json``: exit code, and all it says. Raises ``StageError`` when it does not end in time."""
        self.injection(" ".join(["edged fleet", *words, *(["--key", key] if key else [])]))
        child = Child(
            [*EDGED, "fleet", *words, "--json"],
            self.stage.folder / f"fleet-{time.monotonic_ns()}.log",
            self.stage.environment(key, eve=eve),
        )
        said = []
        with closing(lines(child, within)) as printed:
            for found in objects(printed):
                said.append(found)
                if text := about(found):
                    stamp = found.get("time", "") if isinstance(found, dict) else ""
                    self.say("answered", text, datetime.fromisoformat(stamp).timestamp() if stamp else None)
        return child.code, said

    def moments(self, types: tuple[str, ...], since: float, *members: Member) -> float | None:
        """Seconds from ``since`` to the first such event of one of ``members``."""
        told: list[Told] = [one for m in members for one in list(m.console.events) if one.wall >= since]
        return first(sorted(told, key=lambda one: one.wall), types, since)

    def restarted(self) -> set[str]:
        """Devices whose app was started since this scene began, by the engine's word."""
        return {member.name for member in self.stage.members if member.app.started != self._before[member.name]}

    def untouched(self, *members: Member) -> None:
        """A while later nothing has happened there."""
        names = {member.name for member in members}
        wait(lambda: bool(self.restarted() & names), QUIET)
        touched = self.restarted() & names
        self.expect(not touched, f"restarted all the same: the app of {', '.join(sorted(touched))}")
        for name in sorted(names - touched):
            self.say("checked", f"{name}: the container runs since {self._before[name][11:23]} UTC, as before")

    def serve(self, digest: str, *members: Member) -> None:
        """The apps themselves say which model they have, and give the right score."""
        for member in members:
            now, asked = member.client.model(), member.client.ask()
            self.expect(now == digest, f"{member.name} serves the model {now[:12] or 'none'} instead of {digest[:12]}")
            self.expect(not asked.problem, f"the app of {member.name} does not answer: {asked.problem}")
            if now == digest and not asked.problem:
                self.say("checked", f"{member.name}: {APP} serves the model sha256:{digest[:12]}…, its score is right")

    def audited(self, member: Member, code: str) -> None:
        """The device's own account has this refusal."""
        found: list[dict[str, Any]] = []

        def there() -> bool:
            ended, text = member.edged.command("audit", "show", "--json")
            records = json.loads(text) if ended == 0 else []
            found[:] = [one for one in records if (one.get("what"), one.get("code")) == ("refused", code)]
            return bool(found)

        if not wait(there, AUDITED_WITHIN):
            self.fail(f"the audit of {member.name} has no refusal {code}")
            return
        told = found[-1]
        what = told.get("topic") or told.get("command", "")
        self.say("checked", f"{member.name}: record {told['number']} of its audit: refused, {code}: {what}")

    def outcome(self) -> Outcome:
        return Outcome(self.name, self.injected, self.seen, self.acted, self.ended, NOBODY, tuple(self.failures))


def objects(printed: Iterator[str]) -> Iterator[Any]:
    """Each JSON value, though it has many lines; a line that cannot begin one comes as it is, as text."""
    held = ""
    for line in printed:
        if not held and not line.startswith(("{", "[")):
            yield line
            continue
        held += line + "\n"
        try:
            found = json.loads(held)
        except ValueError:
            continue
        held = ""
        yield found
    if held:
        yield held.rstrip("\n")


def about(found: Any) -> str:
    """One thing that `edged fleet` said, for people; empty: not worth a line."""
    if isinstance(found, str):
        return found
    if not isinstance(found, dict) or "counts" in found:
        return ""
    if "stage" in found:
        why = f": {found['reason']}" if found["reason"] else ""
        return f"wave {found['wave']} of {found['waves']}: {found['stage']}{why}"
    code = f" [{found['reason']}]" if found["reason"] else ""
    message = f": {found['message']}" if found["message"] not in ("", found["phase"]) else ""
    words = [found.get("type", ""), found["state"], found["phase"] if found["state"] == "running" else ""]
    return f"{found['device']}: {' '.join(word for word in words if word)}{code}{message}"
