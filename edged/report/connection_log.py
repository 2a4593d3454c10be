"""What the log says of the connection to the broker: each reason once, not each time. Pure."""

from __future__ import annotations

REPEAT = 600.0
"""Seconds for which the same reason is not said again: a broker that hangs up again and again would fill the log."""


class ConnectionLog:
    def __init__(self) -> None:
        self._connected = False
        self._quiet = False
        """The last loss was not said, so its end is not either."""
        self._detail = ""
        self._said: dict[str, tuple[float, int]] = {}
        """By reason: when it was said, and how often it came again since."""

    def line(self, connected: bool, detail: str, now: float) -> str:
        """The line to log for a change, or "". ``now``: monotonic seconds."""
        lost, came = self._connected and not connected, connected and not self._connected
        same, self._connected, self._detail = detail == self._detail, connected, detail
        if came and (self._quiet or not detail):
            self._quiet, quiet = False, self._quiet
            return "" if quiet else "connected"
        if same and not lost and not came:
            return ""
        if not detail:
            return "" if connected else "not connected"
        text = self._once(detail, now)
        if lost:
            self._quiet = not text
        elif text:
            self._quiet = False
        if not text:
            return ""
        return f"connected, but {text}" if connected else f"not connected: {text}"

    def _once(self, reason: str, now: float) -> str:
        at, again = self._said.get(reason, (-REPEAT, 0))
        if now < at + REPEAT:
            self._said[reason] = (at, again + 1)
            return ""
        if len(self._said) >= 100:
            self._said.clear()
        self._said[reason] = (now, 0)
        return f"{reason} ({again} times more since this was last said)" if again else reason
