"""What goes into the child and what comes out. Needs msgspec only, so that the daemon stays small."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

Code = Literal[
    "load",
    "unsupported_opset",
    "inputs",
    "outputs",
    "golden_missing",
    "run",
    "nan",
    "golden_mismatch",
    "latency",
    "memory",
    "crashed",
    "hung",
    "killed_for_memory",
    "unreadable",
    "syntax",
    "schema_unusable",
    "schema",
]
"""Why a check was not passed. The last four are about configurations, the three before them about both kinds.

``run``: the model loads but fails on the golden inputs. ``golden_missing``: there are no golden vectors, or they are
not what the manifest says, so nothing could be compared.
"""


READING_STAGE = "reading the recorded inputs"
CURRENT_STAGE = "the current model, on recorded inputs"
NEW_STAGE = "the new model, on recorded inputs"


_MIB = 2**20


class Port(Struct, frozen=True, kw_only=True):
    """An input or output as the manifest declares it. A dimension with a name is free."""

    name: str
    dtype: str
    """As numpy calls it: ``float32``, ``int64``, ``bool`` …, or ``string``."""
    shape: tuple[int | str, ...]


class Golden(Struct, frozen=True, kw_only=True):
    """Inputs and the outputs wanted for them, in one ``.npz`` by name.

    Reproduced when |got - want| <= atol + rtol * |want| for every float; all else must be equal.
    """

    file: str
    rtol: float
    atol: float


class Budgets(Struct, frozen=True, kw_only=True):
    p95: float
    """Seconds for one run over the golden inputs, as many rows as they have."""
    memory: int
    """Bytes of RSS that model and runs may add to a process with the runtime loaded."""


class ModelCheck(Struct, frozen=True, kw_only=True, tag="model"):
    """All paths are absolute."""

    model: str
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    golden: Golden
    budgets: Budgets
    threads: int = 1
    """Threads of the runtime within one operator."""
    latency_seconds: float = 5.0
    """Measuring ends after this, stable or not."""
    recorded: str = ""
    """Recent real inputs: ``.ndjson`` with a sample a line, ``.npz`` by input name, or one ``.npy`` for a model with
    one input. Empty: none."""
    current: str = ""
    """The model in use now, for the comparison over ``recorded``."""
    compare_seconds: float = 10.0
    """The comparison ends after this with the rows it got through."""


def enough_memory(request: ModelCheck) -> int:
    """A ``memory_limit`` in bytes that lets a model which keeps to its budget pass, and be compared with another one.

    With much less the runtime cannot make its threads (8 MiB of stack each), and may hang over it.
    """
    return 128 * _MIB + request.threads * 8 * _MIB + 2 * request.budgets.memory


class ConfigCheck(Struct, frozen=True, kw_only=True, tag="config"):
    """Is ``file`` well-formed, and in order by the JSON Schema in ``schema``?

    Known by their names: .yaml .yml .json .toml .ini .cfg .conf
    """

    file: str
    schema: str = ""
    """Empty: only the syntax counts."""


class Order(Struct, frozen=True, kw_only=True):
    """One call of the child."""

    request: ModelCheck | ConfigCheck
    memory_limit: int
    """Bytes of private writable memory (RLIMIT_DATA)."""
    cpu_seconds: int
    parent: int
    """Pid of whoever waits. The child ends when that process has ended."""


class Problem(Struct, frozen=True):
    code: Code
    text: str


class Latency(Struct, frozen=True, kw_only=True):
    """Seconds per run over all golden rows, in a process that yields to the apps (nice 5)."""

    p50: float
    p95: float
    p99: float
    runs: int
    warm_ups: int
    rows: int
    """In one run."""
    stable: bool
    """False: time or runs were used up before two estimates of p95 agreed."""


class Memory(Struct, frozen=True, kw_only=True):
    """Bytes of RSS."""

    baseline: int
    """Runtime and golden vectors loaded, no model."""
    session: int = 0
    """Added by loading the model. Includes what it is the first to use of the runtime's code (about 8 MiB)."""
    peak: int = 0
    """Highest of all while loading and running, above the baseline."""


class Mismatch(Struct, frozen=True, kw_only=True):
    """The element that misses its tolerance most. Values as text: they may be integers, strings or NaN."""

    output: str
    index: tuple[int, ...]
    expected: str
    got: str
    tolerance: float
    elements: int
    """How many miss it, in all outputs."""


class OutputDisagreement(Struct, frozen=True, kw_only=True):
    output: str
    mean: float
    """Mean absolute difference over all finite elements; for strings the share that differs."""
    max: float
    beyond: float
    """Share of rows with an element that differs by more than the golden tolerance of the current model's value."""
    not_finite: float
    """Share of rows in which the new model gives NaN or infinity."""
    argmax: float | None = None
    """Share of rows whose greatest element is another one; for outputs [rows, classes] unlike any input in shape."""


class Disagreement(Struct, frozen=True, kw_only=True):
    """Both models over the recorded inputs. Only reported: however large, it fails no check.

    What does fail is a new model at which the child crashes, hangs or eats memory there.
    """

    rows: int = 0
    skipped: int = 0
    """Recorded samples that do not fit the inputs."""
    outputs: tuple[OutputDisagreement, ...] = ()
    note: str = ""
    """What kept it from being complete."""


class Verdict(Struct, frozen=True, kw_only=True):
    problems: tuple[Problem, ...] = ()
    stage: str = "begin"
    """How far it came: ``done``, or what was under way when the child ended."""
    network: Literal["", "cut", "open"] = ""
    """Whether the child could have reached a network, or a Unix socket such as Docker's."""
    seconds: float = 0.0
    """From the start of the child to its end."""
    noise: str = ""
    """The last of what the child's libraries printed."""

    @property
    def ok(self) -> bool:
        return not self.problems and self.stage == "done"


class ModelVerdict(Verdict, frozen=True, kw_only=True):
    runtime: str = ""
    """``onnxruntime 1.31.1``"""
    load_seconds: float | None = None
    latency: Latency | None = None
    memory: Memory | None = None
    mismatch: Mismatch | None = None
    disagreement: Disagreement | None = None
    """``None`` when no recorded inputs or no current model were named."""


class ConfigVerdict(Verdict, frozen=True, kw_only=True):
    pass
