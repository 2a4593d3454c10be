"""Performs, never decides. ``EXECUTORS`` has one function for each action type."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..vocabulary import actions
from . import data, drilling, evidence, executors, isolating, reading
from .executors import Result, Tools

__all__ = ["AFTERWARDS", "EXECUTORS", "Executor", "Result", "Tools"]

Executor = Callable[[Any, Tools], Result]

EXECUTORS: dict[type[actions.Action], Executor] = {
    actions.CaptureEvidence: evidence.capture,
    actions.StartContainer: executors.start,
    actions.RestartContainer: executors.restart,
    actions.StopContainer: executors.stop,
    actions.PauseContainer: executors.pause,
    actions.UnpauseContainer: executors.unpause,
    actions.RestartEngine: evidence.restart_engine,
    actions.FetchBundle: executors.fetch,
    actions.VerifyArtifact: executors.verify,
    actions.ValidateArtifact: executors.validate,
    actions.BackUpArtifact: executors.back_up,
    actions.PlaceArtifact: evidence.place,
    actions.SmokeTest: executors.smoke,
    actions.TidyArtifacts: executors.tidy,
    actions.SignalContainer: executors.signal,
    actions.CallHook: executors.call_hook,
    actions.ReloadConfig: executors.reload_config,
    actions.CheckConfig: executors.check_config,
    actions.TryConfig: executors.try_config,
    actions.KeepConfig: executors.keep_config,
    actions.UndoConfig: executors.undo_config,
    actions.ReadOut: reading.read_out,
    actions.FindNetworks: isolating.find_networks,
    actions.Isolate: isolating.isolate,
    actions.Rejoin: isolating.rejoin,
    actions.PruneDisk: data.prune,
    actions.BackUpData: data.back_up,
    actions.FindBackup: data.find,
    actions.RestoreData: data.restore,
    actions.InjectSignal: drilling.inject,
    actions.FindLimits: drilling.find_limits,
    actions.SqueezeMemory: drilling.squeeze,
    actions.RestoreMemory: drilling.restore,
    actions.SpoilModel: drilling.spoil,
    actions.ForgetModel: drilling.forget,
}

AFTERWARDS: dict[type[actions.Action], Callable[[Result, Tools], None]] = {actions.CaptureEvidence: evidence.settle}
"""What is left to do when the outcome has been reported."""
