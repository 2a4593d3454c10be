"""What must be known about an ONNX file before any runtime touches it: a bounded walk over its protobuf.

Nothing is loaded: weights are stepped over, nested messages wait on an explicit stack, and the number of fields
and the depth are bounded, so a hostile file costs a little time and says why. Fields are known by number, as in
onnx.proto3; what a protobuf reader would skip is skipped here too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from msgspec import Struct

from .manifest import Port
from .refusal import BundleRefused

ReadAt = Callable[[int, int], bytes]
"""(offset, at most so many bytes) -> bytes."""

MOST_FIELDS = 3_000_000
"""A network of 20,000 nodes has some 400,000."""
DEEPEST = 100
_LONGEST_TEXT = 4096
_MOST_TEXT = 16 * 2**20
"""Bytes of all names that are kept."""
_MOST_INPUTS = 20_000
"""Old files repeat their weights among the inputs."""
_WINDOW = 64 * 1024

# message -> {field number: message behind it}
_CHILDREN: dict[str, dict[int, str]] = {
    "Model": {7: "Graph", 8: "Opset", 20: "Training", 25: "Function"},
    "Training": {1: "Graph", 2: "Graph"},
    "Graph": {1: "Node", 5: "Tensor", 15: "Sparse", 11: "Input", 12: "Output"},
    "Function": {7: "Node", 9: "Opset", 11: "Attribute"},
    "Node": {5: "Attribute"},
    "Attribute": {5: "Tensor", 6: "Graph", 10: "Tensor", 11: "Graph", 22: "Sparse", 23: "Sparse"},
    "Sparse": {1: "Tensor", 2: "Tensor"},
    "Tensor": {13: "External"},
}
_DTYPES = {
    1: "float32", 2: "uint8", 3: "int8", 4: "uint16", 5: "int16", 6: "int32", 7: "int64", 8: "string", 9: "bool",
    10: "float16", 11: "float64", 12: "uint32", 13: "uint64", 14: "complex64", 15: "complex128", 16: "bfloat16",
}  # fmt: skip


class OnnxFile(Struct, frozen=True):
    """What was found."""

    ir_version: int
    opset: int
    """Of the standard operators."""
    locations: tuple[str, ...]
    """Files that weights are read from, as written, each once."""
    inputs: tuple[Port, ...]
    """Without those that have their value in the file."""
    outputs: tuple[Port, ...]


def read(read_at: ReadAt, size: int) -> OnnxFile:
    """Walks a file of ``size`` bytes. Raises ``BundleRefused("malformed_model")``."""
    walk = _Walk(_Window(read_at), size)
    walk.run()
    if not walk.graphs or not walk.ir_version:
        raise _malformed("it holds no graph")
    if "" not in walk.opsets and "ai.onnx" not in walk.opsets:
        raise _malformed("it does not say which operators it needs")
    return OnnxFile(
        ir_version=walk.ir_version,
        opset=max(walk.opsets.get("", 0), walk.opsets.get("ai.onnx", 0)),
        locations=tuple(walk.locations),
        inputs=tuple(port for port in walk.inputs if port.name not in walk.initialised),
        outputs=tuple(walk.outputs),
    )


class _Window:
    """Small reads from a buffer: a field's head is a few bytes."""

    def __init__(self, read_at: ReadAt) -> None:
        self._read_at = read_at
        self._start = 0
        self._data = b""

    def bytes_at(self, offset: int, count: int) -> bytes:
        """Fewer than ``count`` (at most the window's size) only at the end of the file."""
        if not (self._start <= offset and offset + count <= self._start + len(self._data)):
            self._start, self._data = offset, self._read_at(offset, _WINDOW)
        begin = offset - self._start
        return self._data[begin : begin + count]


class _Walk:
    def __init__(self, window: _Window, size: int) -> None:
        self.window = window
        self.size = size
        self.fields = 0
        self.kept = 0
        self.graphs = 0
        self.ir_version = 0
        self.opsets: dict[str, int] = {}
        self.locations: dict[str, None] = {}
        self.initialised: set[str] = set()
        self.inputs: list[Port] = []
        self.outputs: list[Port] = []

    def run(self) -> None:
        # Generators, not lists of what is still to come: memory grows with the depth only.
        stack = [("Model", self.message(0, self.size))]
        while stack:
            if len(stack) > DEEPEST:
                raise _malformed(f"it is nested deeper than {DEEPEST} levels")
            kind, fields = stack[-1]
            for number, wire, value, length in fields:
                below = self.field(kind, number, wire, value, length, len(stack))
                if below:
                    stack.append((below, self.message(value, value + length)))
                    break
            else:
                stack.pop()

    def field(self, kind: str, number: int, wire: int, value: int, length: int, depth: int) -> str:
        """Takes what one field tells; returns the kind of message to walk through behind it, or nothing."""
        if kind == "Model" and number == 1 and wire == 0:
            self.ir_version = value
        child = _CHILDREN[kind].get(number, "") if wire == 2 else ""
        # The graph's own ports and weights, not those of a loop's body inside it.
        main = kind == "Graph" and depth == 2
        self.graphs += child == "Graph" and depth == 1
        if child == "Opset":
            self.opset(value, value + length)
        elif child == "External":
            self.external(value, value + length)
        elif main and child in ("Input", "Output"):
            self.port(child, value, value + length)
        elif main and child == "Tensor":
            self.initialised.add(self.text_field(value, value + length, 8))
        return child if child in _CHILDREN else ""

    def message(self, start: int, end: int) -> Iterator[tuple[int, int, int, int]]:
        """(field number, wire type, value or offset, length) of each field between two offsets."""
        at = start
        while at < end:
            self.fields += 1
            if self.fields > MOST_FIELDS:
                raise _malformed(f"it has more than {MOST_FIELDS} fields")
            tag, at = self.varint(at, end)
            number, wire = tag >> 3, tag & 7
            if number == 0:
                raise _malformed("it has a field without a number")
            if wire == 0:
                value, at = self.varint(at, end)
                yield number, wire, value, 0
                continue
            if wire == 2:
                length, at = self.varint(at, end)
            elif wire in (1, 5):
                length = 8 if wire == 1 else 4
            else:
                raise _malformed("it holds a group or an unknown wire type")
            if length > end - at:
                raise _malformed("a field reaches beyond its end")
            yield number, wire, at, length
            at += length

    def varint(self, at: int, end: int) -> tuple[int, int]:
        data = self.window.bytes_at(at, min(10, end - at))
        value = 0
        for index, byte in enumerate(data):
            value |= (byte & 0x7F) << (7 * index)
            if byte < 0x80:
                return value & (2**64 - 1), at + index + 1
        raise _malformed("a number does not end")

    def text(self, at: int, length: int) -> str:
        self.kept += length + 100
        if length > _LONGEST_TEXT or self.kept > _MOST_TEXT:
            raise _malformed("a name is too long, or there are too many")
        data = self.window.bytes_at(at, length)
        if len(data) != length:
            raise _malformed("it ends early")
        try:
            return data.decode()
        except UnicodeDecodeError:
            raise _malformed("a name is not UTF-8") from None

    def text_field(self, start: int, end: int, wanted: int) -> str:
        """The text of a field: of its last occurrence, as protobuf has it."""
        found = ""
        for number, wire, value, length in self.message(start, end):
            if number == wanted and wire == 2:
                found = self.text(value, length)
        return found

    def opset(self, start: int, end: int) -> None:
        domain, version = "", 0
        for number, wire, value, length in self.message(start, end):
            if number == 1 and wire == 2:
                domain = self.text(value, length)
            elif number == 2 and wire == 0:
                version = value
        if domain in ("", "ai.onnx"):
            self.opsets[domain] = max(version, self.opsets.get(domain, 0))

    def external(self, start: int, end: int) -> None:
        """One key and value of a tensor's external data. A key given twice counts as either."""
        keys, values = set(), []
        for number, wire, value, length in self.message(start, end):
            if number == 1 and wire == 2:
                keys.add(self.text(value, length) if length <= 64 else "")
            elif number == 2 and wire == 2:
                values.append((value, length))
        if "location" in keys:
            self.locations.update((self.text(*value), None) for value in values or [(start, 0)])

    def port(self, direction: str, start: int, end: int) -> None:
        name, dtype = "", "unknown"
        shape: list[int | str | None] = []
        for number, wire, value, length in self.message(start, end):
            if number == 1 and wire == 2:
                name = self.text(value, length)
            elif number == 2 and wire == 2:
                for kind, kind_wire, inner, inner_length in self.message(value, value + length):
                    if kind == 1 and kind_wire == 2:
                        dtype, shape = self.tensor_type(inner, inner + inner_length)
        ports = self.inputs if direction == "Input" else self.outputs
        ports.append(Port(name=name, dtype=dtype, shape=tuple(shape)))
        if len(ports) > _MOST_INPUTS:
            raise _malformed("it has too many inputs or outputs")

    def tensor_type(self, start: int, end: int) -> tuple[str, list[int | str | None]]:
        dtype = "unknown"
        shape: list[int | str | None] = []
        for number, wire, value, length in self.message(start, end):
            if number == 1 and wire == 0:
                dtype = _DTYPES.get(value, "unknown")
            elif number == 2 and wire == 2:
                for dim, dim_wire, inner, inner_length in self.message(value, value + length):
                    if dim == 1 and dim_wire == 2:
                        shape.append(self.dimension(inner, inner + inner_length))
                    if len(shape) > 32:
                        raise _malformed("an input or output has too many dimensions")
        return dtype, shape

    def dimension(self, start: int, end: int) -> int | str | None:
        found: int | str | None = None
        for number, wire, value, length in self.message(start, end):
            if number == 1 and wire == 0:
                found = value if value < 2**53 else None
            elif number == 2 and wire == 2:
                found = self.text(value, length) or None
        return found


def _malformed(why: str) -> BundleRefused:
    return BundleRefused("malformed_model", f"the model is no ONNX file: {why}")
