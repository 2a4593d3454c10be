"""What the stages need from the outside world. ``adapters`` implements these; tests may too."""

from .artifacts import Artifacts, ModelRuntime
from .broker import Broker, Message
from .clock import Clock
from .engine import Containers
from .errors import ArtifactError, NotFound, PortError, Refused, StorageError, Unreachable
from .host import Host, Notifier, Services
from .http import Request, Response, Routes
from .inputs import Chunk, Inputs, RowSource
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
    "EvidenceStore",
    "Host",
    "Inputs",
    "Message",
    "ModelRuntime",
    "NotFound",
    "Notifier",
    "OwnConfig",
    "PortError",
    "Prober",
    "Readings",
    "Refused",
    "Request",
    "Response",
    "Retained",
    "Routes",
    "RowSource",
    "Services",
    "StorageError",
    "Store",
    "StoredEvent",
    "Unreachable",
]
