"""When certificates begin and end. Read from their bytes, for a certificate that is refused is the one of interest."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime

from msgspec import Struct

_SEQUENCE, _VERSION = 0x30, 0xA0
_UTC_TIME, _GENERALIZED_TIME = 0x17, 0x18
_BEGIN, _END = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"


class Validity(Struct, frozen=True):
    """Unix times."""

    begins: float
    ends: float


def validity(der: bytes) -> Validity:
    """Of an X.509 certificate (RFC 5280, 4.1.2.5). Raises ``ValueError`` for anything else."""
    _, certificate, _ = _element(der, _SEQUENCE)
    _, rest, _ = _element(certificate, _SEQUENCE)
    tag, _, after = _element(rest)
    if tag == _VERSION:
        rest = after
    for _ in range(3):  # serial number, signature algorithm, issuer
        _, _, rest = _element(rest)
    _, times, _ = _element(rest, _SEQUENCE)
    tag, first, rest = _element(times)
    begins = _time(tag, first)
    tag, second, _ = _element(rest)
    return Validity(begins, _time(tag, second))


def of_pem(text: str) -> list[Validity]:
    """Of each certificate in a PEM file. Raises ``ValueError`` when there is none, or one is damaged."""
    found = []
    for part in text.split(_BEGIN)[1:]:
        body, end, _ = part.partition(_END)
        if not end:
            raise ValueError("a certificate is cut off")
        found.append(validity(ssl.PEM_cert_to_DER_cert(f"{_BEGIN}{body}{_END}\n")))
    if not found:
        raise ValueError("there is no certificate in it")
    return found


def _element(data: bytes, wanted: int | None = None) -> tuple[int, bytes, bytes]:
    """Tag, content and what follows of the first DER element."""
    if len(data) < 2:
        raise ValueError("the certificate is cut off")
    tag, length, at = data[0], data[1], 2
    if length & 0x80:
        count = length & 0x7F
        if not 1 <= count <= 4:
            raise ValueError("not a certificate")
        length, at = int.from_bytes(data[2 : 2 + count]), 2 + count
    if wanted is not None and tag != wanted:
        raise ValueError("not a certificate")
    if len(data) < at + length:
        raise ValueError("the certificate is cut off")
    return tag, data[at : at + length], data[at + length :]


def _time(tag: int, text: bytes) -> float:
    if tag not in (_UTC_TIME, _GENERALIZED_TIME):
        raise ValueError("the certificate has no dates")
    written = text.decode("ascii")
    if tag == _UTC_TIME:  # two digits of the year: 50 to 99 are the last century's
        written = ("19" if written[:2] >= "50" else "20") + written
    return datetime.strptime(written, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC).timestamp()
