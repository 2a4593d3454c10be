"""What people get of it all afterwards: the incidents and the report's verdict, asked for as a person would.

Both are held against what the console heard meanwhile: an account that is not true is worse than none.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from .events import Told
from .scene import Account
from .settings import APP
from .stage import Stage
from .timeline import clip
from .verdict import NOBODY, Outcome

SINCE = ("--since", "1h")
TIMELINE_LINES = 10
"""Of one incident; the rest is counted."""
ACTIONS = ("StartContainer", "RestartContainer")
ENDS = ("committed", "rolled_back", "refused", "failed")
HEADLINES = {"ok": (0, "OK: "), "attention": (1, "ATTENTION: ")}
"""By verdict: the exit code of ``edged report``, and how its second line begins."""


def account(stage: Stage) -> list[Outcome]:
    """While edged runs: it is asked for both."""
    told = list(stage.console.events)
    verbs = (
        ("incidents", *SINCE, "--json"),
        ("incidents", *SINCE),
        ("report", *SINCE, "--format", "json"),
        ("report", *SINCE),
    )
    with ThreadPoolExecutor(len(verbs), "demo-account") as pool:
        records, listed, review, report = pool.map(lambda verb: stage.edged.command(*verb), verbs)
    return [_incidents(stage, told, records, listed), _report(stage, told, review, report)]


def _incidents(stage: Stage, told: Sequence[Told], records: tuple[int, str], listed: tuple[int, str]) -> Outcome:
    mine = Account(stage.timeline, stage.folder, "incidents", "one record for all alerts of one cause")
    mine.injection(" ".join(["edged incidents", *SINCE]))
    _show(stage, listed[1].splitlines())
    found = _read(mine, "edged incidents", records, (0,))
    known = [*found.get("open", ()), *found.get("past", ())]
    without = not_in_an_incident(told, known)
    mine.expect(not without, f"in no incident: {', '.join(without)}")
    about = first_of(known, APP)
    mine.expect(about is not None, f"no incident of {APP}")
    if about is not None:
        mine.injection(f"edged incidents {about}")
        code, page = stage.edged.command("incidents", about)
        timeline = page.partition("\ntimeline\n")[2].splitlines()
        mine.expect(code == 0 and bool(timeline), f"edged incidents {about} ended with {code}, without a timeline")
        _show(stage, shortened(timeline, TIMELINE_LINES))
    if not mine.failures:
        heard = len({_alert(one) for one in told if one.type == "alert.raised"})
        mine.say("checked", f"each of the {heard} alerts that the console heard of is in an incident")
    return _outcome(mine)


def _report(stage: Stage, told: Sequence[Told], review: tuple[int, str], report: tuple[int, str]) -> Outcome:
    mine = Account(stage.timeline, stage.folder, "report", "the verdict for whoever has a whole fleet to look after")
    mine.injection(" ".join(["edged report", *SINCE]))
    _show(stage, headlines(report[1]))
    found = _read(mine, "edged report", review, (0, 1))
    code, word = HEADLINES.get(str(found.get("verdict")), (-1, "?"))
    agreed = {review[0], report[0]} == {code} and report[1].partition("\n")[2].startswith(word)
    mine.expect(agreed, f"exit codes {review[0]} and {report[0]} do not fit its verdict {found.get('verdict')}")
    counted, heard = in_report(found), in_events(told)
    mine.expect(counted == heard, f"it counts {counted}, and the console heard of {heard}")
    if not mine.failures:
        ends = ", ".join(f"{n} {end.replace('_', ' ')}" for end, n in sorted(heard["deployments"].items()))
        same = f"{heard['restarts']} restarts, deployments {ends or 'none'}"
        mine.say("checked", f"it counts what the console heard of, {same}; no event is missing")
    return _outcome(mine)


def not_in_an_incident(told: Iterable[Told], incidents: Iterable[dict[str, Any]]) -> list[str]:
    """Alerts that were raised, as ``AppDown of detector``."""
    held = {(alert["name"], alert["subject"]) for one in incidents for alert in one["alerts"]}
    raised = {_alert(one) for one in told if one.type == "alert.raised"}
    return [f"{name} of {subject}" for name, subject in sorted(raised - held)]


def first_of(incidents: Iterable[dict[str, Any]], app: str) -> str | None:
    """The id of the first one with an alert of this app that was not joined to another."""
    ids = [
        str(one["id"])
        for one in incidents
        if not one["merged_into"] and any(alert["subject"] == app for alert in one["alerts"])
    ]
    return min(ids, default=None)


def in_report(review: dict[str, Any]) -> dict[str, Any]:
    """What can be held against the events: the app's restarts, how deployments ended, numbers that are missing."""
    return {
        "restarts": review.get("apps", {}).get(APP, {}).get("restarts"),
        "deployments": dict(Counter(one["new"] for one in review.get("deployments", ()))),
        "missing": review.get("events", {}).get("missing"),
    }


def in_events(told: Sequence[Told]) -> dict[str, Any]:
    """The same, as the console heard it; numbers that are missing are looked for at the end of the story."""
    restarts = sum(
        one.type == "action.started" and one.subject == APP and one.data["action"] in ACTIONS for one in told
    )
    ends = Counter(one.data["new"] for one in told if one.type == "deployment.changed" and one.data["new"] in ENDS)
    return {"restarts": restarts, "deployments": dict(ends), "missing": []}


def headlines(report: str) -> list[str]:
    """What it is about, the verdict, and the findings: all before the second section."""
    lines = report.splitlines()
    sections = [at for at, line in enumerate(lines) if line and line == line.upper() and not line.startswith(" ")]
    return [line for line in lines[: sections[1] if len(sections) > 1 else None] if line and line != "FINDINGS"]


def shortened(lines: Sequence[str], most: int) -> list[str]:
    left = len(lines) - most
    return list(lines) if left <= 1 else [*lines[:most], f"  … and {left} more"]


def _alert(told: Told) -> tuple[str, str]:
    return str(told.data["name"]), told.subject


def _read(mine: Account, what: str, answer: tuple[int, str], codes: Iterable[int]) -> dict[str, Any]:
    """The JSON of an answer; empty, and told, when there is none."""
    code, text = answer
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if code in codes and isinstance(found, dict):
        return found
    mine.fail(f"{what} --json ended with {code}: {text}")
    return {}


def _show(stage: Stage, lines: Iterable[str]) -> None:
    short = (line.replace(f"{stage.folder}/", "") for line in lines if line)
    stage.timeline.blank(*(clip(f"  {line}", stage.timeline.width) for line in short))


def _outcome(mine: Account) -> Outcome:
    return Outcome(mine.name, mine.injected, None, None, None, NOBODY, tuple(mine.failures))
