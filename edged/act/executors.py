"""One function for each action: it does what it says, or raises ``PortError``. None decides anything."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from ..ports import (
    Artifacts,
    Containers,
    DataBackups,
    EvidenceStore,
    Host,
    OwnConfig,
    Prober,
    Readings,
    Refused,
    Services,
)
from ..vocabulary.actions import (
    Action,
    BackUpArtifact,
    CallHook,
    CheckConfig,
    FetchBundle,
    KeepConfig,
    PauseContainer,
    PlaceArtifact,
    ReloadConfig,
    RestartContainer,
    SignalContainer,
    SmokeTest,
    StartContainer,
    StopContainer,
    TidyArtifacts,
    TryConfig,
    UndoConfig,
    UnpauseContainer,
    ValidateArtifact,
    VerifyArtifact,
)
from ..vocabulary.deployments import SIDE


class Tools(Struct, frozen=True):
    """What the executors work with."""

    containers: Containers
    services: Services
    host: Host
    evidence: EvidenceStore
    artifacts: Artifacts
    prober: Prober
    own_config: OwnConfig
    readings: Readings
    data: DataBackups


Result = dict[str, Any]


def start(action: StartContainer, tools: Tools) -> Result:
    tools.containers.start(action.container_id, action.timeout)
    return {}


def restart(action: RestartContainer, tools: Tools) -> Result:
    tools.containers.restart(action.container_id, action.stop_timeout, action.timeout)
    return {}


def stop(action: StopContainer, tools: Tools) -> Result:
    tools.containers.stop(action.container_id, action.stop_timeout, action.timeout)
    return {}


def pause(action: PauseContainer, tools: Tools) -> Result:
    tools.containers.pause(action.container_id, action.timeout)
    return {}


def unpause(action: UnpauseContainer, tools: Tools) -> Result:
    tools.containers.unpause(action.container_id, action.timeout)
    return {}


def fetch(action: FetchBundle, tools: Tools) -> Result:
    return tools.artifacts.fetch(_app(action), action.where, action.source, action.deployment, action.timeout)


def verify(action: VerifyArtifact, tools: Tools) -> Result:
    return tools.artifacts.verify(
        _app(action), action.where, action.deployment, action.digest, action.highest, action.quarantined
    )


def validate(action: ValidateArtifact, tools: Tools) -> Result:
    return tools.artifacts.validate(
        _app(action), action.where, action.digest, action.schema, action.current, action.recorded, action.timeout
    )


def back_up(action: BackUpArtifact, tools: Tools) -> Result:
    return tools.artifacts.back_up(_app(action), action.where, action.container_id, action.current, action.timeout)


def place(action: PlaceArtifact, tools: Tools) -> Result:
    return tools.artifacts.place(
        _app(action), action.where, action.container_id, action.digest, action.previous, action.timeout, action.back
    )


def smoke(action: SmokeTest, tools: Tools) -> Result:
    return tools.artifacts.smoke(_app(action), action.where, action.digest, action.url, action.timeout)


def tidy(action: TidyArtifacts, tools: Tools) -> Result:
    return tools.artifacts.tidy(_app(action), action.where, action.pinned, action.deployment)


def signal(action: SignalContainer, tools: Tools) -> Result:
    tools.containers.signal(action.container_id, action.signal, action.timeout)
    return {}


def call_hook(action: CallHook, tools: Tools) -> Result:
    status, body = tools.prober.call("POST", action.url, action.timeout)
    if not 200 <= status < 300:
        said = " ".join(body[:200].decode("utf-8", "replace").split())
        raise Refused(f"{action.url}: HTTP {status}" + (f": {said}" if said else ""))
    return {}


def reload_config(action: ReloadConfig, tools: Tools) -> Result:
    return tools.own_config.reload()


def check_config(action: CheckConfig, tools: Tools) -> Result:
    return tools.own_config.check(action.text)


def try_config(action: TryConfig, tools: Tools) -> Result:
    return tools.own_config.take(action.digest)


def keep_config(action: KeepConfig, tools: Tools) -> Result:
    tools.own_config.keep(action.digest)
    return {}


def undo_config(action: UndoConfig, tools: Tools) -> Result:
    tools.own_config.undo()
    return {}


def _app(action: Action) -> str:
    return action.subject.removesuffix(SIDE)
