"""The token that opens the status page to other machines."""

from __future__ import annotations

import os
import re

SHORTEST = 16
_TOKEN = re.compile(rf"[!-~]{{{SHORTEST},512}}")


def read_token(path: str) -> str:
    """The content without the line break at its end. Raises ``ValueError`` with the reason when it is of no use."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            token = os.read(descriptor, 1024).decode("ascii", errors="replace").rstrip("\r\n")
        finally:
            os.close(descriptor)
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror}") from error
    if not _TOKEN.fullmatch(token):
        raise ValueError(
            f"holds no token of {SHORTEST} to 512 letters, digits and signs, no spaces: openssl rand -hex 32 makes one"
        )
    return token


def fault(path: str) -> str:
    """Why there is no token in this file, or nothing."""
    try:
        read_token(path)
    except ValueError as error:
        return str(error)
    return ""
