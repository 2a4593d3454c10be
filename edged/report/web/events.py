"""What happened: incidents, deployments, drift."""

from __future__ import annotations

from ...vocabulary.deployments import ENDS
from ...vocabulary.incidents import Incident
from ..payloads import rfc3339
from ..snapshot import Snapshot
from .head import section, tag
from .markup import Html, Part, el, moment, text
from .numbers import count, seconds
from .view import Picture, View

LOOKS = {"P0": "bad", "P1": "bad", "P2": "warn", "P3": "off"}
TIMELINE = 6


def incidents(view: View) -> Html:
    """Open ones in full, then the last ones that were closed."""
    shot = view.shot
    book = shot.state.incidents
    running = sorted(book.open.values(), key=lambda one: (one.severity, -one.opened_at))
    past = [one for one in reversed(book.closed.values()) if not one.merged_into]
    rows = [_incident(shot, one) for one in running[: view.most.incidents]]
    ended = [_closed(shot, one) for one in past[: view.most.rows // 2]]
    more = (el("ul", *ended, class_="past"),) if ended else ()
    return section("incidents", "Incidents", len(running), rows, "None is open.", more=more)


def _incident(shot: Snapshot, one: Incident) -> Html:
    kind = LOOKS[one.severity]
    lines = [
        el("li", moment(rfc3339(shot.unix(entry.at))), f" {text(entry.subject, 60)}: {text(entry.text, 160)}")
        for entry in one.timeline[-TIMELINE:]
    ]
    return el(
        "li",
        el("h3", el("span", f"{one.id} · {text(one.title, 160)}"), tag(kind, one.severity)),
        el("p", *_standing(shot, one), class_="small"),
        el("p", f"Likely: {text(one.likely)}") if one.likely else None,
        *(el("p", text(hint), class_="soft small") for hint in one.hints[:2]),
        *(el("p", tag("bad", f"escalated: {text(e.text, 160)}"), class_="small") for e in one.escalated[-2:]),
        el("details", el("summary", f"Timeline, last {len(lines)}"), el("ul", *lines, class_="small"), id=one.id)
        if lines
        else None,
        class_=f"card {kind}",
    )


def _standing(shot: Snapshot, one: Incident) -> list[Part]:
    """Since when, whom it concerns, and until when something is due."""
    parts: list[Part] = [
        moment(rfc3339(shot.unix(one.began_at)), "since "),
        f" · {count(len(one.firing), 'alert')} firing",
    ]
    if one.impact:
        parts.append(f" · affects {text(', '.join(sorted(one.impact)), 160)}")
    if one.acknowledged is not None:
        parts.append(f" · {text(one.acknowledged.by, 60)} takes care")
    elif one.responded_at is None:
        parts.append(moment(rfc3339(shot.unix(one.respond_by)), " · response due "))
    if one.restored_at is None:
        parts.append(moment(rfc3339(shot.unix(one.resolve_by)), " · solution due "))
    else:
        parts.append(moment(rfc3339(shot.unix(one.restored_at)), " · restored "))
    return parts


def _closed(shot: Snapshot, one: Incident) -> Html:
    lasted = (one.restored_at or one.closed_at or one.began_at) - one.began_at
    when = moment(rfc3339(one.closed_wall)) if one.closed_wall else None
    return el(
        "li",
        el("span", f"{one.id} · {one.severity} · {text(one.title, 120)} "),
        el("span", f"lasted {seconds(lasted)}, closed ", when, class_="soft small"),
        class_="small",
    )


def deployments(view: View) -> Html:
    rows = [
        el(
            "tr",
            el("td", moment(one["time"])),
            el("td", text(one["app"], 60)),
            el("td", f"{one['kind']} {text(one['name'], 40)} {text(one['version'], 30)}"),
            el("td", tag(_outcome(one["phase"]), text(one["phase"], 20))),
            el("td", text(one["reason"], 160), class_="why"),
        )
        for one in view.deployments[: view.most.rows]
    ]
    return _table("deployments", "Deployments", ("When", "App", "What", "Result", "Why"), rows, "None was made.")


def _outcome(phase: str) -> str:
    if phase == "committed":
        return "ok"
    return "bad" if phase in ("failed", "rolled_back") else "warn" if phase not in ENDS or phase == "refused" else "off"


def drift(view: View) -> Html:
    rows: list[Html] = []
    watched = {name: app["drift"] for name, app in view.picture["apps"].items() if app["drift"]}
    for name, found in sorted(watched.items(), key=lambda item: not item[1]["drifted"])[: 2 * view.most.rows]:
        kind = {"steady": "ok", "drifted": "bad"}.get(found["state"], "off")
        rows.append(
            el(
                "tr",
                el("td", text(name, 60)),
                el("td", tag(kind, found["state"])),
                el("td", *_features(found), class_="why"),
            )
        )
    nothing = "No app's inputs are watched: give it drift: in the configuration."
    return _table("drift", "Drift", ("App", "Inputs", "Features and problems"), rows, nothing)


def _features(found: Picture) -> list[Part]:
    parts: list[Part] = []
    for feature, told in sorted(found["drifted"].items(), key=lambda item: -item[1]["psi"])[:6]:
        words = f"{text(feature, 60)} {text(told['direction'], 60)}, PSI {told['psi']:g} "
        parts += [el("span", words, moment(told["since"], "since ")), el("br")]
    if len(found["drifted"]) > 6:
        parts.append(f"and {len(found['drifted']) - 6} more ")
    return parts + [f"{text(problem, 120)} " for problem in found["problems"][:3]]


def _table(name: str, heading: str, columns: tuple[str, ...], rows: list[Html], nothing: str) -> Html:
    body = (
        el(
            "div",
            el(
                "table",
                el("thead", el("tr", *(el("th", column, scope="col") for column in columns))),
                el("tbody", *rows),
                aria_labelledby=f"h-{name}",
            ),
            class_="scroll",
            tabindex="0",
            role="group",
            aria_labelledby=f"h-{name}",
        )
        if rows
        else el("p", nothing, class_="soft")
    )
    return el("section", el("h2", heading, id=f"h-{name}"), body, id=name, aria_labelledby=f"h-{name}")
