"""The apps, one card each: those in trouble first and in full, many healthy ones in short."""

from __future__ import annotations

from .head import section, tag
from .markup import Html, Part, anchor, el, moment, text
from .numbers import count, seconds, share, size
from .sparkline import sparkline
from .view import STATES, Picture, View

RANK = {"bad": 0, "warn": 1, "ok": 2, "off": 3}


def apps(view: View) -> Html:
    found = view.picture["apps"]
    order = sorted(found.items(), key=lambda item: (RANK[_kind(item[1])], item[0]))
    cards = [_card(view, name, app, full=i < view.most.full) for i, (name, app) in enumerate(order[: view.most.apps])]
    nothing = "None is known: name them in the configuration, or label their containers edged.enable=true."
    return section("apps", "Apps", len(found), cards, nothing, kind="cards")


def _kind(app: Picture) -> str:
    kind = STATES.get(app["state"], "off")
    if kind in ("ok", "off") and (app["isolated"] or app["broken"] or app["problems"] or _drifted(app)):
        return "warn"
    return kind


def _drifted(app: Picture) -> bool:
    return bool(app["drift"] and app["drift"]["drifted"])


def _card(view: View, name: str, app: Picture, full: bool) -> Html:
    look = _kind(app)
    rows = _rows(view, name, app) if full else []
    return el(
        "li",
        el("h3", el("span", text(name, 80)), tag(STATES.get(app["state"], "off"), text(app["state"], 20))),
        el(
            "p",
            f"{text(app['reason'], 160)} · " if app["reason"] else None,
            moment(app["since"], "since "),
            class_="soft small",
        ),
        *(el("p", note, class_="small") for note in _notes(app)[: 6 if full else 1]),
        el("dl", *rows) if rows else None,
        class_="card" if look in ("ok", "off") else f"card {look}",
        id=anchor("app", name),
    )


def _notes(app: Picture) -> list[Part]:
    """What one has to know about it, the weightiest first."""
    found: list[Part] = []
    if app["isolated"]:
        found.append(
            f"Cut off from its networks by {text(app['isolated']['by'], 60)}. {text(app['isolated']['problem'])}"
        )
    if app["maintenance"]:
        m = app["maintenance"]
        until = moment(m["until"], ", ends ")
        found.append(el("span", f"In maintenance: {text(m['why'], 80)} ({text(m['owner'], 40)})", until))
    recovery = app["recovery"]
    if recovery["ailment"]:
        told = f"Recovery: {text(recovery['ailment'], 40)}, {recovery['phase']}, attempt {recovery['attempts']}"
        found.append(told + (f". Held: {text(recovery['held'], 120)}" if recovery["held"] else ""))
    if recovery["circuit"] == "open":
        found.append(f"The restart budget is spent ({recovery['budget_used']} of {recovery['budget']}).")
    if app["drill"]:
        found.append(f"Drill: {app['drill']['kind']}, {app['drill']['phase']}.")
    found += [
        f"The last drill {text(kind, 20)} failed: {text(one['code'], 40)}."
        for kind, one in app["drills"].items()
        if not one["ok"]
    ]
    if app["stopped_by"]:
        found.append(f"Stopped by {text(app['stopped_by'], 60)}.")
    if app["observed_only"]:
        found.append("Only watched.")
    found += [f"{text(check, 20)} cannot be checked: {text(why, 120)}" for check, why in app["broken"].items()]
    found += [text(problem, 160) for problem in app["problems"]]
    return found


def _rows(view: View, name: str, app: Picture) -> list[Part]:
    rows: list[Part] = []

    def row(term: str, told: str, metric: str = "") -> None:
        drawn = None
        if metric:
            line = view.line(name, metric)
            form = {"memory": size, "cpu.share": share, "latency": seconds}[metric]
            drawn = sparkline(term, line.values, form, line.span)
        rows.extend((el("dt", term), el("dd", told, drawn)))

    if app["memory_bytes"] is not None:
        limit = f" of {size(app['memory_limit_bytes'])}" if app["memory_limit_bytes"] else ""
        row("Memory", size(app["memory_bytes"]) + limit, "memory")
    if app["cpu_ratio"] is not None:
        slowed = f", throttled {share(app['throttled_ratio'])}" if (app["throttled_ratio"] or 0) >= 0.01 else ""
        row("CPU", share(app["cpu_ratio"]) + slowed, "cpu.share")
    seen = app["inference"]
    if seen is not None and seen["latency_seconds"] is not None:
        row(f"p{seen['quantile'] * 100:g}", seconds(seen["latency_seconds"]), "latency")
    if seen is not None and seen["requests_per_second"] is not None:
        failed = f", {share(seen['error_ratio'])} failed" if seen["error_ratio"] is not None else ""
        row("Requests", f"{seen['requests_per_second']:.3g}/s{failed}")
    if seen is not None and seen["smoke_probe"] is not None:
        probe = seen["smoke_probe"]
        row("Smoke", f"right in {seconds(probe['seconds'])}" if probe["ok"] else f"wrong: {text(probe['detail'], 80)}")
    if app["probe_seconds"] is not None:
        row("Probe", seconds(app["probe_seconds"]))
    for kind, placed in app["placed"].items():
        row(
            kind.capitalize(),
            f"{text(placed['name'], 40)} {text(placed['version'], 30)} {placed['digest'][7:15]}".strip(),
        )
    if app["deployment"]:
        row("Deployment", f"{text(app['deployment']['version'], 30)}: {app['deployment']['phase']}")
    if app["drift"]:
        drifted = len(app["drift"]["drifted"])
        row("Drift", count(drifted, "feature") + " drifted" if drifted else app["drift"]["state"])
    mended = [
        f"{text(kind, 20)} {seconds(one['recovery_seconds'])}" for kind, one in app["drills"].items() if one["ok"]
    ]
    if mended:
        row("Drills", ", ".join(mended))
    if app["container"]:
        row("Image", text(app["container"]["image"], 80))
    return rows
