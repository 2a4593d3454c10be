"""Backups of what apps have written: taken from and put into containers by the engine's archive calls alone."""

from .store import BackupStore

__all__ = ["BackupStore"]
