"""What single values of the configuration may be. Their titles are what ``scalars`` goes by."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

# Durations are written as `500ms 5s 2m 1h 7d` and kept as seconds.
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
# Without a query: paths are put behind it.
BaseUrl = Annotated[str, Meta(title="http(s) URL", pattern=r"^https?://[^\s/?#]+(/[^\s?#]*)?$")]
MqttUrl = Annotated[str, Meta(title="mqtt(s) URL", pattern=r"^mqtts?://[^\s/?#]+$")]
DockerUrl = Annotated[str, Meta(title="unix:// or tcp:// URL", pattern=r"^(unix|tcp|http|https)://.+")]
# A file, relative to the folder of the configuration.
FilePath = Annotated[str, Meta(title="file path", min_length=1)]
ContainerPath = Annotated[str, Meta(title="path in the container", pattern=r"^/[^\x00]*[^/\x00]$")]
Secret = Annotated[str, Meta(title="secret")]


# Filled in by the program; no key of the file.
Internal = Meta(extra={"internal": True})


class Section(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A mapping in the file."""
