"""Whom edged trusts when it is the client of a TLS connection."""

from __future__ import annotations

import ssl


def client_context(ca_file: str = "") -> ssl.SSLContext:
    """TLS 1.2 or later, certificates and names checked. Raises ``OSError``: ``ca_file`` cannot be used."""
    context = ssl.create_default_context(cafile=ca_file or None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # From Python 3.13 on also the form of certificates is judged, and an authority made with `openssl req -x509`
    # refused, since it names no key usage: a device must not lose its broker with an upgrade of its system.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context
