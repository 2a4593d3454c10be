"""Rules of the section ``runbooks``: what no type can express. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from .model import Config
from .runbook_builtin import BUILT_IN, about
from .runbooks import KINDS, Step, Steps, plain, verify_of
from .suggest import closest

KeyPath = tuple[str, ...]
Found = tuple[tuple[KeyPath, ...], str, str]
"""Keys, reason, hint."""
MOST = 20
"""Steps of one runbook."""
CURES = {"AppDown": ("start", "restart"), "Unhealthy": ("restart",), "HighMemory": ("restart",)}
"""Alerts whose apps are only helped by one of these."""


def runbook_faults(books: Mapping[str, Steps]) -> Iterator[Found]:
    """Runbooks for alerts that do not exist, and steps that cannot be."""
    for name, steps in books.items():
        path = ("runbooks", name)
        alert = name.partition("/")[0]
        if alert not in BUILT_IN:
            near = closest(alert, [known for known in BUILT_IN if "/" not in known])
            hint = f"did you mean {near}?" if near else "docs/alerts.md lists them"
            yield (path,), "there is no alert of this name", hint
            continue
        if len(steps) > MOST:
            yield (path,), f"has more than {MOST} steps", ""
        for number, step in enumerate(steps):
            yield from _step((*path, str(number)), name, plain(step))


def _step(path: KeyPath, name: str, step: Step) -> Iterator[Found]:
    if step.do not in KINDS:  # it could not be read, and that is told already
        return
    kind, subjects = KINDS[step.do], about(name)
    if not set(kind.about) & set(subjects):
        what = " or ".join(kind.about)
        yield ((*path, "do"),), f"{step.do} is for alerts about an {what}; {name} is about a {subjects[0]}", ""
    if verify_of(step) not in kind.verify:
        yield ((*path, "verify"),), f"{step.do} cannot be verified so", f"it can be: {', '.join(kind.verify)}"
    if step.timeout is not None and not kind.timeout:
        yield ((*path, "timeout"),), f"has no effect: {step.do} takes no time", ""
    if step.say and step.do not in ("notify", "escalate"):
        yield ((*path, "say"),), f"has no effect with {step.do}", "it is for notify and escalate"
    opposites = {word for word in step.when if f"not {word}" in step.when}
    for word in sorted(opposites):
        yield ((*path, "when"),), f"asks for {word} and for its opposite: the step is never taken", ""


def runbook_warnings(config: Config) -> Iterator[Found]:
    """What works and may not be meant."""
    for name, steps in config.runbooks.items():
        alert, _, subject = name.partition("/")
        if subject and about(name) == ("app",) and subject not in config.apps:
            near = closest(subject, config.apps)
            if near or config.discover == "off":
                hint = f"did you mean {near}?" if near else ""
                yield (("runbooks", name),), f"there is no app {subject} in this file: it may never count", hint
        cures = CURES.get(alert, ())
        if cures and subject != "host" and not {plain(step).do for step in steps} & set(cures):
            who = subject or "an app"
            told = f"has no step {' or '.join(cures)}: edged does not restart {who} for {alert}"
            yield (("runbooks", name),), told, ""
