"""What a deployment does, as actions, and what their results teach."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from ..config import AppConfigFile, Model
from ..vocabulary.actions import BackUpArtifact, FetchBundle, PlaceArtifact, ValidateArtifact, VerifyArtifact, Where
from ..vocabulary.deployments import SIDE, Artifact, Deployment, Kind, Placed
from ..vocabulary.state import AppState
from . import comparison
from .budget import backoff
from .outcome import View, earliest

QUARANTINED = 50
"""Bad digests that are remembered."""
BUSY = "busy"
"""Code of an action that found another one on its subject under way."""
TRANSIENT = ("unreachable", "interrupted", "timeout", "storage", BUSY)
"""Codes of failures that another attempt may mend."""
INNOCENT = ("app_stopped", "no_container", "gate_container", "not_configured", "engine_down")
"""Codes of failures that were people's doing, or the engine's: they say nothing against the new one."""


def rules_of(app: AppState, kind: Kind) -> Model | AppConfigFile | None:
    """The app's configuration for this kind of artifact; ``None``: edged does not deploy it."""
    found: Model | AppConfigFile | None = app.config.model if kind == "model" else app.config.app_config
    return found


def where(app: AppState, kind: Kind) -> Where:
    """A deployment under way ends where it began, whatever the configuration has become meanwhile."""
    rules, running = rules_of(app, kind), app.kept.deployment
    keep_slots = rules.keep if rules is not None else Where(kind, "", "mount").keep
    if running is not None and running.request.kind == kind and running.delivery:
        return Where(kind, running.path, running.delivery, keep_slots)
    if rules is None:  # taken out of the configuration meanwhile: only tidying is left
        return Where(kind, "", "mount")
    return Where(kind, rules.path, rules.delivery, keep_slots)


def placed(app: AppState, kind: Kind) -> Placed:
    return app.kept.placed.get(kind, Placed())


def fetch(app: AppState, deployment: Deployment, action_id: str, view: View) -> FetchBundle:
    return FetchBundle(
        id=action_id,
        subject=app.name + SIDE,
        reason=_reason(deployment),
        timeout=max(60.0, deployment.deadline - view.now),
        where=where(app, deployment.request.kind),
        source=deployment.request.source,
        deployment=deployment.request.id,
    )


def verify(app: AppState, deployment: Deployment, action_id: str, view: View) -> VerifyArtifact:
    back = bool(deployment.request.digest)
    known = placed(app, deployment.request.kind)
    return VerifyArtifact(
        id=action_id,
        subject=app.name + SIDE,
        reason=_reason(deployment),
        timeout=300.0,
        where=where(app, deployment.request.kind),
        deployment=deployment.request.id,
        digest=deployment.request.digest,
        # A person on the device who goes back knows that it is older.
        highest=0 if back else known.highest,
        quarantined=() if back else known.quarantined,
    )


def validate(app: AppState, deployment: Deployment, action_id: str, view: View) -> ValidateArtifact:
    kind = deployment.request.kind
    rules = rules_of(app, kind)
    return ValidateArtifact(
        id=action_id,
        subject=app.name + SIDE,
        reason=_reason(deployment),
        timeout=420.0,
        where=where(app, kind),
        digest=deployment.new.digest,
        schema=rules.schema if isinstance(rules, AppConfigFile) else "",
        current=placed(app, kind).current.digest,
        recorded=rules.recorded if isinstance(rules, Model) else "",
    )


def back_up(app: AppState, deployment: Deployment, action_id: str, view: View) -> BackUpArtifact:
    kind = deployment.request.kind
    return BackUpArtifact(
        id=action_id,
        subject=app.name + SIDE,
        reason=_reason(deployment),
        timeout=300.0,
        where=where(app, kind),
        container_id=_container(app),
        current=placed(app, kind).current.digest,
    )


def swap(app: AppState, deployment: Deployment, action_id: str, view: View) -> PlaceArtifact:
    new, old = deployment.new, deployment.old
    back = _previous(app, deployment) if old.digest in ("", new.digest) else old.digest
    return _place(app, deployment, action_id, new, old, back, evidence=bool(deployment.request.digest))


def swap_back(app: AppState, deployment: Deployment, action_id: str, view: View) -> PlaceArtifact:
    back = _previous(app, deployment)
    return _place(app, deployment, action_id, deployment.old, deployment.new, back, evidence=True)


def _previous(app: AppState, deployment: Deployment) -> str:
    """Digest of what a person's rollback goes back to when this deployment does not come to stay; empty: nothing."""
    previous = placed(app, deployment.request.kind).previous
    return previous.digest if previous is not None else ""


def _place(
    app: AppState,
    deployment: Deployment,
    action_id: str,
    wanted: Artifact,
    other: Artifact,
    back: str,
    *,
    evidence: bool,
) -> PlaceArtifact:
    return PlaceArtifact(
        id=action_id,
        subject=app.name + SIDE,
        reason=_reason(deployment),
        timeout=90.0,
        where=where(app, deployment.request.kind),
        container_id=_container(app),
        digest=wanted.digest,
        previous=other.digest,
        back=back,
        evidence=evidence,
    )


def _reason(deployment: Deployment) -> str:
    what = "rollback" if deployment.request.digest else "deployment"
    if deployment.again:
        return (
            f"{deployment.request.kind} {deployment.new.version} again, {deployment.phase}: the container is a new one"
        )
    return f"{what} {deployment.request.id} by {deployment.request.origin}, {deployment.phase}"


def _container(app: AppState) -> str:
    return app.container.id if app.container is not None else ""


def learn(app: AppState, deployment: Deployment, result: dict[str, Any]) -> tuple[AppState, Deployment]:
    """What the phase's action found out."""
    match deployment.phase:
        case "verifying":
            new = Artifact(
                digest=str(result["digest"]),
                name=str(result["name"]),
                version=str(result["version"]),
                sequence=int(result["sequence"]),
            )
            deployment = replace(
                deployment,
                new=new,
                old=placed(app, deployment.request.kind).current,
                smoke=bool(result.get("smoke", False)),
            )
        case "validating":
            deployment = replace(deployment, compared=comparison.checks(result))
        case "backing_up":
            old = replace(deployment.old, digest=str(result["digest"]))
            deployment = replace(deployment, old=old)
        case "swapping" | "rolling_back":
            known = replace(placed(app, deployment.request.kind), container=deployment.container, tries=0)
            app = _know(app, deployment.request.kind, known)
    return app, deployment


def place(app: AppState, deployment: Deployment, *, tried: bool) -> AppState:
    """What the app has now, as far as this deployment changed it. ``tried``: the app itself has met the new one; what
    could not even be put in place says nothing against it."""
    kind, known = deployment.request.kind, placed(app, deployment.request.kind)
    match deployment.phase:
        case "failed" if deployment.again:
            tries = known.tries + 1
            known = replace(known, tries=tries, again_at=deployment.since + backoff(tries, 5.0, 300.0))
        case _ if deployment.again:
            return app
        case "swapping":
            known = replace(known, current=deployment.old)
        case "committed":
            known = replace(
                known,
                current=deployment.new,
                previous=deployment.old if deployment.old.digest != deployment.new.digest else known.previous,
                highest=max(known.highest, deployment.new.sequence),
                since=-1.0 if deployment.request.digest else deployment.since,
                quarantined=tuple(d for d in known.quarantined if d != deployment.new.digest),
            )
        case "rolling_back" if tried and deployment.new.digest and deployment.code not in INNOCENT:
            others = tuple(d for d in known.quarantined if d != deployment.new.digest)
            known = replace(known, quarantined=(*others, deployment.new.digest)[-QUARANTINED:])
        case _:
            return app
    return _know(app, kind, known)


def _know(app: AppState, kind: Kind, known: Placed) -> AppState:
    return replace(app, kept=replace(app.kept, placed={**app.kept.placed, kind: known}))


def keep(app: AppState, deployment: Deployment) -> AppState:
    return replace(app, kept=replace(app.kept, deployment=deployment))


def wake(app: AppState, at: float) -> AppState:
    return replace(app, wake_at=earliest(app.wake_at, at))
