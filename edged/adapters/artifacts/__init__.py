"""The slots of every app's models and configurations, and how they get to the app."""

from .store import ArtifactStore, Smoke
from .web import obtain

__all__ = ["ArtifactStore", "Smoke", "obtain"]
