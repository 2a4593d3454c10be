"""What came in on a command topic: an order that somebody who is trusted has signed, or why it is none. Pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct

from .. import strict_json
from ..bundles import dsse
from ..bundles.trust import Trust
from ..vocabulary.trust import Order, TrustedKey

MOST = 512 * 1024
"""Bytes of one message."""
MOST_COUNTER = 2**63 - 1

_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")
_TYPE = re.compile(r"[a-z]{1,32}(\.[a-z]{1,32}){0,3}\Z")


class Read(Struct, frozen=True, kw_only=True):
    """A verified order, or with ``code`` a refusal."""

    topic_type: str = ""
    topic_id: str = ""
    """Both empty when the topic is not one that an answer could be sent for."""
    key: str = ""
    """Id of the key; in a refusal only what the sender claims."""
    public: str = ""
    digest: str = ""
    """Hex SHA-256 of the signed bytes."""
    order: Order | None = None
    code: str = ""
    why: str = ""


def read(topic: str, data: bytes, device: str, keys: Sequence[TrustedKey], check: dsse.CheckSignature) -> Read:
    """Nothing but the envelope is parsed before its signature was found to fit. Times are not looked at."""
    type_, id_ = _named(topic)
    about: dict[str, Any] = {"topic_type": type_, "topic_id": id_}
    if not keys:
        return Read(**about, code="disabled", why="no key is trusted here: see `commands.trust` and edged status")
    if len(data) > MOST:
        return Read(**about, code="too_large", why=f"{len(data)} bytes; an order may have {MOST}")
    if not data:
        return Read(**about, code="not_signed", why="the message is empty")
    try:
        envelope = dsse.decode(data, MOST)
    except dsse.EnvelopeRefused as refusal:
        return Read(**about, code="not_signed", why=f"it is not a signed envelope: {refusal}")
    claimed = envelope.signatures[0].keyid[:128]
    if len(envelope.signatures) != 1 or not claimed:
        # More would let one message cost many checks.
        return Read(**about, key=claimed, code="not_signed", why="an order has one signature, with its keyid")
    try:
        # Whether the key has expired is asked where the time is known for sure; 0 is before all expiry.
        verified = dsse.verify(envelope, dsse.COMMAND_TYPE, Trust(keys=tuple(keys)), 0.0, device, check)
    except dsse.EnvelopeRefused as refusal:
        return Read(**about, key=claimed, code=refusal.code, why=str(refusal))
    key = verified.key
    about |= {"key": key.id, "public": key.public, "digest": hashlib.sha256(verified.payload).hexdigest()}
    try:
        order = msgspec.json.decode(verified.payload, type=Order)
        strict_json.check(verified.payload)
    except (msgspec.MsgspecError, RecursionError, ValueError) as error:
        text = "is nested too deeply" if isinstance(error, RecursionError) else str(error)[:200]
        return Read(**about, code="malformed", why=f"the order {text}")
    if not _ID.match(order.id):
        return Read(**about, code="malformed", why="id must be a UUID in lower case")
    if len(order.type) > 64 or len(order.issued) > 40 or len(order.expires) > 40:
        return Read(**about, code="malformed", why="type, issued or expires is too long")
    if not 0 <= order.counter <= MOST_COUNTER:
        return Read(**about, code="malformed", why=f"counter must be within 0 and {MOST_COUNTER}")
    return Read(**about, order=order)


def _named(topic: str) -> tuple[str, str]:
    """Type and id from ``…/cmd/<type>/<id>``, when they are of the kind that an answer may be published under."""
    type_, _, id_ = topic.rpartition("/cmd/")[2].partition("/")
    return (type_, id_) if _TYPE.match(type_) and _ID.match(id_) else ("", "")
