"""The configuration: whether it loads, and who can read the secrets it names."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

from ..config.load import Loaded, NamedFile
from ..config.problem import Problem, render
from .finding import Finding, fail, ok, skip, warn
from .identity import Identity, may, there
from .patient import Patient

_SECRETS = ("mqtt.password", "mqtt.password_file", "mqtt.key_file", "http.token_file")
_POWERS = {"": "and so what edged does", "commands.trust": "and so add a key that may command this device"}
"""What whoever may write it can do. Without a key: the configuration itself."""
_EXAMPLE = "write /etc/edged/edged.yaml (config/edged.yaml shows every key), then: edged check"


def look(patient: Patient) -> Iterator[Finding]:
    path = patient.path
    if path is None:
        found = "there is no /etc/edged/edged.yaml: edged observes every container and touches none"
        yield warn("config", found, _EXAMPLE)
        return
    if patient.errors:
        yield from broken(path, patient.errors)
        return
    yield judge(path, patient.loaded)
    if patient.loaded.instead_of:
        yield instead(patient.loaded)
    for problem in patient.loaded.warnings:
        yield warn("config", render([problem]), f"edit {path}, then: edged check -c {path}")
    yield from readable("config", path, patient.daemon, may(patient.daemon, "r", path))
    yield from exposed("", str(path), path.stat().st_mode, patient.daemon)
    mqtt = patient.config.mqtt
    if mqtt is not None and mqtt.password:
        yield from exposed("mqtt.password", str(path), path.stat().st_mode, patient.daemon)
    for file in patient.loaded.files:
        where = Path(file.path)
        if where.parent == patient.credstore:
            yield credential(f"config {file.key}", where)
        else:
            yield from readable(f"config {file.key}", where, patient.daemon, may(patient.daemon, "r", where))
        yield from _mode(file, patient.daemon)


def judge(path: Path, loaded: Loaded) -> Finding:
    apps, device = len(loaded.config.apps), loaded.config.device.id
    if not apps and loaded.config.discover == "off":
        found = f"{path} names no apps and discover is off: nothing is watched but the host"
        return warn("config", found, f"edit {path}: apps: {{NAME: {{}}}}, or discover: labels")
    if not apps:
        found = f"{path} names no apps: only containers with the label edged.enable=true are recovered"
        return warn("config", found, f"edit {path}: apps: {{NAME: {{}}}}, or label containers: edged.enable=true")
    return ok("config", f"{path}: device {device}, {apps} app{'s' if apps != 1 else ''}")


def instead(loaded: Loaded) -> Finding:
    """Told as something to know, not to mend: whoever edits the file should not wonder."""
    told = f"{loaded.path}, applied by a command, is in force instead of {loaded.instead_of} until that file changes"
    return ok("config applied", told)


def broken(path: Path, errors: tuple[Problem, ...]) -> Iterator[Finding]:
    """One finding each; a file that only this user cannot read says nothing about the daemon."""
    for problem in errors:
        if not problem.line and "Permission denied" in problem.reason:
            yield skip("config", f"you may not read {path}")
        elif not problem.line and not there(path):
            yield fail(
                "config",
                render([problem]),
                "name the right file with -c, or write it (config/edged.yaml shows every key)",
            )
        else:
            yield fail("config", render([problem]), f"edit {path}, then: edged check -c {path}")


def readable(name: str, path: Path, who: Identity, answer: bool | None) -> Iterator[Finding]:
    if answer is None:
        yield skip(name, f"whether user {who.name} may read {path} is not known to you")
    elif not answer and not there(path):
        yield fail(
            name, f"there is no {path}", f"put the file there, or correct the key: {name.removeprefix('config ')}"
        )
    elif not answer:
        closed = may(who, "x", path.parent) is False
        what, mode = (path.parent, "g+x") if closed else (path, "0640")
        fix = f"sudo chgrp {who.name} {what} && sudo chmod {mode} {what}"
        yield fail(name, f"user {who.name} may not read {path}", fix)


def credential(name: str, path: Path) -> Finding:
    """systemd reads it as root and hands it to the service: the daemon's user need not reach it."""
    try:
        path.stat()
    except PermissionError:
        return skip(name, f"whether {path} is there is not known to you")
    except OSError:
        return fail(
            name, f"there is no {path}", f"sudo install -D -m 0600 /dev/stdin {path}   type the secret, then ^D"
        )
    return ok(name, f"{path} is handed to the service by systemd")


def _mode(file: NamedFile, who: Identity) -> Iterator[Finding]:
    try:
        mode = Path(file.path).stat().st_mode
    except OSError:
        return  # whoever may not look has been told above
    yield from exposed(file.key, file.path, mode, who)


def exposed(key: str, path: str, mode: int, who: Identity) -> Iterator[Finding]:
    """Secrets that everybody on this host can read, and files that everybody can change."""
    if key in _SECRETS and mode & (stat.S_IROTH | stat.S_IWOTH):
        fix = f"sudo chown root:{who.name} {path} && sudo chmod 0640 {path}"
        yield warn(f"config {key}", f"everybody on this host can read {path} (mode {mode & 0o777:04o})", fix)
    elif key in _POWERS and mode & stat.S_IWOTH:
        found = f"everybody on this host can change {path} (mode {mode & 0o777:04o}): {_POWERS[key]}"
        yield fail(f"config {key}".strip(), found, f"sudo chown root {path} && sudo chmod o-w {path}")
