"""systemd: telling it how we are (sd_notify), and asking it for units of this host (systemctl)."""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Mapping

from ..ports import NotFound, PortError, Refused, Unreachable
from .processes import TimedOut, run

_log = logging.getLogger(__name__)

_SHOW = 5.0
"""Seconds for a look, which takes milliseconds: the rest of a time-out is for what the look leads to."""


class SystemdNotifier:
    """Implements ``ports.Notifier``. Does nothing outside of systemd, and never waits."""

    def __init__(self, env: Mapping[str, str] = os.environ) -> None:
        path = env.get("NOTIFY_SOCKET", "")
        # A leading @ stands for the abstract namespace. Other kinds (vsock) are for virtual machines.
        self._address = "\0" + path[1:] if path.startswith("@") else path if path.startswith("/") else ""
        self._watchdog_seconds = _watchdog_seconds(env) if self._address else None
        self._failing = False

    @property
    def watchdog_seconds(self) -> float | None:
        """``None``: nobody waits for ``watchdog``. Half of it is a good interval."""
        return self._watchdog_seconds

    def ready(self, status: str) -> None:
        """Started, or done with reloading."""
        self._send("READY=1", _status(status))

    def reloading(self) -> None:
        # systemd tells this reload from an earlier one by the time.
        self._send("RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def stopping(self, status: str) -> None:
        self._send("STOPPING=1", _status(status))

    def status(self, text: str) -> None:
        self._send(_status(text))

    def watchdog(self) -> None:
        self._send("WATCHDOG=1")

    def give_up(self) -> None:
        # systemd 243 and later; older ones end us when they have not been fed for long enough.
        self._send("WATCHDOG=trigger")

    def _send(self, *lines: str) -> None:
        """A message that cannot be sent is logged once, not raised: systemd draws its own conclusions."""
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
                channel.sendto("\n".join(lines).encode(), socket.MSG_DONTWAIT, self._address)
        except OSError as error:
            if not self._failing:
                _log.warning("systemd cannot be told %s: %s", lines[0], error)
            self._failing = True
        else:
            self._failing = False


def _status(text: str) -> str:
    return "STATUS=" + " ".join(text.split())


def _watchdog_seconds(env: Mapping[str, str]) -> float | None:
    try:
        if int(env.get("WATCHDOG_PID") or os.getpid()) != os.getpid():
            return None  # meant for the process that started us
        microseconds = int(env.get("WATCHDOG_USEC", "0"))
    except ValueError:
        return None
    return microseconds / 1e6 if microseconds > 0 else None


class SystemdServices:
    """Implements ``ports.Services`` with ``systemctl``: the one interface that also works through polkit."""

    def __init__(self, systemctl: str = "systemctl") -> None:
        self._systemctl = systemctl

    def stopped_on_purpose(self, unit: str, timeout: float) -> bool:
        """Raises ``NotFound`` when there is no such unit, ``Refused`` when it is masked against starting."""
        told = self.show(unit, ("LoadState", "ActiveState", "Result"), timeout)
        load = told.get("LoadState", "")
        if load == "not-found":
            raise NotFound(f"systemd knows no unit {unit}")
        if load == "masked":
            raise Refused(f"{unit} is masked; to let it start again: systemctl unmask {unit}")
        if load != "loaded":
            raise PortError(f"systemd cannot load {unit}: {load or 'no answer'}; see systemctl status {unit}")
        # A clean stop still under way counts too: restarting now would undo what somebody just asked for.
        return told.get("ActiveState") in ("inactive", "deactivating") and told.get("Result") == "success"

    def restart(self, unit: str, timeout: float) -> None:
        """Returns when systemd says that the unit is up again. Whether it works is for the caller to see.

        Not ``--no-block``: only by waiting does one learn why it did not start. When ``timeout`` seconds
        are over, systemd goes on with the restart nevertheless.

        One that is being started by somebody else already, like a person, its own ``Restart=`` or its socket,
        is only waited for: to restart it now would make it begin again. Unless that takes ``timeout`` too.
        """
        told = self.show(unit, ("ActiveState", "InactiveExitTimestampMonotonic"), timeout)
        since = told.get("InactiveExitTimestampMonotonic", "")
        begun = int(since) / 1e6 if since.isdigit() else 0.0
        young = time.clock_gettime(time.CLOCK_MONOTONIC) - begun < timeout
        verb = "start" if told.get("ActiveState") == "activating" and young else "restart"
        self._run([verb, "--", unit], f"restart {unit}", timeout)

    def show(self, unit: str, names: tuple[str, ...], timeout: float) -> dict[str, str]:
        """These properties of a unit, or the manager's own for an empty name. Raises ``PortError``."""
        options = [word for name in names for word in ("-p", name)]
        named = ["--", unit] if unit else []
        output = self._run(["show", *options, *named], f"look at {unit or 'itself'}", min(timeout, _SHOW))
        return dict(line.partition("=")[::2] for line in output.splitlines())

    def _run(self, arguments: list[str], what: str, timeout: float) -> str:
        try:
            code, out, err = run([self._systemctl, "--no-pager", "--no-ask-password", *arguments], timeout)
        except TimedOut:
            raise Unreachable(f"systemd did not {what} within {timeout:g}s") from None
        except OSError as error:
            raise PortError(f"cannot run {self._systemctl} to {what}: {error.strerror}") from error
        if code:
            said = " ".join(err.split()) or f"exit code {code}"
            raise _failure(said, f"systemd did not {what}: {said}")
        return out


def _failure(said: str, message: str) -> PortError:
    said = said.lower()
    if "not found" in said or "not loaded" in said:
        return NotFound(message)
    if "connect to" in said or "not been booted with systemd" in said:
        return Unreachable(message)
    if "masked" in said:
        return Refused(message)
    if "access denied" in said or "authentication" in said or "not permitted" in said:
        return Refused(f"{message} A polkit rule has to allow it to edged's user.")
    return PortError(message)
