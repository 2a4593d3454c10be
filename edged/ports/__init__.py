"""What the stages need from the outside world. ``adapters`` implements these; tests may too."""

from .artifacts import Artifacts, ModelRuntime
from .broker import Broker, Message
from .clock import Clock
from .data import DataBackups
from .engine import Containers
from .errors import ArtifactError, NotFound, PortError, Refused, StorageError, Unreachable
from .history import History, Point, Series
from .host import Host, Notifier, Services
from .http import Request, Response, Routes
from .inputs import Chunk, Inputs, RowSource
from .logs import LogLine, LogRead, LogStream
from .own_config import OwnConfig
from .probes import Answer, Prober
from .store import Batch, EvidenceStore, Readings, Retained, Store, StoredEvent

__all__ = [
    "Answer",
    "ArtifactError",
    "Artifacts",
    "Batch",
    "Broker",
    "Chunk",
    "Clock",
    "Containers",
    "DataBackups",
    "EvidenceStore",
    "History",
    "Host",
    "Inputs",
    "LogLine",
    "LogRead",
    "LogStream",
    "Message",
    "ModelRuntime",
    "NotFound",
    "Notifier",
    "OwnConfig",
    "Point",
    "PortError",
    "Prober",
    "Readings",
    "Refused",
    "Request",
    "Response",
    "Retained",
    "Routes",
    "RowSource",
    "Series",
    "Services",
    "StorageError",
    "Store",
    "StoredEvent",
    "Unreachable",
]
