"""DSSE: an envelope that says what kind of thing was signed. For bundles and for commands. Pure."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Container

import msgspec
from msgspec import Struct

from .refusal import Refusal
from .trust import Key, Trust

MANIFEST_TYPE = "application/vnd.edged.manifest+json"
COMMAND_TYPE = "application/vnd.edged.command+json"
MOST_SIGNATURES = 16

CheckSignature = Callable[[bytes, bytes, bytes], bool]
"""(raw public key, message, signature) -> whether it fits. ``adapters.ed25519.verify``."""


class EnvelopeRefused(Refusal):
    """The envelope is malformed, or nobody who is trusted has signed it."""


class Signature(Struct, frozen=True):
    keyid: str
    sig: bytes


class Envelope(Struct, frozen=True):
    payload_type: str
    payload: bytes
    signatures: tuple[Signature, ...]


class Verified(Struct, frozen=True):
    payload: bytes
    key: Key
    """Whose signature was accepted."""


class _RawSignature(Struct):
    sig: str
    keyid: str = ""


class _RawEnvelope(Struct, rename="camel"):
    payload: str
    payload_type: str
    signatures: list[_RawSignature]


def pae(payload_type: str, payload: bytes) -> bytes:
    """What is really signed: type and payload with their lengths, so that neither can pass for the other."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def encode(envelope: Envelope) -> bytes:
    """The envelope as JSON, with standard base64."""
    return msgspec.json.encode(
        {
            "payloadType": envelope.payload_type,
            "payload": base64.b64encode(envelope.payload).decode(),
            "signatures": [
                {"keyid": s.keyid, "sig": base64.b64encode(s.sig).decode()} for s in envelope.signatures
            ],
        }
    )  # fmt: skip


def decode(data: bytes, most: int) -> Envelope:
    """The envelope in at most ``most`` bytes. Raises ``EnvelopeRefused("signature_format")``.

    Fields that DSSE does not know are ignored, as it demands; they are not signed and mean nothing.
    """
    if len(data) > most:
        raise EnvelopeRefused("signature_format", f"the envelope is larger than {most} bytes")
    try:
        raw = msgspec.json.decode(data, type=_RawEnvelope)
        if not 1 <= len(raw.signatures) <= MOST_SIGNATURES:
            raise EnvelopeRefused("signature_format", f"an envelope holds 1 to {MOST_SIGNATURES} signatures")
        return Envelope(
            payload_type=raw.payload_type,
            payload=unbase64(raw.payload),
            signatures=tuple(Signature(s.keyid, unbase64(s.sig)) for s in raw.signatures),
        )
    except (msgspec.MsgspecError, RecursionError, ValueError) as error:
        text = "is nested too deeply" if isinstance(error, RecursionError) else str(error)[:200]
        raise EnvelopeRefused("signature_format", f"the envelope is not valid: {text}") from None


def unbase64(text: str) -> bytes:
    """Standard or URL-safe base64, padded, in its one canonical form. Raises ``ValueError``."""
    try:
        raw = text.encode("ascii")
    except UnicodeEncodeError:
        raise ValueError("holds what is not base64") from None
    url = b"-" in raw or b"_" in raw
    standard = raw.translate(bytes.maketrans(b"-_", b"+/")) if url else raw
    try:
        data = binascii.a2b_base64(standard, strict_mode=True)
    except binascii.Error:
        raise ValueError("holds what is not base64") from None
    # The spare bits of the last character, and + beside -, would let one thing be written in many ways.
    if (url and (b"+" in raw or b"/" in raw)) or base64.b64encode(data) != standard:
        raise ValueError("holds what is not base64")
    return data


def verify(
    envelope: Envelope,
    payload_type: str,
    trust: Trust,
    now: float,
    device: str,
    check: CheckSignature,
    roles: Container[str] | None = None,
) -> Verified:
    """Accepts the first signature of a key that is trusted for this. Raises ``EnvelopeRefused``.

    ``now`` is Unix time. ``roles``: whose signature may count; ``None`` leaves that to the caller. A signature
    without a keyid is tried with every key. With several signatures that do not count the one that came nearest is
    told: its key was known, it fitted, it had not expired, it was for this device.
    """
    if envelope.payload_type != payload_type:
        raise EnvelopeRefused(
            "payload_type", f"the signature is for {envelope.payload_type[:80]!r}, not for {payload_type!r}"
        )
    message = pae(envelope.payload_type, envelope.payload)
    refusals = [EnvelopeRefused("unknown_key", _unknown(envelope))]
    for signature in envelope.signatures:
        for key in trust.keys:
            if signature.keyid not in ("", key.id):
                continue
            fault = _fault(key, now, device, roles) if check(key.raw, message, signature.sig) else _misfit(key)
            if fault is None:
                return Verified(envelope.payload, key)
            if signature.keyid or fault.code != "bad_signature":
                refusals.append(fault)
    raise max(refusals, key=lambda refusal: _ORDER.index(refusal.code))


_ORDER = ("unknown_key", "bad_signature", "expired_key", "wrong_device", "role")


def _fault(key: Key, now: float, device: str, roles: Container[str] | None) -> EnvelopeRefused | None:
    if key.expired(now):
        return EnvelopeRefused("expired_key", f"the key {key.id!r} expired at {key.expires}")
    if key.devices and device not in key.devices:
        return EnvelopeRefused("wrong_device", f"the key {key.id!r} is not meant for device {device}")
    if roles is not None and key.role not in roles:
        return EnvelopeRefused("role", f"the key {key.id!r} has the role {key.role}, which may not sign this")
    return None


def _misfit(key: Key) -> EnvelopeRefused:
    return EnvelopeRefused("bad_signature", f"the signature by {key.id!r} does not fit: something was changed")


def _unknown(envelope: Envelope) -> str:
    names = ", ".join(repr(s.keyid[:80]) for s in envelope.signatures[:3])
    return f"signed by {names}, which counts nothing here: not in the trust file, or revoked"
