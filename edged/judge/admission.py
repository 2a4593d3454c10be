"""May this order be carried out? Its signature fits; everything else is asked here. Pure.

The order of the questions matters: what an outsider could try comes before what reveals anything, a repeated id comes
before the counter (the same message once more gets the stored answer), and what may be different a moment later
(``rate_limited``, ``queue_full``) uses up no counter, so that the same message can be sent again.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from ..config import Config
from ..vocabulary.events import CommandAnswered, CommandsRefused, Event
from ..vocabulary.facts import CommandReceived, OrderReceived, OrdersRefused
from ..vocabulary.state import State
from ..vocabulary.trust import RANK, REMOTE, Authority, Order, TrustedKey, Window
from . import refusals, trusted_time, window
from .answer import MOST_WORDS, bounded_args
from .commands import COMMANDS, received
from .outcome import Judgement

SKEW = 300.0
"""Seconds that a sender's clock may be ahead."""
LONGEST = 31 * 86400.0
"""Seconds that an order may be valid."""
UNKEPT = frozenset(
    {
        "rate_limited",
        "queue_full",
        "stopping",
        "starting",
        "id_taken",
        "unknown_key",
        "expired_key",
        "topic_mismatch",
        "wrong_device",
        "role",
    }
    | {"malformed", "issued_in_future", "replayed", "counter_too_old", "not_signed", "bad_signature", "disabled"}
    | {"payload_type", "signature_format", "too_large", "busy", "storage"}
)
"""Refusals that are no answer to whoever sends the same id again: another time, or another sender, may be right."""


class Refusal(Struct, frozen=True):
    code: str
    why: str


def ordered(state: State, fact: OrderReceived, config: Config, now: float) -> Judgement:
    """The rule: a signed order came in."""
    authority, order = state.authority, fact.order
    key = next((k for k in authority.keys if k.public == fact.public and k.id == fact.key), None)
    synced = state.host.sample.clock_synced if state.host.sample is not None else None
    moment = trusted_time.trusted(authority.time, fact.wall, synced, now)
    command = CommandReceived(
        at=fact.at, id=order.id, type=order.type, args=order.args, origin=REMOTE + (key.id if key else fact.key)
    )
    if state.stopping:  # it is not acknowledged, so the next run gets it
        return Judgement(state)
    refusal = _sender(key, order, fact, config, moment)
    if refusal is None and state.host.sample is None and "host" not in state.host.broken:
        refusal = Refusal("starting", "edged has not looked at its clock yet: send it again in a moment")
    owner = _owner(state, order.id)
    if refusal is None and owner not in ("", command.origin):
        refusal = Refusal("id_taken", "this id is that of somebody else's command: give it another one")
    if refusal is None and owner:
        if fact.again:  # what was answered then is on its way; only the receipt was lost
            return Judgement(state)
        return _again(state, command, config, now)
    left = _allowance(authority, config, fact.public, now)
    refusal = refusal or _times(authority, order, moment, synced) or _counter(authority, order, fact)
    refusal = refusal or _crowd(state, config, command, left)
    if refusal is not None:
        return _told(state, command, fact, key, refusal, now)
    issued = _unix(order.issued)
    assert issued is not None
    before = authority.windows.get(fact.public, Window())
    time = authority.time
    if key is not None and key.role == "admin":  # a lesser one must not put the clock forward for all others
        time = trusted_time.learn(time, fact.wall, synced, now, issued)
    authority = replace(
        authority,
        windows={**authority.windows, fact.public: window.take(before, order.counter)},
        time=time,
        allowance={**authority.allowance, fact.public: (left - 1.0, now)},
    )
    state = replace(state, authority=authority)
    return _decorated(received(state, command, config, now), command, fact, key)


def _sender(key: TrustedKey | None, order: Order, fact: OrderReceived, config: Config, moment: float) -> Refusal | None:
    """Who asks, whom, and whether that key may."""
    device = config.device
    if key is None:
        return Refusal("unknown_key", f"the key {fact.key} is not trusted any more")
    if key.expired(moment):
        return Refusal("expired_key", f"the key {key.id} expired at {key.expires}")
    if (fact.topic_type, fact.topic_id) != (order.type, order.id):
        return Refusal("topic_mismatch", f"the topic says {fact.topic_type}/{fact.topic_id}, the order another thing")
    if key.devices and device.id not in key.devices:
        return Refusal("wrong_device", f"the key {key.id} is not meant for {device.id}")
    wanted = order.device
    if isinstance(wanted, str):
        if wanted != device.id:
            return Refusal("wrong_device", f"it is for {wanted[:64]}, this is {device.id}")
    elif not wanted.get("labels") or any(device.labels.get(k) != v for k, v in wanted["labels"].items()):
        return Refusal("wrong_device", f"it is for devices with other labels than those of {device.id}")
    command = COMMANDS.get(order.type)
    if command is None:
        return Refusal("unknown_type", f"there is no command {order.type}; meta lists those that there are")
    if RANK[key.role] < RANK[command.role]:
        why = f"the key {key.id} has the role {key.role}, and {order.type} needs {command.role}"
        return Refusal("role", why)
    return None


def _times(authority: Authority, order: Order, moment: float, synced: bool | None) -> Refusal | None:
    issued, expires = _unix(order.issued), _unix(order.expires)
    if issued is None or expires is None:
        return Refusal("malformed", "issued and expires must be times like 2027-01-01T00:00:00Z")
    if not issued < expires <= issued + LONGEST:
        return Refusal("malformed", f"expires must come after issued, within {LONGEST / 86400:.0f} days")
    if moment >= expires:
        return Refusal("expired", f"it was valid until {order.expires}")
    if issued < authority.not_before:
        return Refusal("counter_too_old", "it was issued before this device's memory of commands begins: send it anew")
    # A clock that nobody has set yet is behind, so what comes from its future may be right.
    if synced is not False and issued > moment + SKEW:
        return Refusal("issued_in_future", f"it says it was issued at {order.issued}: check the sender's clock")
    return None


def _unix(text: str) -> float | None:
    try:
        moment = datetime.fromisoformat(text)
        return moment.timestamp() if moment.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None


def _counter(authority: Authority, order: Order, fact: OrderReceived) -> Refusal | None:
    """Which order had the counter is not known: it may have been this one, if its answer is not kept any more."""
    code = window.fault(authority.windows.get(fact.public, Window()), order.counter)
    if not code:
        return None
    why = "was used before" if code == "replayed" else "is below the window"
    answered = "nothing is done now; if this very order was answered before, that answer counts"
    return Refusal(code, f"the counter {order.counter} of this key {why}: {answered}")


def _allowance(authority: Authority, config: Config, public: str, now: float) -> float:
    """How many orders this key may give now."""
    most = float(config.commands.per_minute)
    left, since = authority.allowance.get(public, (most, now))
    return min(most, left + max(0.0, now - since) * most / 60.0)


def _crowd(state: State, config: Config, command: CommandReceived, left: float) -> Refusal | None:
    rules = config.commands
    if left < 1.0:
        return Refusal(
            "rate_limited", f"this key gives more than {rules.per_minute} commands a minute; try again later"
        )
    waiting = sum(1 for one in state.commands.values() if one.origin == command.origin)
    if waiting >= rules.open:
        return Refusal("queue_full", f"{waiting} commands of this key are under way; at most {rules.open} may be")
    return None


def _owner(state: State, identity: str) -> str:
    """Whose command has this id; empty: nobody's that is known."""
    if identity in state.answered:
        return state.answered[identity].answer.origin
    return state.commands[identity].origin if identity in state.commands else ""


def _told(
    state: State, command: CommandReceived, fact: OrderReceived, key: TrustedKey | None, refusal: Refusal, now: float
) -> Judgement:
    known = command.id in state.answered or command.id in state.commands
    state, single = refusals.single(state, refusal.code, now)
    if not single:
        return Judgement(state)
    if known:  # the command itself has one result, and this is not it
        where = f"{fact.topic_type}/{fact.topic_id}"
        no = CommandsRefused(
            subject="edged", code=refusal.code, message=refusal.why[:MOST_WORDS], key=fact.key, topic=where
        )
        return Judgement(state, events=(no,))
    return Judgement(state, events=(_no(command, refusal, _request(command, fact, key)),))


def _again(state: State, command: CommandReceived, config: Config, now: float) -> Judgement:
    """The answer once more, unless somebody sends it all the time."""
    state, single = refusals.single(state, "repeated", now)
    return received(state, command, config, now) if single else Judgement(state)


def _no(command: CommandReceived, refusal: Refusal, request: dict[str, Any]) -> CommandAnswered:
    return CommandAnswered(
        subject="edged",
        id=command.id,
        command=command.type,
        origin=command.origin,
        status="expired" if refusal.code == "expired" else "rejected",
        reason=refusal.code,
        message=refusal.why[:MOST_WORDS],
        request=request,
    )


def _decorated(judged: Judgement, command: CommandReceived, fact: OrderReceived, key: TrustedKey | None) -> Judgement:
    """With what the audit has to know; and an order that is carried out is always accepted first."""
    events: list[Event] = []
    for event in judged.events:
        if not isinstance(event, CommandAnswered) or event.id != command.id:
            events.append(event)
            continue
        first = not any(isinstance(e, CommandAnswered) and e.id == command.id for e in events)
        if first and event.status in ("succeeded", "failed"):
            begun = replace(event, status="accepted", reason="", message=f"{command.type} begins", result={})
            events.append(replace(begun, request=_request(command, fact, key)))
            first = False
        events.append(replace(event, request=_request(command, fact, key)) if first else event)
    return replace(judged, events=tuple(events))


def _request(command: CommandReceived, fact: OrderReceived, key: TrustedKey | None) -> dict[str, Any]:
    return {
        "args": bounded_args(command.args),
        "key": fact.key,
        "role": key.role if key is not None else "",
        "counter": fact.order.counter,
        "digest": fact.digest,
    }


def refused(state: State, fact: OrdersRefused, config: Config, now: float) -> Judgement:
    """The rule: what came in was no order of anybody who is trusted. Answered one by one, or counted in a flood."""
    told: list[Event] = [
        CommandsRefused(
            subject="edged", code=fact.code, count=fact.count, message=fact.message, key=fact.key, topic=fact.topic
        )
    ]
    # Somebody's real command may have the same id: its own answers are the ones that count.
    known = fact.id in state.commands or fact.id in state.answered
    if fact.count == 1 and fact.id and fact.type and not known:
        told.append(
            CommandAnswered(
                subject="edged",
                id=fact.id,
                command=fact.type,
                origin=REMOTE + "?",
                status="rejected",
                reason=fact.code,
                message=fact.message,
            )
        )
    return Judgement(state, events=tuple(told))
