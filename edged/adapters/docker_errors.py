"""What went wrong, in the operator's words: from exceptions and HTTP statuses to the ``PortError`` family."""

from __future__ import annotations

import errno
import json
from collections.abc import Iterator

import docker.errors
import requests
import urllib3.exceptions

from ..ports import NotFound, PortError, Refused, Unreachable


class WrongVersion(Refused):
    """The engine does not speak this API version any more (or yet): it was replaced."""


ENGINE_ERRORS = (
    docker.errors.DockerException, requests.RequestException, urllib3.exceptions.HTTPError, OSError,
)  # fmt: skip
"""All that the SDK lets out. ``http.client``'s own exceptions are wrapped by urllib3."""

_WHY = {
    errno.ENOENT: "no such socket: the engine is not running, or docker.url is wrong",
    errno.ECONNREFUSED: "nobody listens: the engine is not running",
    errno.EACCES: "permission denied: edged's user must be in the group that owns the socket (docker)",
    errno.ECONNRESET: "it broke the connection off",
    errno.EPIPE: "it broke the connection off",
    errno.EAGAIN: "too many connections wait there already: the engine hangs",
}


def explain(error: Exception, url: str, timeout: float) -> PortError:
    """``error`` came out of a call to ``url`` that was given ``timeout`` seconds."""
    if isinstance(error, docker.errors.APIError):
        status = getattr(error, "status_code", None) or 500
        return _by_status(status, str(error.explanation or error))
    if isinstance(error, requests.exceptions.InvalidJSONError):
        return Refused(f"{url}: the answer is not JSON: is it a container engine?")
    if isinstance(error, docker.errors.DockerException):
        return Refused(f"{url}: {error}")
    return unreachable(error, url, timeout)


def unreachable(error: Exception, url: str, timeout: float) -> Unreachable:
    causes = list(_causes(error))
    if any(isinstance(one, TimeoutError | requests.Timeout | urllib3.exceptions.TimeoutError) for one in causes):
        return Unreachable(f"{url}: does not answer within {timeout:g}s")
    numbers = [one.errno for one in causes if isinstance(one, OSError) and one.errno is not None]
    for number in numbers:
        if number in _WHY:
            return Unreachable(f"{url}: {_WHY[number]}")
    return Unreachable(f"{url}: {str(causes[-1]) or type(causes[-1]).__name__}")


def answered(status: int, body: bytes) -> PortError:
    """The engine answered with an error status."""
    text = body.decode(errors="replace").strip()
    try:
        told = json.loads(text)
    except ValueError:
        told = None
    if isinstance(told, dict) and isinstance(told.get("message"), str):
        text = told["message"]
    return _by_status(status, text)


def _by_status(status: int, text: str) -> PortError:
    text = text.strip() or f"HTTP {status}"
    if status == 404:
        return NotFound(text)
    if status == 400 and "client version" in text:
        return WrongVersion(text)
    return Refused(text)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """``error`` and what it wraps: requests and urllib3 hide the reason as an argument or a cause."""
    seen: set[int] = set()
    waiting: list[BaseException] = [error]
    while waiting:
        one = waiting.pop(0)
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        wrapped = [*one.args, getattr(one, "reason", None), one.__cause__]
        waiting += [inner for inner in wrapped if isinstance(inner, BaseException)]
