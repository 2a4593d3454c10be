"""``model.deploy``, ``config.deploy`` and their rollbacks: one deployment per app at a time, the next one waits."""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from ...vocabulary.actions import Action
from ...vocabulary.deployments import TOUCHING, Deployment, Kind, Request
from ...vocabulary.events import Event
from ...vocabulary.facts import CommandReceived
from ...vocabulary.state import AppState, CommandState, State
from .. import deployment as machine
from .. import turns
from ..answer import accepted, done, rejected
from ..artifacts import rules_of
from ..outcome import Judgement, View


class DeployArgs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    app: str
    bundle: str
    """Folder or ``.tar`` on the device, ``file:`` or ``http(s):`` URL."""


class BackArgs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    app: str


def deploy_model(args: DeployArgs, fact: CommandReceived, view: View) -> Judgement:
    return _deploy("model", args, fact, view)


def deploy_config(args: DeployArgs, fact: CommandReceived, view: View) -> Judgement:
    return _deploy("config", args, fact, view)


def roll_back_model(args: BackArgs, fact: CommandReceived, view: View) -> Judgement:
    return _back("model", args, fact, view)


def roll_back_config(args: BackArgs, fact: CommandReceived, view: View) -> Judgement:
    return _back("config", args, fact, view)


def cancel(args: BackArgs, fact: CommandReceived, view: View) -> Judgement:
    """Possible until the swap: afterwards there is only forward or back."""
    state, app = view.state, view.state.apps[args.app]
    running, waiting = app.kept.deployment, app.kept.waiting
    if waiting is not None and (running is None or running.phase in TOUCHING):
        app, aside = turns.put_aside(app, "cancelled", f"by {fact.origin}", view)
        told = done(fact, app.name, f"the deployment {waiting.id}, which waited, is cancelled")
        return _judged(state, app, (*aside, told))
    if running is None and app.kept.stuck:
        seen = replace(app, kept=replace(app.kept, stuck=""))
        return _judged(state, seen, (done(fact, app.name, f"{app.name} is left as it is: {app.kept.stuck}"),))
    if running is None:
        return _no(state, fact, app, "no_deployment", f"no deployment of {app.name} is under way")
    if running.phase in TOUCHING:
        why = f"it is too late: {running.phase}; edged rollback {app.name} goes back when it is over"
        return _no(state, fact, app, "too_late", why)
    outcome = machine.cancel(app, running, f"by {fact.origin}", view)
    told = done(fact, app.name, f"the deployment {running.request.id} is cancelled; nothing was changed")
    return _judged(state, outcome.app, (*outcome.events, told), outcome.actions)


def _deploy(kind: Kind, args: DeployArgs, fact: CommandReceived, view: View) -> Judgement:
    request = Request(id=fact.id, kind=kind, source=args.bundle, origin=fact.origin)
    if not args.bundle:
        return _no(view.state, fact, view.state.apps[args.app], "bad_arguments", "say which bundle: a path or a URL")
    return _ask(request, fact, view.state.apps[args.app], view)


def _back(kind: Kind, args: BackArgs, fact: CommandReceived, view: View) -> Judgement:
    app = view.state.apps[args.app]
    back = turns.target(app, kind)
    if not back and rules_of(app, kind) is not None:
        why = f"there is no {kind} of {app.name} from before the present one"
        return _no(view.state, fact, app, "nothing_before", why)
    request = Request(id=fact.id, kind=kind, source="", digest=back, origin=fact.origin)
    return _ask(request, fact, app, view)


def _ask(request: Request, fact: CommandReceived, app: AppState, view: View) -> Judgement:
    state = view.state
    refused = _refused(app, request.kind, view)
    if refused is not None:
        return _no(state, fact, app, *refused)
    command = CommandState(id=fact.id, type=fact.type, app=app.name, origin=fact.origin, since=view.now)
    state = replace(state, commands={**state.commands, fact.id: command})
    view = View(state, view.config, view.now)
    running = app.kept.deployment
    if running is not None or app.kept.tidying:
        app, superseded = turns.put_aside(app, "superseded", f"{fact.id} takes its place", view)
        app = replace(app, kept=replace(app.kept, waiting=request))
        before = running.request.id if running is not None else "the one before"
        told = accepted(fact, app.name, f"it begins when {before} has come to its end{_way_out(app)}")
        return _judged(state, app, (*superseded, replace(told, result={"waits_for": before})))
    told = accepted(fact, app.name, f"{fact.type} of {app.name} begins")
    begun = machine.begin(app, Deployment(request=request, began=view.now), view)
    return _judged(state, begun.app, (told, *begun.events), begun.actions)


def _way_out(app: AppState) -> str:
    """For whoever does not want to wait that long."""
    running = app.kept.deployment
    if running is None or running.phase in TOUCHING:
        return ""
    return f"; it is {running.phase.replace('_', ' ')}, and edged deploy {app.name} --cancel ends it"


def _refused(app: AppState, kind: Kind, view: View) -> tuple[str, str] | None:
    key = "model" if kind == "model" else "app_config"
    if rules_of(app, kind) is None:
        why = f"the configuration of {app.name} has no `{key}:`, so edged does not know where it goes"
        other = kind == "model" and rules_of(app, "config") is not None
        return "not_configured", why + ("; for its `app_config:` there is the option --config" if other else "")
    if app.kept.drill is not None:
        return "busy", f"the drill {app.kept.drill.kind} of {app.name} is under way: try again when it is over"
    if app.kept.data.restoring is not None:
        return "busy", f"{app.name} stays as it is: {app.kept.data.holds}"
    if app.kept.stopped is not None:
        return "app_stopped", f"{app.name} was stopped on purpose: start it first, so that the new one can be tried"
    if app.container is None and view.state.engine.listed:
        return "no_container", f"{app.name} has no container: create it first"
    return None


def _no(state: State, fact: CommandReceived, app: AppState, code: str, why: str) -> Judgement:
    return Judgement(state, events=(rejected(fact, app.name, code, why),))


def _judged(state: State, app: AppState, events: tuple[Event, ...], actions: tuple[Action, ...] = ()) -> Judgement:
    return Judgement(replace(state, apps={**state.apps, app.name: app}), actions, events, (app.name,))
