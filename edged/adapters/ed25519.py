"""Ed25519 signatures through libsodium. Imported when a signature is first made or checked: it costs 30 ms."""

from __future__ import annotations

import os


def verify(public: bytes, message: bytes, signature: bytes) -> bool:
    """Whether ``signature`` (64 bytes) over ``message`` is by ``public`` (32 bytes)."""
    from nacl.exceptions import CryptoError
    from nacl.signing import VerifyKey

    try:
        VerifyKey(public).verify(message, signature)
    except (CryptoError, ValueError):
        return False
    return True


def sign(seed: bytes, message: bytes) -> bytes:
    """The signature, 64 bytes, by the key that ``seed`` (32 bytes) stands for."""
    from nacl.signing import SigningKey

    return bytes(SigningKey(seed).sign(message).signature)


def public_of(seed: bytes) -> bytes:
    """The public key, 32 bytes."""
    from nacl.signing import SigningKey

    return bytes(SigningKey(seed).verify_key)


def new_seed() -> bytes:
    return os.urandom(32)
