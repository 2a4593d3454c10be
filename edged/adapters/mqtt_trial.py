"""A short visit to the broker under another client id: whether it lets us in, and what it lets us publish."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence

from msgspec import Struct

from ..config.model import Mqtt
from ..ports import Message, PortError
from .mqtt_link import Link, Listener

log = logging.getLogger(__name__)


class Trial(Struct, frozen=True, kw_only=True):
    connected: bool
    reason: str = ""
    """Why it did not let us in, or why there are fewer answers than messages."""
    answers: dict[str, tuple[int, str]] = {}
    """topic -> reason code of the acknowledgement, and its text when the message was not taken."""


def try_broker(config: Mqtt, client_id: str, messages: Sequence[Message], timeout: float) -> Trial:
    """Connects, publishes, takes the answers and leaves no session behind. ``timeout``: seconds in all."""
    return _Visit(config, client_id, messages, timeout).result()


class _Visit:
    def __init__(self, config: Mqtt, client_id: str, messages: Sequence[Message], timeout: float) -> None:
        self._messages = messages
        self._until = time.monotonic() + timeout
        self._timeout = timeout
        self._connected = False
        self._reason = ""
        self._sent: dict[int, str] = {}
        self._answers: dict[str, tuple[int, str]] = {}
        listener = Listener(self._publish, self._answered, None)
        # A little less for the link: its reason says more than that time was up.
        self._link = Link(1, config, client_id, None, (), listener, round(timeout * 0.9, 1), session_expiry=0)
        self._thread = threading.Thread(target=self._run, name="doctor-mqtt", daemon=True)

    def result(self) -> Trial:
        self._thread.start()
        self._thread.join(max(0.0, self._until - time.monotonic()))
        if self._thread.is_alive():
            self._link.drop(f"no answer within {self._timeout:.1f} s")
            self._thread.join(0.5)
        missing = len(self._answers) < len(self._messages)
        reason = self._reason or f"no answer within {self._timeout:.1f} s"
        return Trial(connected=self._connected, reason=reason if missing else "", answers=dict(self._answers))

    def _run(self) -> None:
        try:
            said = self._link.run()
        except Exception as error:
            # Whatever the library meets in an odd answer is for the operator, not the end of the program.
            log.debug("the visit to the broker failed", exc_info=True)
            said = f"unexpected answer: {error!r}"
        self._reason = self._reason or said

    def _publish(self, _number: int, _session: bool, _room: int) -> None:
        self._connected = True
        try:
            for message in self._messages:
                self._sent[self._link.id_of(self._link.publish(message).mid)] = message.topic
        except PortError as error:
            self._reason = str(error)
            self._link.disconnect()

    def _answered(self, number: int, code: int, text: str) -> None:
        if topic := self._sent.get(number):
            self._answers[topic] = (code, text)
        if len(self._answers) == len(self._messages):
            self._link.disconnect()
