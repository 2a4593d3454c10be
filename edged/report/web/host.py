"""The host, and what apps depend on."""

from __future__ import annotations

from collections.abc import Callable

from .head import section, tag
from .markup import Html, Part, el, text
from .numbers import seconds, share, size
from .sparkline import sparkline
from .view import Picture, View


def host(view: View) -> Html:
    cards = [_resources(view, view.picture["host"]), _disks(view, view.picture["host"])]
    return section("host", "Host", 0, [card for card in cards if card], "Not seen yet.", kind="cards")


def _resources(view: View, seen: Picture) -> Html | None:
    if "memory_used_ratio" not in seen:
        return None
    rows: list[Part] = []

    def row(term: str, told: str, metric: str = "", form: Callable[[float], str] = share) -> None:
        line = view.line("host", metric) if metric else None
        drawn = sparkline(term, line.values, form, line.span) if line else None
        rows.extend((el("dt", term), el("dd", told, drawn)))

    row("Memory", f"{share(seen['memory_used_ratio'])} of {size(seen['memory_total_bytes'])}", "memory.share")
    row("CPU", f"{share(seen['cpu_busy_ratio'])} of {seen['cpu_count']} cores", "cpu.share")
    if seen["temperature_celsius"] is not None:
        row("Temperature", _celsius(seen["temperature_celsius"]), "temperature", _celsius)
    row("Load", " ".join(f"{x:g}" for x in seen["load"]))
    if seen["swap_used_bytes"]:
        row("Swap", size(seen["swap_used_bytes"]))
    stalls = [f"{name} {share(value)}" for name, value in sorted(seen["pressure"].items()) if value >= 0.05]
    if stalls:
        row("Pressure", ", ".join(stalls))
    notes = [
        el("p", tag("warn", "The CPU is slowed for heat or power.")) if seen["throttled"] else None,
        el("p", tag("warn", "The clock is not synchronised.")) if seen["clock_synced"] is False else None,
        *(el("p", tag("warn", f"{text(what, 30)}: {text(why, 120)}")) for what, why in seen["broken"].items()),
    ]
    return el("li", el("h3", "Resources"), *notes, el("dl", *rows), class_="card")


def _celsius(value: float) -> str:
    return f"{value:.0f} °C"


def _disks(view: View, seen: Picture) -> Html | None:
    rows: list[Part] = []
    for path, disk in list(seen["disks"].items())[: 3 * view.most.rows]:
        more = ", READ-ONLY" if disk["read_only"] else ""
        inodes = f", inodes {share(disk['inodes_used_ratio'])}" if disk["inodes_used_ratio"] > 0.5 else ""
        told = f"{share(disk['used_ratio'])} used, {size(disk['free_bytes'])} left{inodes}{more}"
        rows += [el("dt", text(path, 60)), el("dd", told)]
    return el("li", el("h3", "Disks"), el("dl", *rows), class_="card") if rows else None


def dependencies(view: View) -> Html | None:
    found = view.picture["dependencies"]
    if not found:
        return None
    words = {True: ("ok", "answers"), False: ("bad", "does not answer"), None: ("off", "not known yet")}
    cards = [
        el(
            "li",
            el("h3", el("span", text(name, 80)), tag(*words[one["ok"]])),
            el("p", text(one["detail"], 160) or (seconds(one["seconds"]) if one["ok"] else ""), class_="soft small"),
            class_="card" if one["ok"] is not False else "card bad",
        )
        for name, one in list(found.items())[: 3 * view.most.rows]
    ]
    return section("dependencies", "Dependencies", len(found), cards, "", kind="cards")
