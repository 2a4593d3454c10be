"""The configuration's types. ``load`` turns a YAML file into a ``Config``; nothing here reads anything.

Every field's docstring is the documentation of its key: ``config/edged.yaml`` is checked against these types.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, field, structs

# The titles are what ``scalars`` goes by. Durations are written as `500ms 5s 2m 1h 7d` and kept as seconds.
Duration = Annotated[float, Meta(title="duration", ge=0)]
# Durations with a floor, so that no value makes the daemon spin or give up before anything could answer.
Interval = Annotated[float, Meta(title="duration", ge=0.1)]
LongInterval = Annotated[float, Meta(title="duration", ge=1)]
Timeout = Annotated[float, Meta(title="duration", ge=0.05, le=300)]
# Written as `64MiB`, kept as bytes.
Size = Annotated[int, Meta(title="size", ge=0)]
StoreSize = Annotated[int, Meta(title="size", ge=2**20)]
# Written as `80%` or `0.8`, kept as 0..1.
Share = Annotated[float, Meta(title="share", ge=0, le=1)]
Celsius = Annotated[float, Meta(ge=-50, le=150)]
Count = Annotated[int, Meta(ge=1, le=1_000_000)]
Name = Annotated[str, Meta(title="name", pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$")]
DeviceId = Annotated[str, Meta(title="device id", pattern=r"^[A-Za-z0-9_-]{1,64}$")]
UnitName = Annotated[str, Meta(title="systemd unit", pattern=r"^[A-Za-z0-9][A-Za-z0-9:_.\\@-]{0,254}$")]
HostName = Annotated[str, Meta(title="host name", pattern=r"^[A-Za-z0-9_]([A-Za-z0-9_.-]{0,252})$")]
# host:port, for TCP checks and listeners.
HostPort = Annotated[str, Meta(title="host:port", pattern=r"^(\[[0-9A-Fa-f:.]+\]|[^\s:/]*):[0-9]{1,5}$")]
HttpUrl = Annotated[str, Meta(title="http(s) URL", pattern=r"^https?://[^\s/]+")]
MqttUrl = Annotated[str, Meta(title="mqtt(s) URL", pattern=r"^mqtts?://[^\s/?#]+$")]
DockerUrl = Annotated[str, Meta(title="unix:// or tcp:// URL", pattern=r"^(unix|tcp|http|https)://.+")]
# A file, relative to the folder of the configuration.
FilePath = Annotated[str, Meta(title="file path", min_length=1)]
Secret = Annotated[str, Meta(title="secret")]


# Filled in by the program; no key of the file.
Internal = Meta(extra={"internal": True})


class Section(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A mapping in the file."""


class Device(Section, frozen=True, kw_only=True):
    id: DeviceId = ""
    labels: dict[str, str] = {}


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


class History(Section, frozen=True, kw_only=True):
    keep: LongInterval = 35 * 86400.0
    max_size: StoreSize = 256 * 2**20


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


class DiskWatch(Section, frozen=True, kw_only=True):
    paths: tuple[str, ...] = ("/",)
    warn: Share = 0.8
    critical: Share = 0.9


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


class Latency(Section, frozen=True, kw_only=True):
    """A classic Prometheus histogram of seconds."""

    histogram: str


class Errors(Section, frozen=True, kw_only=True):
    """Which counter counts all requests, and which of its labels mark the failed ones (``5..`` matches as a regex)."""

    total: str
    failed: dict[str, str] = {}


class Metrics(Section, frozen=True, kw_only=True):
    """The app's own Prometheus endpoint."""

    url: HttpUrl
    every: Interval = 15.0
    timeout: Timeout = 5.0
    latency: Latency | None = None
    errors: Errors | None = None


class Gate(Section, frozen=True, kw_only=True):
    """When a new artifact may stay."""

    window: LongInterval = 60.0
    min_samples: Count = 20
    latency: Annotated[float, Meta(ge=1, le=100)] = 1.2
    errors: Share = 0.01


class ReloadBy(Section, frozen=True, kw_only=True):
    """Exactly one of ``signal`` and ``http`` (a POST)."""

    signal: Annotated[str, Meta(title="signal name", pattern=r"^((SIG)?[A-Z][A-Z0-9]{1,7})?$")] = ""
    http: HttpUrl = ""


ContainerPath = Annotated[str, Meta(title="path in the container", pattern=r"^/[^\x00]*[^/\x00]$")]


class Model(Section, frozen=True, kw_only=True):
    path: ContainerPath
    delivery: Literal["mount", "copy"] = "mount"
    reload: Literal["restart"] | ReloadBy = "restart"
    gate: Gate = Gate()
    keep: Annotated[int, Meta(ge=2, le=100)] = 3


class AppConfigFile(Section, frozen=True, kw_only=True):
    path: ContainerPath
    delivery: Literal["mount", "copy"] = "copy"
    reload: Literal["restart"] | ReloadBy = "restart"
    schema: FilePath = ""
    gate: Gate = Gate()
    keep: Annotated[int, Meta(ge=2, le=100)] = 3


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
    http: Http = Http()
    docker: Docker = Docker()
    history: History = History()
    evidence: Evidence = Evidence()
    sampling: Sampling = Sampling()
    host: HostWatch = HostWatch()
    dependencies: dict[Name, Dependency] = {}
    apps: dict[Name, App] = {}
    alerts: Alerts = Alerts()
    log: Log = Log()
    discover: Literal["labels", "all", "off"] = "labels"
