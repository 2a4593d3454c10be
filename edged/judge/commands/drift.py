"""``drift.reset``: the detectors begin anew, and with ``relearn`` what inputs are held against is learned anew."""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from ...vocabulary.drift_packed import Packed
from ...vocabulary.drift_state import DriftState
from ...vocabulary.facts import CommandReceived
from ...vocabulary.inputs import Inputs
from ..answer import done, rejected
from ..drift.verdict import judged
from ..inputs import settled, slim
from ..outcome import Judgement, View

MODELS = 8
"""Whose generations are remembered."""


class ResetArgs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    app: str
    relearn: bool = False


def reset(args: ResetArgs, fact: CommandReceived, view: View) -> Judgement:
    state, app = view.state, view.state.apps[args.app]
    if app.config.drift is None:
        why = f"the configuration of {app.name} has no `drift:`, so its inputs are not watched"
        return Judgement(state, events=(rejected(fact, app.name, "not_configured", why),))
    inputs = state.inputs.get(app.name, Inputs())
    if args.relearn:
        number = inputs.generations.get(inputs.model, 0) + 1
        others = {m: n for m, n in inputs.generations.items() if m != inputs.model}
        kept = dict([*others.items(), (inputs.model, number)][-MODELS:])
        inputs = replace(
            inputs,
            generations=kept,
            digest="",
            reference=None,
            verdicts=None,
            state=DriftState(),
            rows=0,
            told=(),
            evidence_at=0,
        )
        message = f"{app.name}: a new reference is learned from the next rows while all is well"
    else:
        held: Packed | None = inputs.reference
        again = slim(judged(DriftState(), held.unpacked(), view.now)) if held is not None else None
        inputs = replace(inputs, state=DriftState(), rows=0, told=(), evidence_at=0, verdicts=again)
        message = f"{app.name}: the detectors begin anew"
    inputs = replace(inputs, refused={}, refused_at=None)
    return settled(state, app, inputs, (done(fact, app.name, message),), view.config, view.now)
