"""The configuration's types. ``load`` turns a YAML file into a ``Config``; nothing here reads anything.

Every field's docstring is the documentation of its key: ``config/edged.yaml`` is checked against these types.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, UnsetType, field, structs

from .data import Data
from .deployment import AppConfigFile, Bundles, Model
from .drift import Drift
from .drills import Drills
from .incidents import Incidents
from .inference import Metrics
from .logs import Logs, Switch
from .runbooks import RunbookName, Steps
from .types import (
    Celsius,
    Count,
    DeviceId,
    DockerUrl,
    Duration,
    FilePath,
    HostName,
    HostPort,
    HttpUrl,
    Internal,
    Interval,
    LongInterval,
    MqttUrl,
    Name,
    Secret,
    Section,
    Share,
    StoreSize,
    Timeout,
    UnitName,
)


class Device(Section, frozen=True, kw_only=True):
    id: DeviceId = ""
    labels: dict[str, str] = field(default_factory=dict)


class Spool(Section, frozen=True, kw_only=True):
    max_size: StoreSize = 64 * 2**20
    max_age: LongInterval = 30 * 86400.0


class Mqtt(Section, frozen=True, kw_only=True):
    url: MqttUrl
    username: str = ""
    password: Secret = ""
    password_file: FilePath = ""
    ca_file: FilePath = ""
    cert_file: FilePath = ""
    key_file: FilePath = ""
    keepalive: Annotated[float, Meta(title="duration", ge=5, le=65535)] = 30.0
    metrics_every: LongInterval = 60.0
    in_flight: Annotated[int, Meta(ge=1, le=1000)] = 100
    home_assistant: bool = False
    spool: Spool = Spool()

    def __repr__(self) -> str:
        """Without the password: a configuration ends up in logs and tracebacks."""
        return super(Mqtt, structs.replace(self, password="***") if self.password else self).__repr__()


class Commands(Section, frozen=True, kw_only=True):
    """Whose signatures count, and how much one key may ask for."""

    trust: FilePath = ""
    per_minute: Count = 600
    open: Count = 32


class Http(Section, frozen=True, kw_only=True):
    listen: HostPort = "127.0.0.1:9108"
    token_file: FilePath = ""


class EngineRestart(Section, frozen=True, kw_only=True):
    """Restart of the engine itself, through systemd. ``after: 0s`` turns it off."""

    unit: UnitName = "docker.service"
    after: Duration = 60.0
    budget: Count = 3
    per: LongInterval = 3600.0
    timeout: LongInterval = 120.0


class Docker(Section, frozen=True, kw_only=True):
    url: DockerUrl = "unix:///var/run/docker.sock"
    timeout: Timeout = 10.0
    poll: LongInterval = 30.0
    restart: EngineRestart = EngineRestart()


class Recording(Section, frozen=True, kw_only=True):
    """The flight recorder: all facts of the last hours, for ``edged replay``."""

    keep: LongInterval = 86400.0
    max_size: StoreSize = 32 * 2**20


class History(Section, frozen=True, kw_only=True):
    keep: LongInterval = 35 * 86400.0
    max_size: StoreSize = 256 * 2**20
    recording: Recording = Recording()


class Evidence(Section, frozen=True, kw_only=True):
    max_size: StoreSize = 64 * 2**20
    log_lines: Annotated[int, Meta(ge=0, le=10000)] = 200


class Sampling(Section, frozen=True, kw_only=True):
    every: Interval = 5.0


class Leak(Section, frozen=True, kw_only=True):
    """Memory that grows steadily: warns when the limit would be hit within ``horizon``."""

    window: LongInterval = 3600.0
    horizon: Duration = 86400.0


class Memory(Section, frozen=True, kw_only=True):
    warn: Share = 0.8
    critical: Share = 0.95
    for_: Duration = field(name="for", default=30.0)
    leak: Leak = Leak()


class HostMemory(Section, frozen=True, kw_only=True):
    warn: Share = 0.8
    critical: Share = 0.95
    for_: Duration = field(name="for", default=30.0)


class Cpu(Section, frozen=True, kw_only=True):
    warn: Share = 0.8
    throttled: Share = 0.25
    for_: Duration = field(name="for", default=300.0)


class HostCpu(Section, frozen=True, kw_only=True):
    warn: Share = 0.9
    for_: Duration = field(name="for", default=300.0)


class Prune(Section, frozen=True, kw_only=True):
    """What may go when a disk is full."""

    logs: tuple[str, ...] = ()
    min_age: Duration = 7 * 86400.0


class DiskWatch(Section, frozen=True, kw_only=True):
    paths: tuple[str, ...] = ("/",)
    warn: Share = 0.8
    critical: Share = 0.9
    prune: Prune = Prune()


class Temperature(Section, frozen=True, kw_only=True):
    """Celsius."""

    warn: Celsius = 75.0
    critical: Celsius = 85.0
    for_: Duration = field(name="for", default=60.0)


class ClockWatch(Section, frozen=True, kw_only=True):
    for_: Duration = field(name="for", default=600.0)


class Pressure(Section, frozen=True, kw_only=True):
    """What to do when the host runs out of memory."""

    pause: bool = True


class HostWatch(Section, frozen=True, kw_only=True):
    every: Interval = 10.0
    memory: HostMemory = HostMemory()
    cpu: HostCpu = HostCpu()
    disk: DiskWatch = DiskWatch()
    temperature: Temperature = Temperature()
    clock: ClockWatch = ClockWatch()
    pressure: Pressure = Pressure()


class Dependency(Section, frozen=True, kw_only=True):
    """Exactly one of ``tcp``, ``http``, ``dns``."""

    tcp: HostPort = ""
    http: HttpUrl = ""
    dns: HostName = ""
    every: Interval = 10.0
    timeout: Timeout = 2.0
    failures: Count = 3
    successes: Count = 1


class Health(Section, frozen=True, kw_only=True):
    """At most one of ``http`` and ``tcp``; Docker's own HEALTHCHECK counts as well when ``docker`` is true."""

    http: HttpUrl = ""
    tcp: HostPort = ""
    docker: bool = True
    ca_file: FilePath = ""
    every: Interval = 5.0
    timeout: Timeout = 2.0
    failures: Count = 3
    successes: Count = 1
    start_period: Duration = 20.0


class Restart(Section, frozen=True, kw_only=True):
    """Recovery of one app. The first restart is immediate, the following ones wait with growing backoff."""

    enabled: bool = True
    budget: Count = 5
    per: LongInterval = 600.0
    backoff: Interval = 1.0
    max_backoff: Interval = 300.0
    retry_after: LongInterval = 1800.0
    reset_after: Duration = 600.0
    stop_timeout: Duration = 10.0
    policy_grace: Duration = 10.0
    verify_within: LongInterval = 60.0


class Label(Section, frozen=True, kw_only=True):
    """Finds the container by a label, ``key=value`` or just ``key``, for names that change with every start."""

    label: Annotated[str, Meta(title="container label", pattern=r"^[^=\s]+(=.*)?$")]


class App(Section, frozen=True, kw_only=True):
    container: Name | Label | UnsetType = UNSET
    """Not given: the container is called like the app."""
    priority: Annotated[int, Meta(ge=0, le=1000)] = 50
    needs: tuple[Name, ...] = ()
    health: Health = Health()
    memory: Memory = Memory()
    cpu: Cpu = Cpu()
    restart: Restart = Restart()
    metrics: Metrics | None = None
    model: Model | None = None
    app_config: AppConfigFile | None = None
    drift: Drift | None = None
    logs: Logs | Switch | None = None
    drills: bool = True
    data: Data | None = None
    given: Annotated[tuple[str, ...], Internal] = ()
    """The keys that the file sets for this app, as in ``health.http``, sorted. Labels do not override them, even
    where the file says the same as the default. It travels with the app because ``judge`` sees nothing else."""


class Alerts(Section, frozen=True, kw_only=True):
    """An alert that changes ``changes`` times within ``window`` flaps, until it has been calm for ``calm``."""

    changes: Annotated[int, Meta(ge=3)] = 6
    window: LongInterval = 900.0
    calm: Duration = 600.0


class Log(Section, frozen=True, kw_only=True):
    format: Literal["plain", "json"] = "plain"


class Config(Section, frozen=True, kw_only=True):
    device: Device = Device()
    state_dir: FilePath = ""
    mqtt: Mqtt | None = None
    commands: Commands = Commands()
    bundles: Bundles = Bundles()
    http: Http = Http()
    docker: Docker = Docker()
    history: History = History()
    evidence: Evidence = Evidence()
    sampling: Sampling = Sampling()
    host: HostWatch = HostWatch()
    dependencies: dict[Name, Dependency] = field(default_factory=dict)
    apps: dict[Name, App] = field(default_factory=dict)
    alerts: Alerts = Alerts()
    drills: Drills = Drills()
    incidents: Incidents = Incidents()
    runbooks: dict[RunbookName, Steps] = field(default_factory=dict)
    log: Log = Log()
    discover: Literal["labels", "all", "off"] = "labels"
