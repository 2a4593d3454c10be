"""The certificates around the broker: ours, theirs, and the authority that stands for both."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from ..config.model import Mqtt
from .certificate import Validity, of_pem
from .finding import Finding, fail, ok, skip, warn

SOON = 30.0
"""Days before its end from which a certificate is a warning."""
_DAY = 86400.0
_LARGEST = 2**20


def files(mqtt: Mqtt, now: float) -> Iterator[Finding]:
    """What the configuration's own files say. ``now``: Unix time."""
    if mqtt.ca_file:
        renew = f"put the renewed certificate of your authority into {mqtt.ca_file}, then: sudo systemctl reload edged"
        yield from _file("broker authority", Path(mqtt.ca_file), now, renew, bundle=True)
    if mqtt.cert_file:
        renew = f"put the renewed certificate into {mqtt.cert_file}, then: sudo systemctl reload edged"
        yield from _file("broker certificate", Path(mqtt.cert_file), now, renew)
        yield from pair(mqtt)


def _file(name: str, path: Path, now: float, renew: str, *, bundle: bool = False) -> Iterator[Finding]:
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            text = file.read(_LARGEST)
    except PermissionError:
        yield skip(name, f"you may not read {path}")
        return
    except OSError as error:
        yield fail(name, f"{path} cannot be read: {error.strerror}", f"ls -l {path}   or correct mqtt in edged.yaml")
        return
    try:
        found = of_pem(text)
    except ValueError as error:
        fix = f"openssl x509 -noout -dates -in {path}   shows what is in it; then put a certificate (PEM) there"
        yield fail(name, f"{path}: {error}", fix)
        return
    # A bundle of authorities may hold old ones beside the one that counts; of a chain each link counts.
    counts = max if bundle else min
    ends = counts(one.ends for one in found)
    begins = (min if bundle else max)(one.begins for one in found)
    yield judge(name, str(path), Validity(begins, ends), now, renew)


def judge(name: str, whose: str, dates: Validity, now: float, renew: str) -> Finding:
    """``renew``: what to do when it runs out."""
    left = (dates.ends - now) / _DAY
    today = f"it is {_date(now)} by this clock"
    if now < dates.begins:
        found = f"{whose} is not valid before {_date(dates.begins)}; {today}"
        return fail(
            name, found, "edged doctor --only clock   and if the clock is right: openssl x509 -dates, issue anew"
        )
    if left < 0:
        return fail(name, f"{whose} has expired on {_date(dates.ends)}; {today}", renew)
    if left < SOON:
        return warn(name, f"{whose} expires in {left:.0f} days, on {_date(dates.ends)}", renew)
    return ok(name, f"{whose} is valid until {_date(dates.ends)} ({left:.0f} days)")


def pair(mqtt: Mqtt) -> Iterator[Finding]:
    """Whether the key is the certificate's."""
    key = mqtt.key_file or mqtt.cert_file
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_cert_chain(mqtt.cert_file, mqtt.key_file or None, password=lambda: "")
    except PermissionError:
        yield skip("broker key", f"you may not read {key}")
    except ssl.SSLError as error:
        fix = f"openssl pkey -in {key} -pubout; openssl x509 -in {mqtt.cert_file} -pubkey -noout   have to be equal"
        yield fail("broker key", f"{key}: {key_trouble(error.reason or '')}", fix)
    except OSError as error:
        yield fail("broker key", f"{key} cannot be read: {error.strerror}", f"ls -l {key} {mqtt.cert_file}")
    else:
        yield ok("broker key", f"{key} belongs to {mqtt.cert_file}")


def key_trouble(reason: str) -> str:
    """For OpenSSL's word for it."""
    if "MISMATCH" in reason:
        return "the key is not that of the certificate"
    return f"no key that can be used without a password ({reason.lower().replace('_', ' ') or 'not told why'})"


def _date(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d")
