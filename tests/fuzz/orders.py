"""Orders as attackers send them: each maker says what may become of its message."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Callable
from typing import Any, NamedTuple

from edged.bundles import dsse
from edged.judge.commands import COMMANDS
from edged.observe.orders import MOST
from tests.fixtures.orders import Sender, rfc3339, topic

DEVICE = "press-7"


class Attempt(NamedTuple):
    name: str
    topic: str
    data: bytes
    codes: frozenset[str]
    """Reason codes that are right; empty: it is a genuine order, and must be carried out."""


class Corpus:
    """``wall``: the time that everybody agrees on, moved on by the caller."""

    def __init__(self, random_: random.Random, wall: float) -> None:
        self.random, self.wall = random_, wall
        self.keys = {
            "viewer": Sender("eyes", "viewer", number=4),
            "operator": Sender("ops", "operator", number=5),
            "deployer": Sender("ml", "deployer", number=6),
            "admin": Sender("boss", "admin", number=7),
        }
        self.expired = Sender("old", "admin", number=8)
        self.elsewhere = Sender("other-site", "admin", number=9)
        self.stranger = Sender("ops", "operator", number=99)
        self.unknown = Sender("nobody", "admin", number=98)
        self.sent: list[tuple[str, bytes]] = []
        """Genuine ones, for sending them again."""
        self._makers: list[tuple[int, Callable[[], Attempt]]] = [
            (4, self.genuine), (6, self.forged), (6, self.altered), (4, self.unsigned), (6, self.replayed),
            (4, self.below_window), (6, self.expired_order), (4, self.future), (6, self.misaddressed),
            (6, self.wrong_role), (6, self.wrong_topic), (1, self.oversized), (8, self.malformed),
            (8, self.bad_arguments), (4, self.envelope), (4, self.noise), (3, self.bad_key), (3, self.bad_times),
        ]  # fmt: skip

    def next(self) -> Attempt:
        weights = [weight for weight, _ in self._makers]
        (maker,) = self.random.choices([maker for _, maker in self._makers], weights)
        return maker()

    # Genuine

    def genuine(self) -> Attempt:
        """Not in order either: a counter now and then overtakes another one."""
        sender = self.keys["operator"]
        order = self._order(sender, "maintenance.set", args=self._maintenance())
        order["counter"] = sender.counter = sender.counter + self.random.choice((1, 2, 7))
        message = topic(order), sender.sign(order)
        self.sent = [*self.sent, message][-30:]
        return Attempt("genuine", *message, frozenset())

    def _maintenance(self) -> dict[str, Any]:
        return {"app": self.random.choice("ab"), "on": True, "seconds": self.random.uniform(1, 99), "why": "fuzz"}

    def _order(self, sender: Sender, kind: str = "maintenance.set", **more: Any) -> dict[str, Any]:
        sender.wall = self.wall
        more.setdefault("args", self._maintenance())
        before = sender.counter
        order = sender.order(kind, more.pop("device", DEVICE), **more)
        sender.counter = before
        order["counter"] = more.get("counter", before + self.random.randint(1, 1000))
        return order

    # Attacks

    def forged(self) -> Attempt:
        sender = self.random.choice((self.stranger, self.unknown))
        order = self._order(sender)
        code = "bad_signature" if sender is self.stranger else "unknown_key"
        return Attempt("forged", topic(order), sender.sign(order), frozenset({code}))

    def altered(self) -> Attempt:
        """A byte somewhere, or the payload exchanged: it must never count as signed."""
        sender = self.keys["admin"]
        order = self._order(sender)
        data = bytearray(sender.sign(order))
        if self.random.random() < 0.5:
            data[self.random.randrange(len(data))] ^= 1 << self.random.randrange(8)
        else:
            whole = json.loads(data)
            changed = order | {"args": {"app": "a"}, "type": self.random.choice(list(COMMANDS))}
            whole["payload"] = base64.b64encode(json.dumps(changed).encode()).decode()
            data = bytearray(json.dumps(whole).encode())
        codes = {"bad_signature", "not_signed", "unknown_key", "payload_type"}
        return Attempt("altered", topic(order), bytes(data), frozenset(codes))

    def unsigned(self) -> Attempt:
        order = self._order(self.keys["admin"])
        plain = json.dumps(order).encode()
        data = self.random.choice(
            (plain, b"", json.dumps({"payload": base64.b64encode(plain).decode()}).encode(), b"null", b"[]")
        )
        return Attempt("unsigned", topic(order), data, frozenset({"not_signed"}))

    def replayed(self) -> Attempt:
        """A genuine one once more, also on another topic: the stored answer at most, never a second effect."""
        if not self.sent:
            return self.genuine()
        where, data = self.random.choice(self.sent)
        if self.random.random() < 0.3:
            where = where.replace("maintenance.set", "restart")
            return Attempt("replayed elsewhere", where, data, frozenset({"topic_mismatch", "counted"}))
        return Attempt("replayed", where, data, frozenset({"repeated", "replayed", "counter_too_old", "counted"}))

    def below_window(self) -> Attempt:
        sender = self.keys["operator"]
        if sender.counter < 1000:
            return self.genuine()
        order = self._order(sender, counter=self.random.randrange(sender.counter - 900))
        codes = {"counter_too_old", "replayed", "counted"}
        return Attempt("below the window", topic(order), sender.sign(order), frozenset(codes))

    def expired_order(self) -> Attempt:
        sender = self.keys["operator"]
        ended = self.wall - self.random.uniform(0.0, 1e6)
        order = self._order(sender, issued=rfc3339(ended - self.random.uniform(1, 3600)), expires=rfc3339(ended))
        codes = {"expired", "counter_too_old", "counted"}
        return Attempt("expired", topic(order), sender.sign(order), frozenset(codes))

    def future(self) -> Attempt:
        sender = self.keys["operator"]
        begins = self.wall + self.random.uniform(301.0, 1e9)
        order = self._order(sender, issued=rfc3339(begins), expires=rfc3339(begins + 60.0))
        return Attempt("future", topic(order), sender.sign(order), frozenset({"issued_in_future", "counted"}))

    def misaddressed(self) -> Attempt:
        sender = self.random.choice(list(self.keys.values()))
        device = self.random.choice(
            ("press-8", "", "PRESS-7", "press-7 ", {"labels": {}}, {"labels": {"site": "b"}},
             {"labels": {"site": "plant-a", "x": "y"}})
        )  # fmt: skip
        order = self._order(sender, device=device)
        return Attempt("misaddressed", topic(order), sender.sign(order), frozenset({"wrong_device", "counted"}))

    def wrong_role(self) -> Attempt:
        role, kinds = self.random.choice(
            (
                ("viewer", ("restart", "stop", "key.add", "model.deploy")),
                ("operator", ("key.add", "key.revoke", "edged.reload", "edged.config.deploy", "model.deploy")),
                ("deployer", ("key.add", "key.revoke", "edged.reload", "edged.config.deploy")),
            )
        )
        sender = self.keys[role]
        order = self._order(sender, self.random.choice(kinds))
        return Attempt("wrong role", topic(order), sender.sign(order), frozenset({"role", "counted"}))

    def wrong_topic(self) -> Attempt:
        sender = self.keys["operator"]
        order = self._order(sender)
        other = self._order(sender, "restart")
        where = self.random.choice((topic(other), topic(order | {"type": "restart"}), topic(order | {"id": "x"}), "x"))
        return Attempt("wrong topic", where, sender.sign(order), frozenset({"topic_mismatch", "counted"}))

    def oversized(self) -> Attempt:
        sender = self.keys["admin"]
        order = self._order(sender, args={"app": "a" * MOST})
        return Attempt("oversized", topic(order), sender.sign(order), frozenset({"too_large"}))

    def malformed(self) -> Attempt:
        """Signed by an admin, and still no order."""
        sender = self.keys["admin"]
        order = self._order(sender)
        key = self.random.choice(list(order))
        wrong: list[bytes] = [
            json.dumps({k: v for k, v in order.items() if k != key}).encode() if key != "args" else b"{}",
            json.dumps(order | {key: self.random.choice((None, [], 1.5, [[]], True)) if key != "args" else 7}).encode(),
            json.dumps(order | {self.random.choice(("x", "Type", "device_id")): 1}).encode(),
            json.dumps(order).encode()[: -self.random.randint(1, 200)],
            json.dumps(order).encode() + b"}",
            json.dumps(order).encode()[:-1] + b',"type":"stop"}',
            b"[" * self.random.randint(1, 100_000),
            b'{"a":' * 2000 + b"1" + b"}" * 2000,
            self.random.randbytes(self.random.randint(0, 300)),
            json.dumps(order | {"counter": self.random.choice((-1, 2**63, 10**40))}).encode(),
            json.dumps(order | {"id": self.random.choice(("", "x", "../../etc", order["id"].upper() + "0"))}).encode(),
            b"null",
        ]
        return Attempt("malformed", topic(order), sender.sign(self.random.choice(wrong)), frozenset({"malformed"}))

    def bad_times(self) -> Attempt:
        sender = self.keys["operator"]
        text = self.random.choice(("", "now", "2027-01-15", "2027-01-15T08:00:00", "9" * 400, "0000-00-00T00:00:00Z"))
        order = self._order(sender, **{self.random.choice(("issued", "expires")): text})
        codes = {"malformed", "counted"}
        return Attempt("bad times", topic(order), sender.sign(order), frozenset(codes))

    def bad_arguments(self) -> Attempt:
        """Rightly signed, by somebody who may, and nonsense: answered, and without any effect."""
        sender = self.keys["admin"]
        sender.counter += 1
        kind = self.random.choice([*COMMANDS, "no.such", "restart "])
        order = self._order(sender, kind, args=self._nonsense(kind))
        order["counter"] = sender.counter
        codes = {"bad_arguments", "unknown_type", "unknown_app", "rate_limited", "topic_mismatch", "counted"}
        return Attempt("bad arguments", topic(order), sender.sign(order), frozenset(codes))

    def _nonsense(self, kind: str) -> dict[str, Any]:
        junk = self.random.choice((None, [], {}, "", "no such app", 1, -1.5, True, {"app": "a"}, ["a"] * 50, "\x00"))
        return self.random.choice(
            (
                {"surprise": junk},
                {"app": junk, "surprise": junk},
                {"app": "no such app", "surprise": 1},
                {str(number): junk for number in range(self.random.randint(1, 40))},
            )
        )

    def envelope(self) -> Attempt:
        sender = self.keys["admin"]
        order = self._order(sender)
        whole = json.loads(sender.sign(order))
        signature = whole["signatures"][0]
        changes: list[dict[str, Any]] = [
            {"signatures": []}, {"signatures": [signature] * 2}, {"signatures": [signature] * 1000},
            {"signatures": [{"sig": signature["sig"]}]}, {"signatures": None}, {"payload": None}, {"payload": 7},
            {"payloadType": "application/vnd.edged.manifest+json"}, {"payloadType": ""},
            {"signatures": [signature | {"sig": signature["sig"].rstrip("=")}]},
            {"signatures": [signature | {"sig": ""}]}, {"signatures": [signature | {"keyid": "ops"}]},
            {"payload": whole["payload"] + "=="},
        ]  # fmt: skip
        data = json.dumps(whole | self.random.choice(changes)).encode()
        codes = {"not_signed", "payload_type", "bad_signature", "unknown_key"}
        return Attempt("envelope", topic(order), data, frozenset(codes))

    def noise(self) -> Attempt:
        data = self.random.randbytes(self.random.randint(0, 2000))
        where = self.random.choice((f"edged/v1/{DEVICE}/cmd/restart/x", "", "\u2028", "edged/v1/x/cmd//", "/" * 200))
        return Attempt("noise", where, data, frozenset({"not_signed"}))

    def bad_key(self) -> Attempt:
        sender, code = self.random.choice(((self.expired, "expired_key"), (self.elsewhere, "wrong_device")))
        order = self._order(sender)
        return Attempt("bad key", topic(order), sender.sign(order), frozenset({code, "counted"}))


def manifest_as_order(sender: Sender, order: dict[str, Any]) -> bytes:
    """A signature that was made for another purpose."""
    return sender.sign(order, dsse.MANIFEST_TYPE)
