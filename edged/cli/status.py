"""``edged status``: what the daemon sees now."""

from __future__ import annotations

import argparse
import json
import sys
import time
from typing import Any

from . import FAILED, OK
from .client import get, socket_argument
from .render import ago, paint, plain, share, size, span, state, table

_NO_FILE = "no file: containers are observed; only those labelled edged.enable=true are recovered"


def arguments(parser: argparse.ArgumentParser, verb: str) -> None:
    parser.add_argument("--json", action="store_true", help="everything, as JSON")
    parser.add_argument("--watch", action="store_true", help="again every two seconds, until ^C")
    socket_argument(parser)
    parser.epilog = (
        "example: edged status --watch\n\n"
        "exit code 0: no critical alert, 1: there is one, 4: the daemon does not answer"
    )


def main(args: argparse.Namespace, verb: str) -> int:
    while True:
        picture = get(args.socket, "/v1/status")
        if args.json:
            print(json.dumps(picture, indent=None if args.watch else 2))
        else:
            text = "\n".join(page(picture))
            print(f"\x1b[H\x1b[2J{text}" if args.watch and sys.stdout.isatty() else text)
        sys.stdout.flush()
        if not args.watch:
            return FAILED if any(a["severity"] == "critical" for a in picture["alerts"]) else OK
        time.sleep(2.0)


def page(picture: dict[str, Any]) -> list[str]:
    """The picture as lines for a person."""
    now, config, engine = picture["time"], picture["config"], picture["engine"]
    lines = [
        f"{paint(picture['device'], 'bold')}: edged {picture['version']} {picture['state']}, run {picture['boot']} for "
        f"{ago(picture['since'], now)}; the run before ended: {picture['previous_end']}",
        f"  config  {config['path'] or _NO_FILE}  {config['digest'][:19]}",
    ]
    if config["instead_of"]:
        lines.append(
            f"          applied by a command; in force instead of {config['instead_of']} until that file changes"
        )
    if trial := config["trial"]:
        until = f" until {trial['until']}" if trial["until"] else ""
        lines.append(
            f"  trial   {trial['digest'][:19]} by {trial['by']}: {trial['phase']}{until}; else {trial['before'][:19]}"
        )
    if config["errors"]:
        lines.append(paint("  the last reload was refused, the configuration before stays in force:", "red"))
        lines += [f"    {plain(error)}" for error in config["errors"]]
    up = {True: paint("up", "green"), False: paint("DOWN", "red"), None: "not seen yet"}[engine["up"]]
    purpose = ", stopped by a person: edged leaves it alone" if engine["stopped_on_purpose"] else ""
    lines.append(f"  engine  {up} {engine['version']} {plain(engine['error'])}{purpose}".rstrip())
    lines.append(f"  broker  {_broker(picture['broker'])}")
    lines.append(f"  host    {_host(picture['host'])}")
    if picture["storage_error"]:
        lines.append(paint(f"  storage {plain(picture['storage_error'])}", "red"))
    if picture["audit"]["records"]:
        lines.append(f"  audit   record {picture['audit']['head']}")
    lines += ["", *_apps(picture, now)]
    if picture["dependencies"]:
        rows = [
            [
                f"  {name}",
                {True: paint("ok", "green"), False: paint("FAILING", "red"), None: "?"}[d["ok"]],
                plain(d["detail"]),
            ]
            for name, d in picture["dependencies"].items()
        ]
        lines += ["", "dependencies", *table(rows)]
    lines += ["", *alert_lines(picture["alerts"], now)]
    if running := picture.get("runbooks"):
        lines += ["", "runbooks", *(_runbook(one, now) for one in running)]
    if picture.get("incidents"):
        from .incidents import lines as incident_lines

        lines += ["", *incident_lines(picture["incidents"], now)]
    return lines


def _runbook(run: dict[str, Any], now: str) -> str:
    held = f", waits: {plain(run['held'])}" if run["held"] else ""
    step = run["step"] or "all steps taken, waits for the alert to clear"
    return f"  {run['alert']} {plain(run['subject'])} for {ago(run['since'], now)}: {step}{held}"


def _broker(broker: dict[str, Any]) -> str:
    if not broker["configured"]:
        return "none configured: reports are only kept locally"
    waiting = f"{broker.get('spool_messages', 0)} events waiting ({size(broker.get('spool_bytes', 0))})"
    if broker["connected"]:
        return f"{paint('connected', 'green')}, {waiting} {plain(broker['detail'])}".rstrip()
    return f"{paint('not connected', 'yellow')}: {plain(broker['detail']) or 'connecting'}; {waiting}"


def _host(host: dict[str, Any]) -> str:
    if "memory_used_ratio" not in host:
        return "not sampled yet"
    disks = ", ".join(f"{path} {share(d['used_ratio'])}" for path, d in host["disks"].items())
    heat = f", {host['temperature_celsius']:.0f} °C" if host["temperature_celsius"] is not None else ""
    return (
        f"memory {share(host['memory_used_ratio'])}, CPU {share(host['cpu_busy_ratio'])}, load {host['load'][0]:.1f}, "
        f"disk {disks or '-'}{heat}"
    )


def _apps(picture: dict[str, Any], now: str) -> list[str]:
    apps = picture["apps"]
    if not apps:
        return ["no apps: name them in the configuration, or give containers the label edged.enable=true"]
    rows = [["APP", "STATE", "FOR", "MEMORY", "CPU", "RESTARTS LEFT", "WHY"]]
    for name, app in apps.items():
        recovery = app["recovery"]
        left = "-" if app["observed_only"] else str(max(0, recovery["budget"] - recovery["budget_used"]))
        if recovery["circuit"] == "open":
            left = paint("circuit open", "red")
        used = size(app["memory_bytes"])
        if app["memory_bytes"] is not None and app["memory_limit_bytes"]:
            used += f" ({app['memory_bytes'] / app['memory_limit_bytes']:.0%})"
        rows.append([name, state(app["state"]), ago(app["since"], now), used, share(app["cpu_ratio"]), left, _why(app)])
    return table(rows)


def _why(app: dict[str, Any]) -> str:
    parts = [plain(app["reason"])]
    if app["maintenance"]:
        parts.append(_maintenance(app["maintenance"]))
    parts.append(_recovery(app))
    if under_way := app.get("deployment"):
        what = f"deployment of {under_way['kind']} {plain(under_way['version'])}".rstrip()
        parts.append(f"{what}: {under_way['phase'].replace('_', ' ')}")
        if under_way.get("reason"):
            parts.append(plain(under_way["reason"]))
    if drill := app.get("drill"):
        parts.append(f"drill {drill['kind']}: {drill['phase']}")
    parts += [f"the last drill {kind} failed: {d['code']}" for kind, d in app.get("drills", {}).items() if not d["ok"]]
    if inference := _inference(app.get("inference")):
        parts.append(inference)
    if written := _log(app.get("logs")):
        parts.append(written)
    parts += [f"check {check} cannot be made: {plain(error)}" for check, error in app["broken"].items()]
    parts += [plain(problem) for problem in app["problems"]]
    return "; ".join(part for part in parts if part)


def _maintenance(by: dict[str, Any]) -> str:
    return f"in maintenance by {by['owner']} until {by['until'][:19]}Z: {plain(by['why'])}"


def _recovery(app: dict[str, Any]) -> str:
    """What edged is doing about it, or why it does nothing; maintenance speaks for itself."""
    recovery = app["recovery"]
    if recovery["phase"] != "idle":
        return f"recovery: {recovery['phase']}"
    if recovery["held"]:
        return "" if app["maintenance"] and recovery["held"].startswith("in maintenance") else str(recovery["held"])
    wait = recovery["next_in_seconds"]
    return f"next attempt in {span(wait)}" if wait else ""


def _log(seen: dict[str, Any] | None) -> str:
    """What its log says at the moment; nothing where it says nothing."""
    lately = seen["last_minute"] if seen is not None else {}
    parts = [f"{number} {kind}" for kind, number in lately.items() if number]
    return "log lines in a minute: " + ", ".join(parts) if parts else ""


def _inference(seen: dict[str, Any] | None) -> str:
    """Latency, failures and rate, as far as the app tells of them."""
    if seen is None:
        return ""
    parts = []
    if seen["latency_seconds"] is not None:
        parts.append(f"p{seen['quantile'] * 100:g} {seen['latency_seconds'] * 1000:.3g} ms")
    if seen["error_ratio"]:
        parts.append(f"{seen['error_ratio']:.1%} failed")
    if seen["requests_per_second"] is not None:
        parts.append(f"{seen['requests_per_second']:.3g}/s")
    return "inference " + ", ".join(parts) if parts else ""


def alert_lines(alerts: list[dict[str, Any]], now: str) -> list[str]:
    if not alerts:
        return ["no alerts"]
    lines = ["alerts"]
    for a in alerts:
        flapping = " (flapping: held until it has been calm)" if a["flapping"] else ""
        lines.append(
            f"  {state(a['severity'])}  {a['name']} {a['subject']} for {ago(a['since'], now)}{flapping}: "
            f"{plain(a['summary'])}"
        )
        if seen := a["acknowledged"]:
            note = f": {plain(seen['note'])}" if seen["note"] else ""
            lines.append(f"      acknowledged by {plain(seen['by'])} {ago(seen['at'], now)} ago{note}")
        if a["advice"]:
            lines.append(f"      next: {plain(a['advice'])}")
    return lines
