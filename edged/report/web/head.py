"""The top of the page: which device, is all well, and what is wrong; and its end."""

from __future__ import annotations

from .markup import Html, Part, el, join, moment, text
from .numbers import count, seconds
from .view import MARKS, Picture, View


def tag(kind: str, words: str) -> Html:
    """A state in colour, shape and words."""
    return el("span", el("span", MARKS[kind], aria_hidden="true"), f" {words}", class_=f"tag {kind}")


def verdict(view: View) -> tuple[str, str]:
    """(how it looks, in words)."""
    picture = view.picture
    if view.stuck:
        return "bad", f"edged itself hangs since {seconds(view.stuck)}"
    if not picture["engine"]["up"]:
        return "bad", "the container engine is down" if picture["engine"]["error"] else "looking for the engine"
    critical = sum(one["severity"] == "critical" for one in picture["alerts"])
    others = len(picture["alerts"]) - critical
    if critical:
        return "bad", f"{critical} critical" + (f", {count(others, 'warning')}" if others else "")
    if others:
        return "warn", count(others, "warning")
    if picture["config"]["errors"]:
        return "warn", "the configuration file was refused"
    return "ok", "all well"


def title(view: View) -> str:
    kind, words = verdict(view)
    return f"{MARKS[kind]} {words} · {view.picture['device']} · edged"


def head(view: View) -> Html:
    picture = view.picture
    labels = ", ".join(f"{key}: {value}" for key, value in sorted(picture["labels"].items()))
    return el(
        "div",
        el("h1", text(picture["device"]), " ", el("span", tag(*verdict(view)), role="status")),
        el("p", text(labels), class_="soft small") if labels else None,
        *(el("p", tag("bad", line)) for line in _troubles(view)),
        id="head",
    )


def _troubles(view: View) -> list[str]:
    picture = view.picture
    found = [f"configuration refused, the one before stays in force: {text(e)}" for e in picture["config"]["errors"]]
    if not picture["engine"]["up"] and picture["engine"]["error"]:
        found.append(f"engine: {text(picture['engine']['error'])}")
    if picture["broker"]["configured"] and not picture["broker"]["connected"]:
        waiting = picture["broker"].get("spool_messages", 0)
        found.append(f"broker: not connected, {count(waiting, 'event')} kept. {text(picture['broker']['detail'])}")
    if picture["storage_error"]:
        found.append(f"storage: {text(picture['storage_error'])}")
    if view.trouble:
        found.append(text(view.trouble))
    return found[:8]


def alerts(view: View) -> Html:
    found = view.picture["alerts"]
    running = {(one["alert"], one["subject"]): one for one in view.picture["runbooks"]}
    rows = [_alert(one, running.get((one["name"], one["subject"]))) for one in found[: view.most.alerts]]
    return section("alerts", "Alerts", len(found), rows, "None fires.")


def _alert(one: Picture, runbook: Picture | None) -> Html:
    kind = "bad" if one["severity"] == "critical" else "warn"
    seen = one["acknowledged"]
    return el(
        "li",
        el("h3", el("span", f"{text(one['name'], 60)} · {text(one['subject'], 80)}"), tag(kind, text(one["severity"]))),
        el("p", text(one["summary"])),
        el("p", text(one["advice"]), class_="soft small") if one["advice"] else None,
        el("p", f"Runbook: {_standing(runbook)}", class_="small") if runbook else None,
        el(
            "p",
            moment(one["since"], "since "),
            " · flapping" if one["flapping"] else None,
            f" · acknowledged by {text(seen['by'], 60)}: {text(seen['note'], 80)}" if seen else None,
            class_="soft small",
        ),
        class_=f"card {kind}",
    )


def _standing(runbook: Picture) -> str:
    held = f", waits: {text(runbook['held'], 120)}" if runbook["held"] else ""
    return f"{text(runbook['step'], 40) or 'all steps taken, waits for the alert to clear'}{held}"


def section(
    name: str,
    heading: str,
    number: int,
    rows: list[Html],
    nothing: str,
    kind: str = "rows",
    more: tuple[Html, ...] = (),
) -> Html:
    """A heading with a number, a list, or the word that there is nothing."""
    small = el("small", f" {number}") if number else None
    verb = name if name in ("alerts", "incidents") else "status"
    left = f"… and {number - len(rows)} more: edged {verb}" if number > len(rows) else None
    body: list[Part] = [el("ul", *rows, class_=kind)] if rows else [el("p", nothing, class_="soft")]
    return el(
        "section",
        el("h2", heading, small, id=f"h-{name}"),
        *body,
        el("p", left, class_="soft") if left else None,
        *more,
        id=name,
        aria_labelledby=f"h-{name}",
    )


def foot(view: View) -> Html:
    picture = view.picture
    engine, config = picture["engine"], picture["config"]
    instead = f" instead of {text(config['instead_of'], 80)}" if config["instead_of"] else ""
    broker = "connected" if picture["broker"]["connected"] else "not connected"
    return el(
        "footer",
        el(
            "p",
            f"edged {picture['version']}, run {picture['boot']} ",
            moment(picture["since"], "since "),
            f". Configuration {text(config['path'], 80) or 'none'}{instead}, {config['digest'][:19]}. ",
            f"Engine {text(engine['version'], 40)}. Broker {broker if picture['broker']['configured'] else 'none'}. ",
            f"Audit: {count(picture['audit']['records'], 'record')}, head {text(picture['audit']['head'], 20)}.",
        ),
        el("p", join("Also here: ", *_links())),
        id="foot",
    )


def _links() -> list[Part]:
    parts: list[Part] = []
    for name in ("status.json", "metrics", "healthz", "readyz"):
        parts += [el("a", name, href=name), " "]
    return parts
