"""Under which client id edged keeps its session at the broker."""

from __future__ import annotations

import hashlib
import hmac
from contextlib import suppress
from pathlib import Path

from ..config.model import Mqtt


def client_id(config: Mqtt, device: str) -> str:
    """The same at each start, so that the session is found again; with a certificate nobody else can guess it.

    A broker hands a session to whoever comes with its client id, after throwing out who has it, whatever certificate
    that one shows. So the id has a part that comes from the device's private key. A new key begins a new session:
    commands that wait in the old one are not delivered, and the broker drops it when its time is over.
    """
    plain = f"edged-{device}"
    secret = config.key_file or config.cert_file
    if not secret:
        return plain
    with suppress(OSError):  # then there will be no connection, and that says why
        digest = hmac.new(Path(secret).read_bytes(), b"edged mqtt client id " + device.encode(), hashlib.sha256)
        return f"{plain}-{digest.hexdigest()[:16]}"
    return plain
