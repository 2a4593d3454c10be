"""What the stages need from the outside world. ``adapters`` implements these; tests may too."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from typing import Any, BinaryIO, Protocol

from msgspec import Struct

from .modelcheck.types import ConfigCheck, ConfigVerdict, ModelCheck, ModelVerdict
from .vocabulary.actions import Where
from .vocabulary.events import Event
from .vocabulary.facts import ContainerChanged
from .vocabulary.isolation import Endpoint
from .vocabulary.world import Container, Disk, HostSample, Usage


class PortError(Exception):
    """The outside world did not do what was asked. The message is for the operator."""


class Unreachable(PortError):
    """Nobody answers: the engine, the broker, the socket is not there or does not respond in time."""


class NotFound(PortError):
    """The container (file, unit …) that was named does not exist."""


class Refused(PortError):
    """It answered, and said no."""


class StorageError(PortError):
    """The state folder cannot be written or read: full, read-only, damaged."""


class OwnConfig(Protocol):
    """edged's own configuration. What is wrong with one comes back as ``{"errors": […]}``, and changes nothing."""

    def reload(self) -> dict[str, Any]:
        """As SIGHUP."""

    def check(self, text: str) -> dict[str, Any]:
        """``{"digest", "changed", "mqtt"}``; ``mqtt``: it names a broker."""

    def take(self, digest: str) -> dict[str, Any]:
        """Puts what was checked last in force until the end of this run."""

    def keep(self, digest: str) -> None:
        """Makes that outlive this run. Raises ``StorageError``, or ``Refused`` when edged is not well."""

    def undo(self) -> None:
        """The one from before ``take`` again. Raises ``Unreachable``."""


class Clock(Protocol):
    def now(self) -> float:
        """Seconds on edged's own clock: monotonic, counting suspend, continuous over reboots of the host."""

    def wall(self) -> float:
        """Unix time. May jump; only for people and for talking to others."""


class Containers(Protocol):
    """A container engine. Every call has its own timeout and raises ``PortError``."""

    def ping(self, timeout: float = 5.0) -> str:
        """The engine's version, asked on a new connection."""

    def list_all(self) -> tuple[Container, ...]:
        """All containers, stopped ones too, without inspecting each one."""

    def inspect(self, container_id: str) -> tuple[Container, dict[str, Any]]:
        """One container, and the engine's whole answer."""

    def start(self, container_id: str, timeout: float) -> None: ...

    def restart(self, container_id: str, stop_timeout: float, timeout: float) -> None: ...

    def stop(self, container_id: str, stop_timeout: float, timeout: float) -> None: ...

    def signal(self, container_id: str, signal: str, timeout: float) -> None:
        """Sends a signal (``HUP``) to the main process."""

    def get_archive(self, container_id: str, path: str, max_bytes: int, timeout: float) -> Generator[bytes, None, None]:
        """A tar of a file or folder in the container, running or not. Raises ``NotFound``, ``Refused`` when larger.

        It may end early without an error when the engine goes away: a whole one ends with two blocks of zeros.
        """

    def put_archive(self, container_id: str, folder: str, tar: Iterator[bytes], timeout: float) -> None:
        """Unpacks a tar into a folder of the container, which must exist, entry by entry: what came before an error
        stays."""

    def pause(self, container_id: str, timeout: float) -> None: ...

    def unpause(self, container_id: str, timeout: float) -> None: ...

    def logs(self, container_id: str, lines: int, max_bytes: int, timeout: float, since: float = 0.0) -> bytes:
        """The last log lines, stdout and stderr together, with timestamps. ``since``: seconds back; 0: all."""

    def networks(self, container_id: str, timeout: float) -> tuple[str, tuple[Endpoint, ...]]:
        """The network mode that it was created with (``host``, ``container:…``, a network), and what it is connected
        to. A network that gives none (``none``) is not among them."""

    def disconnect(self, container_id: str, network: str, timeout: float) -> None:
        """Cuts it off from a network, running or not. Not being connected is no error."""

    def connect(self, container_id: str, endpoint: Endpoint, timeout: float) -> None:
        """Connects it to a network, running or not."""

    def usage(self, container_id: str) -> Usage:
        """One-shot stats: slow (1–2 s on old engines), for hosts whose cgroup files cannot be read."""

    def events(self, since: float, at: Callable[[], float]) -> Generator[ContainerChanged | None, None, None]:
        """Messages of the event stream from Unix time ``since`` on; blocks. ``at`` stamps each one.

        Yields ``None`` right after the engine has accepted the connection, and again after every few seconds
        of silence, which only shows that the caller's thread lives. Raises ``Unreachable`` when the stream
        breaks (a half-open one may not) and ends when ``close_events`` was called.
        """

    def close_events(self) -> None:
        """Ends a blocked ``events`` from another thread."""

    def close(self) -> None:
        """Lets go of all connections."""


class Host(Protocol):
    def sample(self) -> HostSample: ...

    def disk(self, path: str, timeout: float) -> Disk:
        """How full a file system is. Raises ``NotFound`` or ``PortError``.

        One behind a network answers within ``timeout`` seconds or fails; a local one takes as long as its kernel does.
        """

    def usage(self, container_id: str, pid: int | None) -> Usage:
        """From the container's cgroup files; raises ``NotFound`` or ``PortError``."""


class Answer(Struct, frozen=True):
    """What a probe got."""

    ok: bool
    seconds: float
    detail: str = ""


class Prober(Protocol):
    """Every call returns within ``timeout`` seconds in all.

    A refused connection, a time-out or a bad status is an answer (``ok=False``); a probe that cannot be
    made at all (no descriptors left, unreadable CA file) raises ``PortError``.
    """

    def http(self, url: str, timeout: float, ca_file: str = "") -> Answer: ...

    def tcp(self, address: str, timeout: float) -> Answer: ...

    def dns(self, name: str, timeout: float) -> Answer: ...

    def call(
        self,
        method: str,
        url: str,
        timeout: float,
        *,
        body: bytes = b"",
        content_type: str = "",
        most: int = 2**20,
        ca_file: str = "",
    ) -> tuple[int, bytes]:
        """Status and the whole body. Raises ``PortError``, also when it is longer than ``most`` bytes."""


class Services(Protocol):
    """systemd units of this host."""

    def stopped_on_purpose(self, unit: str, timeout: float) -> bool:
        """True when a person or the system stopped the unit cleanly and nothing failed."""

    def restart(self, unit: str, timeout: float) -> None: ...


class ArtifactError(PortError):
    """An artifact was refused or could not be handled. ``code`` is for programs: the reason codes of bundles, and
    ``unreachable``, ``timeout``, ``storage`` for what another attempt may mend."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Artifacts(Protocol):
    """The slots of every app's models and configurations. Every method may be called again after it was cut short
    anywhere, by a power cut too, and then ends with the same result. Raises ``PortError``."""

    def fetch(self, app: str, where: Where, source: str, deployment: str, timeout: float) -> dict[str, Any]:
        """Gets a bundle into staging, going on where it ended before. Returns ``bytes``."""

    def verify(
        self, app: str, where: Where, deployment: str, digest: str, highest: int, quarantined: Sequence[str]
    ) -> dict[str, Any]:
        """Makes a whole slot of what was staged, or checks the slot ``digest`` byte by byte.

        Returns ``digest, name, version, sequence, smoke``.
        """

    def validate(
        self, app: str, where: Where, digest: str, schema: str, current: str, timeout: float
    ) -> dict[str, Any]:
        """Tries it in a process of its own. Returns what was measured."""

    def back_up(self, app: str, where: Where, container_id: str, current: str, timeout: float) -> dict[str, Any]:
        """Makes sure that what is in place now is in a slot, whole. Returns its ``digest``."""

    def place(
        self, app: str, where: Where, container_id: str, digest: str, previous: str, timeout: float
    ) -> dict[str, Any]:
        """Puts a slot's content in place of whatever is there."""

    def smoke(self, app: str, where: Where, digest: str, timeout: float) -> dict[str, Any]:
        """Sends the bundle's own inputs to the app. Returns ``samples``."""

    def tidy(self, app: str, where: Where, pinned: Sequence[str], deployment: str) -> dict[str, Any]:
        """Removes slots beyond the newest ``where.keep``, never a pinned or a referenced one, and what was staged."""


class ModelRuntime(Protocol):
    """Tries a new model or configuration away from the daemon. Whatever the file does, there is a verdict.

    Blocks for up to ``timeout`` seconds, which should be more than what the request itself allows for measuring and
    comparing. ``memory_limit`` is in bytes for the whole check, runtime included: for models ``enough_memory`` says how
    much is sound. ``cpu_seconds`` counts over all threads. Raises ``PortError`` when the check itself cannot be made,
    which says nothing about the file.
    """

    def check_model(
        self, request: ModelCheck, *, timeout: float, memory_limit: int, cpu_seconds: int
    ) -> ModelVerdict: ...

    def check_config(
        self, request: ConfigCheck, *, timeout: float, memory_limit: int, cpu_seconds: int
    ) -> ConfigVerdict: ...


class EvidenceStore(Protocol):
    """Bounded folder of evidence records."""

    def save(self, name: str, record: Mapping[str, Any]) -> tuple[str, str, int]:
        """Writes a record and returns (path, digest, bytes). Oldest records make room."""

    def settle(self, path: str) -> None:
        """Makes a record safe against a power cut too; takes as long as the medium needs."""

    def read(self, app: str, which: str) -> tuple[str, bytes]:
        """(name, content as JSON) of the record ``which`` (its name, or its path in the folder), or the app's latest.

        Raises ``NotFound``, ``Refused`` for what is no name of a record, ``StorageError``.
        """


class Readings(Protocol):
    """What edged itself knows, as JSON, for whoever asks from afar."""

    def status(self, app: str) -> bytes:
        """As ``edged status --json``; with an app: of that one alone."""

    def report(self, since: float) -> bytes:
        """What happened in the last so many seconds. Raises ``StorageError``."""


class Notifier(Protocol):
    """The service manager. Everything is a no-op when there is none."""

    @property
    def watchdog_seconds(self) -> float | None:
        """The service manager's limit between two ``watchdog`` calls."""

    def ready(self, status: str) -> None: ...

    def reloading(self) -> None: ...

    def stopping(self, status: str) -> None: ...

    def status(self, text: str) -> None: ...

    def watchdog(self) -> None: ...

    def give_up(self) -> None:
        """Asks to be ended and started anew at once, as if ``watchdog`` had not been called for too long."""


class StoredEvent(Struct, frozen=True):
    """One row of the event log."""

    sequence: int
    boot: int
    wall: float
    """Unix time at which it happened."""
    topic: str
    """Below ``edged/v1/<device>/``: ``event``, later ``res/<type>/<id>``."""
    payload: bytes


class Retained(Struct, frozen=True):
    """The wanted content of one retained topic. An empty payload clears it."""

    topic: str
    payload: bytes
    version: int


class Batch(Struct, frozen=True, kw_only=True):
    """What one turn of the loop wants on disk, all or nothing."""

    wall: float
    now: float
    state: dict[str, bytes] = {}
    """Encoded durable state by key; an empty value deletes the key."""
    events: tuple[tuple[str, Event], ...] = ()
    """(topic, event) in order."""
    retained: dict[str, bytes] = {}
    intents: tuple[tuple[str, bytes], ...] = ()
    """(action id, encoded action) about to begin."""
    outcomes: tuple[tuple[str, bytes], ...] = ()
    """(action id, encoded outcome) of ended actions."""
    skipped: int = 0
    """Events before these that could not be kept: their numbers are given up, and ``trim`` reports them."""


class Store(Protocol):
    """All that edged keeps. One SQLite file; every commit is synced. Raises ``StorageError``."""

    def commit(self, batch: Batch, encode: Callable[[int, int, float, Event], bytes]) -> int:
        """Writes a batch in one transaction and returns the highest sequence number given out so far.

        ``encode(sequence, boot, wall, event)`` makes an event's payload. Sequence numbers have no gaps.
        """

    def stow(self, batch: Batch, waiting: int) -> None:
        """While no commit succeeds: everything but the events of all that could not be committed, to room set aside.

        ``waiting``: events that are kept in memory only. If the process dies they are reported as given up.
        """

    def settle(self) -> None:
        """What was stowed has been committed."""

    def load_state(self) -> dict[str, bytes]: ...

    def open_intents(self) -> list[tuple[str, bytes]]:
        """Actions that had begun and were not seen to end."""

    def unsent(self, after: int, limit: int) -> list[StoredEvent]:
        """Events not yet acknowledged by the broker with ``sequence > after``, in order."""

    def acknowledge(self, through: int) -> None:
        """Every event up to and including this sequence number has been acknowledged by the broker."""

    def unsent_retained(self, limit: int) -> list[Retained]: ...

    def acknowledge_retained(self, topic: str, version: int) -> None: ...

    def forget_retained_acks(self, topic: str | None = None) -> None:
        """The broker may have lost this retained message, or all of them: send again."""

    def give_up(self, sequence: int, reason: str) -> None:
        """The broker will never take this event; ``trim`` reports it. The caller acknowledges it as well."""

    def trim(
        self, now: float, spool_size: int, spool_age: float, keep: float, max_size: int
    ) -> list[tuple[int, int, int, str]]:
        """Enforces the bounds, a limited amount of work per call. ``now``: edged's own clock, as in ``Batch``.

        Returns (first, last, count, reason) of events given up unsent, once; the reason is ``size``, ``age``,
        ``refused``, ``damaged``, ``disk`` or ``lost``. After a crash it returns again what no committed
        ``EventsDropped`` has told yet.
        """

    def spool(self) -> tuple[int, int]:
        """(messages, bytes) not yet acknowledged."""

    def history(self, since_wall: float, types: Sequence[str], limit: int) -> list[StoredEvent]:
        """The newest ``limit`` events of these types (none given: of all), oldest first. May take seconds."""

    def close(self) -> None: ...


class Message(Struct, frozen=True):
    topic: str
    payload: bytes
    retain: bool = False


class Broker(Protocol):
    """An MQTT 5 connection that keeps itself up. Callbacks run on its thread and must only enqueue.

    Connections are numbered. Nothing of one connection is carried over to the next: what was not acknowledged
    when it broke is for the caller to send again.
    """

    def start(self) -> None: ...

    def publish(self, message: Message, connection: int) -> int:
        """Hands a QoS 1 message over and returns its id, unique over all connections. Does not block.

        Raises ``Unreachable`` when that connection is gone, and ``Refused`` when the broker has said that it
        takes no message like that (too large).
        """

    def drop(self, connection: int, reason: str) -> None:
        """This connection is of no use (nothing is acknowledged): break it and make a new one."""

    def stop(self, last: Message | None, timeout: float) -> None:
        """Publishes ``last``, waits for its acknowledgement, disconnects."""


class Request(Struct, frozen=True):
    path: str
    query: dict[str, list[str]]
    body: bytes
    peer: str
    """``local:uid=1000(ann)`` on the Unix socket, the address on TCP."""
    stream: BinaryIO | None = None
    """With PUT: the body, which was not read yet."""
    length: int = 0
    """Bytes of it."""


class Response(Struct, frozen=True):
    status: int
    body: bytes | Iterator[bytes]
    """An iterator is sent as it comes, until the connection is closed."""
    content_type: str = "application/json"


Routes = Mapping[tuple[str, str], Callable[[Request], Response]]
"""(method, path) -> what answers it."""
