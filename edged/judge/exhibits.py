"""Whose evidence is it? Actions that keep some are told the incident that is open about their subject. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from ..vocabulary.actions import Action, CaptureEvidence, PlaceArtifact, PruneDisk, RestartEngine, RestoreData
from ..vocabulary.deployments import owner
from ..vocabulary.incidents import Incident
from ..vocabulary.state import State

KEEPING = (CaptureEvidence, PlaceArtifact, PruneDisk, RestartEngine, RestoreData)
Keeping = CaptureEvidence | PlaceArtifact | PruneDisk | RestartEngine | RestoreData


def labelled(actions: Iterable[Action], state: State) -> tuple[Action, ...]:
    """With the id of the incident; as they are when none is open."""
    return tuple(_labelled(action, state) if isinstance(action, KEEPING) else action for action in actions)


def _labelled(action: Keeping, state: State) -> Keeping:
    found = about(owner(action.subject), state.incidents.open)
    return action if found is None else replace(action, incident=found.id)


def about(subject: str, incidents: dict[str, Incident]) -> Incident | None:
    """The newest one with this cause, else the newest one that it is a part of."""
    newest = list(reversed(incidents.values()))
    mine = next((one for one in newest if one.cause == subject), None)
    return mine or next((one for one in newest if subject in one.subjects or subject in one.impact), None)
