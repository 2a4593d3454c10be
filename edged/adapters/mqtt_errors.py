"""Why there is no connection to the broker, in words that tell an operator what to do."""

from __future__ import annotations

import socket
import ssl
import time

_REFUSED = {
    132: "the broker does not speak MQTT 5",
    133: "the broker does not accept this client id: check device.id",
    136: "the broker says that it is not available",
    137: "the broker says that it is too busy",
    138: "the broker has banned this device",
    159: "the broker says that connections come too fast",
}
_ENDED = {
    135: "the broker withdrew this device's authorisation",
    137: "the broker says that it is too busy",
    139: "the broker is shutting down",
    142: "another client has connected with the same id: is device.id used twice?",
    149: "a message was larger than the broker takes",
    151: "the broker's quota for this device is used up",
    152: "an administrator of the broker ended the connection",
}

UNFIT = frozenset({144, 149, 153, 154, 155})
"""A DISCONNECT with one of these is about a message: topic, size, format, retain or QoS not accepted."""


def refused_text(code: int, text: str, username: str) -> str:
    """For the reason code of a CONNACK."""
    if code in (134, 135):
        who = f"user {username!r} with this password" if username else "a client without user name"
        return f"the broker refuses {who}: {text.lower()}"
    return _REFUSED.get(code, f"the broker refuses the connection: {text.lower()}")


def disconnected_text(code: int, text: str) -> str:
    """For the reason code of a DISCONNECT from the broker."""
    return _ENDED.get(code, f"the broker ended the connection: {text.lower()}")


def _today() -> str:
    return time.strftime("%Y-%m-%d", time.gmtime())


def connect_error(error: Exception, host: str, port: int, timeout: float) -> str:
    where = f"{host}:{port}"
    match error:
        case ssl.SSLCertVerificationError():
            why = error.verify_message
            # A device without a battery for its clock starts in another year.
            clock = f"; it is {_today()} by this device's clock" if "expired" in why or "not yet" in why else ""
            return f"the certificate of {where} is not accepted: {why}{clock}"
        case ssl.SSLError():
            return f"TLS with {where} failed: {error.reason or error}"
        case socket.gaierror():
            return f"the name {host!r} cannot be resolved: {error.strerror}"
        case TimeoutError():
            return f"no answer from {where} within {timeout:g} s"
        case ConnectionRefusedError():
            return f"nobody listens on {where}"
        case OSError() if error.filename:
            return f"cannot read {error.filename}: {error.strerror}"
        case OSError():
            return f"no connection to {where}: {error.strerror or error}"
    return f"no connection to {where}: {error}"
