"""What is an order, and what is none: nothing that an outsider sends gets through."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

import pytest

from edged.adapters import ed25519
from edged.observe.orders import MOST, Read, read
from tests.fixtures.orders import Sender, topic

OPS = Sender()
OTHER = Sender("other", number=2)


def look(data: bytes, at: str = "", keys: tuple[Any, ...] = (OPS.key,)) -> Read:
    return read(at or topic(OPS.order()), data, "press-7", keys, ed25519.verify)


def test_a_signed_order_is_read_with_its_key_and_digest() -> None:
    order = OPS.order(args={"app": "a"})
    data = OPS.sign(order)
    found = look(data, topic(order))
    assert found.code == "" and found.order is not None
    assert (found.order.id, found.order.type, found.order.args) == (order["id"], "restart", {"app": "a"})
    assert (found.topic_type, found.topic_id) == ("restart", order["id"])
    assert (found.key, found.public) == ("ops", OPS.key.public)
    payload = base64.b64decode(json.loads(data)["payload"])
    assert found.digest == hashlib.sha256(payload).hexdigest()


def test_without_keys_nothing_is_taken() -> None:
    assert look(OPS.sign(OPS.order()), keys=()).code == "disabled"


def altered(change: dict[str, Any]) -> bytes:
    return json.dumps(json.loads(OPS.sign(OPS.order())) | change).encode()


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "not_signed"),
        (b"restart", "not_signed"),
        (b"{}", "not_signed"),
        (json.dumps(OPS.order()).encode(), "not_signed"),
        (altered({"signatures": []}), "not_signed"),
        (altered({"signatures": [{"sig": ""}]}), "not_signed"),
        (altered({"signatures": json.loads(OPS.sign(OPS.order()))["signatures"] * 2}), "not_signed"),
        (altered({"payload": base64.b64encode(b"{}").decode()}), "bad_signature"),
        (altered({"payloadType": "application/vnd.edged.manifest+json"}), "payload_type"),
        (OPS.sign(OPS.order(), kind="application/vnd.edged.manifest+json"), "payload_type"),
        (OTHER.sign(OTHER.order()), "unknown_key"),
        (OPS.sign(b"[" * 500 + b"]" * 500), "malformed"),
        (OPS.sign(b"\xff\xfe"), "malformed"),
        (OPS.sign({k: v for k, v in OPS.order().items() if k != "counter"}), "malformed"),
        (OPS.sign(OPS.order(surprise=1)), "malformed"),
        (OPS.sign(OPS.order(counter=-1)), "malformed"),
        (OPS.sign(OPS.order(counter=2**63)), "malformed"),
        (OPS.sign(OPS.order(counter=10**4000)), "malformed"),
        (OPS.sign(OPS.order(args={"deep": [{"lines": 2**63}]})), "malformed"),
        (OPS.sign(OPS.order(args={"lines": -(2**63) - 1})), "malformed"),
        (OPS.sign(OPS.order(counter=1.5)), "malformed"),
        (OPS.sign(OPS.order(id="../../x")), "malformed"),
        (OPS.sign(OPS.order(device=7)), "malformed"),
        (OPS.sign(OPS.order(device={"others": {"a": "b"}})), "malformed"),
        (OPS.sign(json.dumps(OPS.order()).encode()[:-1] + b', "type": "stop"}'), "malformed"),
        (b" " * (MOST + 1), "too_large"),
    ],
)
def test_each_refusal_has_its_code(data: bytes, code: str) -> None:
    found = look(data)
    assert (found.code, found.order) == (code, None) and found.why


def test_a_key_under_anothers_name_does_not_fit() -> None:
    liar = Sender("ops", number=9)
    assert look(liar.sign(liar.order())).code == "bad_signature"


def test_each_single_altered_byte_is_noticed() -> None:
    data = OPS.sign(OPS.order(id="12345678-1234-1234-1234-123456789abc"))
    for place in range(len(data)):
        found = look(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        assert found.order is None, (place, data[place - 5 : place + 5])


@pytest.mark.parametrize("name", ["x/cmd/restart/7", "x/cmd/re+start/12345678-1234-1234-1234-123456789abc", "x"])
def test_on_a_strange_topic_nothing_would_be_answered(name: str) -> None:
    found = look(OPS.sign(OPS.order()), name)
    assert (found.topic_type, found.topic_id) == ("", "")
