"""systemd: the unit that starts edged and feeds on its watchdog, the engine's unit, and the right to restart it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from ..ports import PortError
from .finding import Finding, fail, ok, skip, warn
from .identity import Identity
from .patient import UNIT, Patient

_TIMEOUT = 3.0
_OLDEST = 252
_ENGINE_PROPERTIES = ("LoadState", "UnitFileState", "ActiveState", "Restart", "TriggeredBy")
_JOURNAL = f"journalctl -u {UNIT} -n 50 --no-pager"
_INSTALL = (
    f"sudo cp systemd/{UNIT} /etc/systemd/system/ && sudo systemctl daemon-reload && sudo systemctl enable --now edged"
)
_RULES = ("etc/polkit-1/rules.d", "usr/local/share/polkit-1/rules.d", "usr/share/polkit-1/rules.d")
_ENGINE_DROP_IN = "sudo systemctl edit {unit}   and write: [Service] Restart=always"


def look(patient: Patient) -> Iterator[Finding]:
    if not patient.has_systemd:
        found = "not running here: nothing starts edged at boot, or restarts it when it hangs"
        yield warn(
            "systemd", found, "let your init system run: edged run -c /etc/edged/edged.yaml   and restart it on exit"
        )
        return
    try:
        manager = patient.services.show("", ("Version",), _TIMEOUT)
    except PortError as error:
        yield fail("systemd", str(error), "systemctl status; journalctl -b -p err -n 30")
        return
    yield judge_version(manager.get("Version", ""))
    yield from judge_unit(patient.unit)
    unit = patient.config.docker.restart.unit
    try:
        told = patient.services.show(unit, _ENGINE_PROPERTIES, _TIMEOUT)
        yield from judge_engine(unit, told, patient.config.docker.restart.after > 0)
    except PortError as error:
        yield warn("systemd engine", str(error), f"systemctl status {unit}")
    if patient.config.docker.restart.after:
        yield _right_to_restart(patient, unit)


def judge_version(text: str) -> Finding:
    """``252.38-1~deb12u1``, ``249``."""
    digits = text[: len(text) - len(text.lstrip("0123456789"))]
    number = int(digits) if digits else 0
    if number < _OLDEST:
        found = f"version {text or '?'}: it ignores those lines of the unit that came with {_OLDEST}"
        return warn("systemd", found, f"systemd-analyze verify /etc/systemd/system/{UNIT}   shows which")
    return ok("systemd", f"version {text}")


def judge_unit(unit: Mapping[str, str]) -> Iterator[Finding]:
    name, load = "systemd unit", unit.get("LoadState", "")
    if load in ("", "not-found"):
        yield fail(name, f"{UNIT} is not installed: nothing starts edged at boot", _INSTALL)
        return
    if load == "masked":
        yield fail(name, f"{UNIT} is masked", "sudo systemctl unmask edged && sudo systemctl enable --now edged")
        return
    if load != "loaded":
        yield fail(
            name, f"systemd cannot load {UNIT}: {load}", f"systemd-analyze verify {unit.get('FragmentPath') or UNIT}"
        )
        return
    yield _enabled_and_active(unit)
    if unit.get("NeedDaemonReload") == "yes":
        yield warn("systemd unit file", "changed on disk since systemd read it",
                   "sudo systemctl daemon-reload && sudo systemctl restart edged")  # fmt: skip
    restarts = unit.get("NRestarts", "0")
    if restarts not in ("", "0"):
        yield warn("systemd restarts", f"edged was restarted {restarts} times by systemd (last result: "
                   f"{unit.get('Result', '?')})", f"journalctl -u {UNIT} -p warning -n 100 --no-pager")  # fmt: skip
    yield judge_watchdog(unit)
    if drop_ins := unit.get("DropInPaths", ""):
        yield ok("systemd drop-ins", drop_ins.replace(" ", ", "))


def _enabled_and_active(unit: Mapping[str, str]) -> Finding:
    name, active, enabled = "systemd unit", unit.get("ActiveState", ""), unit.get("UnitFileState", "")
    if active == "failed":
        found = f"{UNIT} has failed: {unit.get('Result', '?')}"
        return fail(name, found, f"sudo systemctl restart edged; {_JOURNAL}")
    if enabled not in ("enabled", "enabled-runtime", "static", "linked", "generated"):
        return fail(
            name,
            f"{UNIT} is {enabled or 'not enabled'}: it does not start at boot",
            "sudo systemctl enable --now edged",
        )
    if active not in ("active", "activating", "reloading"):
        return fail(name, f"{UNIT} is {active or 'not active'}", f"sudo systemctl start edged; {_JOURNAL}")
    return ok(name, f"{enabled}, {active} as user {unit.get('User') or 'root'}, pid {unit.get('MainPID', '?')}")


def judge_watchdog(unit: Mapping[str, str]) -> Finding:
    # ``30s``, ``1min 30s`` as systemctl shows it, microseconds from elsewhere; 0 or infinity: off.
    told = unit.get("WatchdogUSec", "")
    drop_in = "sudo systemctl edit edged   and write: [Service] Type=notify WatchdogSec=30"
    if told in ("", "0", "infinity"):
        return fail("systemd watchdog", "off: a hanging edged would never be restarted", drop_in)
    if unit.get("Type") not in ("notify", "notify-reload"):
        found = f"set to {told}, but the unit's Type is {unit.get('Type')}"
        return fail("systemd watchdog", found, drop_in)
    return ok("systemd watchdog", told)


def judge_engine(unit: str, told: Mapping[str, str], restarts: bool = True) -> Iterator[Finding]:
    """``restarts``: edged is to restart it when it hangs."""
    name = "systemd engine"
    if told.get("LoadState") != "loaded":
        if not restarts:
            return
        found = f"{unit}: {told.get('LoadState') or 'not known'}; edged cannot restart the engine through it"
        yield warn(name, found, "set docker.restart.unit in edged.yaml (systemctl list-units '*docker*' '*podman*')")
        return
    if told.get("UnitFileState") == "disabled" and not told.get("TriggeredBy"):
        yield fail(name, f"{unit} is disabled: no containers after a reboot", f"sudo systemctl enable {unit}")
    elif told.get("Restart") in ("no", ""):
        yield warn(
            name, f"{unit} has Restart=no: only edged brings a crashed engine back", _ENGINE_DROP_IN.format(unit=unit)
        )
    else:
        yield ok(name, f"{unit} is {told.get('ActiveState')}, Restart={told.get('Restart')}")


def _right_to_restart(patient: Patient, unit: str) -> Finding:
    name, who = "systemd polkit", patient.daemon
    if who.is_root:
        return ok(name, f"edged runs as root and may restart {unit}")
    if not any((patient.etc / "..").resolve().joinpath(path).is_file() for path in _DAEMONS):
        found = f"polkit is not installed: user {who.name} may not restart {unit}"
        return warn(name, found, "sudo apt-get install polkitd")
    root = (patient.etc / "..").resolve()
    rules, hidden = [], False
    for folder in _RULES:
        try:
            rules += [path for path in (root / folder).iterdir() if _grants(path, who, unit)]
        except FileNotFoundError:
            continue
        except PermissionError:
            hidden = True
    return judge_rules(who, unit, rules, hidden)


_DAEMONS = ("usr/lib/polkit-1/polkitd", "usr/libexec/polkitd", "usr/lib/policykit-1/polkitd")


def judge_rules(who: Identity, unit: str, rules: list[Path], hidden: bool) -> Finding:
    """``rules``: files that speak of the user and the unit; ``hidden``: there are some we may not read."""
    name = "systemd polkit"
    if rules:
        return ok(name, f"user {who.name} may restart {unit} by {rules[0]}")
    if hidden:
        return skip(name, "you may not read polkit's rules")
    return warn(name, f"no rule lets user {who.name} restart {unit}: edged cannot mend a hanging engine",
                "sudo cp systemd/polkit/50-edged.rules /etc/polkit-1/rules.d/")  # fmt: skip


def _grants(path: Path, who: Identity, unit: str) -> bool:
    if path.suffix != ".rules":
        return False
    text = path.read_text(encoding="utf-8", errors="replace")
    return f'"{who.name}"' in text and f'"{unit}"' in text
