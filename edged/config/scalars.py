"""One text to one value, according to its type. Pure. What is refused is told without repeating the text."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable
from difflib import get_close_matches
from typing import Any

from msgspec.inspect import BoolType, FloatType, IntType, LiteralType, StrType, Type

from .schema import bare, title
from .units import (
    Unreadable,
    format_duration,
    format_share,
    format_size,
    parse_bool,
    parse_duration,
    parse_share,
    parse_size,
)

_UNITS: dict[str, tuple[Callable[[str], Any], Callable[[Any], str]]] = {
    "duration": (parse_duration, format_duration),
    "size": (parse_size, format_size),
    "share": (parse_share, format_share),
}
_HINTS = {
    "name": "letters, digits, `_`, `.` and `-`, at most 128, beginning with a letter or digit",
    "device id": "letters, digits, `_` and `-`, at most 64",
    "host:port": "write it like 127.0.0.1:1883",
    "host name": "write it like broker.example",
    "http(s) URL": "write it like http://127.0.0.1:8080/health",
    "mqtt(s) URL": "write it like mqtts://broker.example:8883, without a path",
    "MQTT topic": "write it like plant/press-7/features, or mqtt://127.0.0.1:1883/plant/press-7/features",
    "unix:// or tcp:// URL": "write it like unix:///var/run/docker.sock",
    "systemd unit": "write it like docker.service",
    "time window": "write it like 02:00-04:00, in UTC",
    "container label": "write it like edged.app=detector",
}

_LONGEST = 4096
# Comparing costs the product of the lengths; no word of ours is longer.
_LONGEST_WORD = 64


def scalar(kind: Type, text: str) -> Any:
    """The value ``text`` stands for, or ``Unreadable``."""
    named, inner = title(kind), bare(kind)
    if named in _UNITS:
        parse, to_text = _UNITS[named]
        return _bounded(inner, parse(text), text, to_text)
    if isinstance(inner, LiteralType):
        return _literal(inner, text)
    if isinstance(inner, BoolType):
        return parse_bool(text)
    if isinstance(inner, IntType):
        # Not int(): it takes 1_000 and digits of other scripts; and 010 is eight to YAML, ten to people.
        if not re.fullmatch(r"-?(0|[1-9][0-9]{0,17})", text, re.ASCII):
            raise Unreadable(text, "is not a whole number")
        return _bounded(inner, int(text), text, str)
    if isinstance(inner, FloatType):
        if re.fullmatch(r"[-+]?\.?(inf|nan)", text, re.IGNORECASE):
            raise Unreadable(text, "is not a finite number")
        if not re.fullmatch(r"-?[0-9]{1,15}(\.[0-9]{1,15})?", text, re.ASCII):
            raise Unreadable(text, "is not a number")
        return _bounded(inner, float(text), text, lambda bound: f"{bound:g}")
    if isinstance(inner, StrType):
        return _string(inner, named, text)
    raise Unreadable(text, "is a single value; a section is expected here")


def _bounded(kind: Type, value: Any, text: str, to_text: Callable[[Any], str]) -> Any:
    least, most = getattr(kind, "ge", None), getattr(kind, "le", None)
    if least is not None and value < least:
        raise Unreadable(text, f"must be at least {to_text(least)}")
    if most is not None and value > most:
        raise Unreadable(text, f"must be at most {to_text(most)}")
    return value


def _literal(kind: LiteralType, text: str) -> str:
    allowed = [str(value) for value in kind.values]
    if text in allowed:
        return text
    near = get_close_matches(text[:_LONGEST_WORD], allowed, n=1, cutoff=0.7)
    raise Unreadable(text, f"is not one of {', '.join(allowed)}", f"did you mean {near[0]}?" if near else "")


def _string(kind: StrType, named: str, text: str) -> str:
    if named == "secret":
        return text
    if not text.isprintable():
        raise Unreadable(text, "holds a control or invisible character")
    if named == "mqtt(s) URL" and "@" in text:
        raise Unreadable(text, "holds a user name or password", "use the keys username and password_file")
    if len(text) > (kind.max_length or _LONGEST):
        raise Unreadable(text, f"is longer than {kind.max_length or _LONGEST} characters")
    hint = _HINTS.get(named, "")
    if not text and (kind.min_length or kind.pattern):
        raise Unreadable(text, "is empty", hint or "leave the key out instead")
    if kind.pattern and not re.search(kind.pattern, text, re.ASCII):
        raise Unreadable(text, f"is not a valid {named}" if named else "is not valid", hint)
    if named == "host:port":
        _host_port(text, hint, port_required=True)
    elif "URL" in named:
        _url(text, hint)
    elif named == "file path" and text.startswith("~"):
        raise Unreadable(text, "begins with ~, which means nothing to a daemon", "write the full path")
    return text


def _url(text: str, hint: str) -> None:
    scheme, _, rest = text.partition("://")
    if " " in text:
        raise Unreadable(text, "holds a space", hint)
    if scheme == "unix":
        if not rest.startswith("/"):
            raise Unreadable(text, "needs the full path of a socket", hint)
        return
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0].rpartition("@")[2]
    if not _host_port(authority, hint, port_required=False):
        raise Unreadable(text, "names no host", hint)


def _host_port(text: str, hint: str, *, port_required: bool) -> str:
    """The host in ``host:port``, after looking at both."""
    match = re.fullmatch(r"(\[.*\]|[^:\[\]]*)(?::([0-9]{1,5}))?", text, re.ASCII)
    if match is None or (port_required and match[2] is None):
        raise Unreadable(text, "is not a host and a port", hint)
    host, port = match[1], match[2]
    if port is not None and not 1 <= int(port) <= 65535:
        raise Unreadable(text, "has a port outside 1..65535", hint)
    if host.startswith("["):
        try:
            socket.inet_pton(socket.AF_INET6, host[1:-1])
        except OSError:
            raise Unreadable(text, "has no valid IPv6 address in its brackets", hint) from None
    return host
