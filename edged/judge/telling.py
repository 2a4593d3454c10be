"""What is told of a deployment: an event for each phase, the answer to whoever asked, a line for people."""

from __future__ import annotations

from ..vocabulary.deployments import ENDS, Artifact, Deployment, Phase
from ..vocabulary.events import DeploymentChanged, Event
from ..vocabulary.state import AppState
from . import artifacts
from .answer import failed, running, succeeded
from .outcome import View


def changed(app: AppState, deployment: Deployment, before: Phase, view: View) -> DeploymentChanged:
    new: Artifact = deployment.new
    return DeploymentChanged(
        subject=app.name,
        id=deployment.request.id,
        kind=deployment.request.kind,
        old=before,
        new=deployment.phase,
        name=new.name,
        version=new.version,
        digest=new.digest,
        previous=deployment.old.digest,
        code=deployment.code,
        reason=deployment.reason,
        checks=(*deployment.compared, *deployment.checks),
        seconds=max(0.0, view.now - deployment.since if deployment.phase not in ENDS else view.now - deployment.began),
    )


def answers(deployment: Deployment, view: View) -> tuple[Event, ...]:
    """What whoever asked for it hears."""
    identity, words = deployment.request.id, said(deployment)
    if deployment.phase == "committed":
        return succeeded(view.state, identity, words)
    if deployment.phase in ENDS:
        return failed(view.state, identity, deployment.code or deployment.phase, words, deployment.phase)
    return running(view.state, identity, deployment.phase, words)


def said(deployment: Deployment) -> str:
    """A line for people."""
    what = f"{deployment.new.name or deployment.request.kind} {deployment.new.version}".strip()
    match deployment.phase:
        case "committed" if deployment.again:
            return f"{what} was put in again: the container is a new one"
        case "failed" if deployment.again:
            return f"{what} could not be put in again, and the container is a new one without it: {deployment.reason}"
        case "committed":
            return f"{what} is in place and healthy"
        case "rolled_back" if deployment.code in artifacts.INNOCENT:
            return f"{what} was not tried to the end ({deployment.reason}); the one before is in place again"
        case "rolled_back":
            return f"{what} did not pass ({deployment.reason}); the one before is back and healthy"
        case "refused":
            return f"refused, nothing was changed: {deployment.reason}"
        case "cancelled":
            return f"cancelled, nothing was changed: {deployment.reason}"
        case "failed":
            return f"{deployment.reason}; a person is needed"
    return f"{deployment.phase.replace('_', ' ')}" + (f": {deployment.reason}" if deployment.reason else "")
