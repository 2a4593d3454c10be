"""``key.add`` and ``key.revoke``: who may command this device, changed from afar.

The trust file stays as it is: what was added is kept beside it, and an id once revoked never counts again, whatever the
file says. What a revoked key has begun comes to its end; what still waits for its turn never begins.
"""

from __future__ import annotations

import base64
from typing import Annotated

import msgspec
from msgspec import Meta
from msgspec.structs import replace

from ...vocabulary.events import Event, KeysChanged
from ...vocabulary.facts import CommandReceived
from ...vocabulary.state import State
from ...vocabulary.trust import REMOTE, Authority, Role, TrustedKey
from ..answer import done, rejected
from ..outcome import Judgement, View
from ..trusted_time import present
from ..turns import put_aside

EDGED = "edged"
MOST_KEYS = 64
MOST_REVOKED = 256
LASTS = 86400.0
"""Seconds for which the key of another admin must be good still: time to add one."""


class AddArgs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    id: Annotated[str, Meta(min_length=1, max_length=128)]
    public: Annotated[str, Meta(pattern=r"^[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$")]
    """Base64 of the 32 raw bytes, as ``edged key show`` prints it."""
    role: Role
    expires: Annotated[str, Meta(pattern=r"^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d))?$")] = ""
    """RFC 3339; empty: never."""
    devices: Annotated[tuple[str, ...], Meta(max_length=1000)] = ()
    """None given: all."""


class RevokeArgs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    id: Annotated[str, Meta(min_length=1, max_length=128)]


def add(args: AddArgs, fact: CommandReceived, view: View) -> Judgement:
    state, authority = view.state, view.state.authority
    key = TrustedKey(id=args.id, public=args.public, role=args.role, expires=args.expires, devices=args.devices)
    if base64.b64encode(key.raw).decode() != args.public:
        return _no(state, fact, "bad_arguments", "public is not base64 in its one canonical form")
    try:
        key.expired(0.0)
    except ValueError as error:
        return _no(state, fact, "bad_arguments", f"expires: {error}")
    if args.id in authority.revoked or args.public in authority.burnt:
        return _no(
            state,
            fact,
            "revoked",
            f"the id {args.id}, or this very key, was revoked and is never used again: give another one",
        )
    if any(one.id == args.id or one.public == args.public for one in authority.keys):
        return _no(state, fact, "known_key", f"a key with the id {args.id}, or this very key, is trusted already")
    if len(authority.keys) >= MOST_KEYS:
        return _no(state, fact, "too_many_keys", f"{MOST_KEYS} keys are trusted already: revoke one first")
    changed = replace(authority, added=(*authority.added, key))
    told = KeysChanged(subject=EDGED, change="added", keys=(args.id,), origin=fact.origin)
    answer = done(fact, EDGED, f"the key {args.id} is trusted as {args.role} from now on")
    return Judgement(replace(state, authority=changed), events=(told, answer))


def revoke(args: RevokeArgs, fact: CommandReceived, view: View) -> Judgement:
    state, authority = view.state, view.state.authority
    if args.id in authority.revoked:
        return _no(state, fact, "revoked", f"the key {args.id} is revoked already")
    named = [key for key in authority.keys if key.id == args.id]
    if not named:
        known = ", ".join(sorted(key.id for key in authority.keys))
        return _no(state, fact, "unknown_key", f"no key {args.id} is trusted here; there are: {known}")
    if len(authority.revoked) >= MOST_REVOKED:
        authority = _without_old(authority)
    if len(authority.revoked) >= MOST_REVOKED:
        return _no(state, fact, "too_many_keys", f"{MOST_REVOKED} ids are revoked: take them out of the trust file")
    burnt = {key.public for key in named}
    changed = replace(
        authority,
        revoked=(*authority.revoked, args.id),
        burnt=(*authority.burnt, *sorted(burnt)),
        windows={public: window for public, window in authority.windows.items() if public not in burnt},
        added=tuple(key for key in authority.added if key.id != args.id),
    )
    device, moment = view.config.device.id, present(state, view.now)
    if any(_governs(key, device, moment) for key in named) and not any(
        _governs(key, device, moment + LASTS) for key in changed.keys
    ):
        why = (
            f"without {args.id} no admin's key would be good here for another day, and nobody could change keys any "
            "more: add one first"
        )
        return _no(state, fact, "last_admin", why)
    told = KeysChanged(subject=EDGED, change="revoked", keys=(args.id,), origin=fact.origin)
    apps, events = dict(state.apps), list[Event]()
    for name, app in state.apps.items():
        if app.kept.waiting is not None and app.kept.waiting.origin == REMOTE + args.id:
            apps[name], aside = put_aside(app, "revoked", f"the key {args.id} was revoked before it began", view)
            events += aside
    answer = done(fact, EDGED, f"the key {args.id} does not count any more")
    return Judgement(replace(state, authority=changed, apps=apps), events=(*events, told, answer))


def _governs(key: TrustedKey, device: str, moment: float) -> bool:
    """An admin's, and good on this device at that moment."""
    return key.role == "admin" and not key.expired(moment) and (not key.devices or device in key.devices)


def _without_old(authority: Authority) -> Authority:
    """What the trust file does not name any more need not be remembered: it comes back by an admin's order only."""
    ids, publics = {key.id for key in authority.file}, {key.public for key in authority.file}
    return replace(
        authority,
        revoked=tuple(one for one in authority.revoked if one in ids),
        burnt=tuple(one for one in authority.burnt if one in publics),
    )


def _no(state: State, fact: CommandReceived, code: str, why: str) -> Judgement:
    return Judgement(state, events=(rejected(fact, EDGED, code, why),))
