"""DSSE against its specification's own vector, and what an envelope may not be."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.adapters import ed25519
from edged.bundles import EnvelopeRefused, Trust, dsse
from edged.bundles.trust import Key

from .maker import SEED, public, sign

KIND = dsse.COMMAND_TYPE


def key(name: str, seed: bytes = SEED, **more: Any) -> Key:
    return Key(id=name, public=public(seed), **({"role": "admin"} | more))


def code_of(envelope: bytes, *keys: Key, roles: set[str] | None = None) -> str:
    with pytest.raises(EnvelopeRefused) as caught:
        dsse.verify(
            dsse.decode(envelope, 10_000), KIND, Trust(keys=keys), 1.8e9, "d", ed25519.verify, roles
        )  # fmt: skip
    return caught.value.code


def test_the_specification_s_encoding() -> None:
    expected = b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    assert dsse.pae("http://example.com/HelloWorld", b"hello world") == expected


def test_rfc_8032() -> None:
    """Test 2 of section 7.1."""
    seed = bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")
    assert ed25519.public_of(seed).hex() == "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
    signature = ed25519.sign(seed, b"\x72")
    assert signature.hex().startswith("92a009a9f0d4cab8720e820b5f642540")
    assert ed25519.verify(ed25519.public_of(seed), b"\x72", signature)
    assert not ed25519.verify(ed25519.public_of(seed), b"\x73", signature)
    for public_, signature_ in ((b"", signature), (b"\0" * 32, signature), (b"x" * 32, b""), (b"x" * 32, b"y" * 64)):
        assert not ed25519.verify(public_, b"\x72", signature_)


@given(st.binary(max_size=300), st.text(max_size=20), st.text(max_size=20), st.binary(max_size=70))
def test_round_trip(payload: bytes, kind: str, keyid: str, signature: bytes) -> None:
    envelope = dsse.Envelope(kind, payload, (dsse.Signature(keyid, signature),))
    assert dsse.decode(dsse.encode(envelope), 10_000) == envelope


def test_base64() -> None:
    assert dsse.unbase64("-_-_") == dsse.unbase64("+/+/") == b"\xfb\xff\xbf"
    for bad in ("+/-_", "aGk", "aGk=\n", " aGk=", "aGl=", "aGk==", "aGk=aGk=", "=", "é"):
        with pytest.raises(ValueError, match="base64"):
            dsse.unbase64(bad)


def test_which_key_counts() -> None:
    payload = b"{}"
    good = sign(payload, "k", kind=KIND)
    assert dsse.verify(
        dsse.decode(good, 999), KIND, Trust(keys=(key("a", b"a" * 32), key("k"))), 0, "d", ed25519.verify
    ).key.id == "k"  # fmt: skip
    anonymous = json.loads(good)
    del anonymous["signatures"][0]["keyid"]
    raw = json.dumps(anonymous).encode()
    assert code_of(raw, key("a", b"a" * 32)) == "unknown_key"
    found = dsse.verify(dsse.decode(raw, 999), KIND, Trust(keys=(key("k"),)), 0, "d", ed25519.verify)
    assert (found.payload, found.key.id) == (payload, "k")
    both = json.loads(good)
    both["signatures"].insert(0, {"keyid": "gone", "sig": base64.b64encode(b"x" * 64).decode()})
    assert dsse.verify(
        dsse.decode(json.dumps(both).encode(), 999), KIND, Trust(keys=(key("k"),)), 0, "d", ed25519.verify
    ).key.id == "k"  # fmt: skip
    assert code_of(good) == "unknown_key"
    assert code_of(good, key("k", role="viewer"), roles={"admin"}) == "role"
    assert code_of(good, key("k", expires="2020-01-01T00:00:00Z")) == "expired_key"
    assert code_of(good, key("k", devices=("other",))) == "wrong_device"
    both["payload"] = base64.b64encode(b"{ }").decode()
    assert code_of(json.dumps(both).encode(), key("k")) == "bad_signature"


def test_too_many_signatures_are_too_many() -> None:
    envelope = json.loads(sign(b"", kind=KIND))
    envelope["signatures"] *= 17
    with pytest.raises(EnvelopeRefused) as caught:
        dsse.decode(json.dumps(envelope).encode(), 99_999)
    assert caught.value.code == "signature_format"
