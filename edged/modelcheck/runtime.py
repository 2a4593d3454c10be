"""onnxruntime, as far as the check needs it."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as native

from .types import Code, Port, Problem

Arrays = dict[str, NDArray[Any]]

VERSION = f"onnxruntime {onnxruntime.__version__}"
# Its exceptions have no base of their own.
ERRORS: tuple[type[Exception], ...] = (
    RuntimeError,
    ValueError,
    MemoryError,
    *(kind for kind in vars(native).values() if isinstance(kind, type) and issubclass(kind, Exception)),
)
_DTYPES = {
    "tensor(float)": "float32",
    "tensor(double)": "float64",
    "tensor(float16)": "float16",
    "tensor(bool)": "bool",
    "tensor(string)": "string",
    **{f"tensor({sign}int{bits})": f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)},
}
_NO_MEMORY = re.compile(r"bad_?.?alloc|allocate memory|failed to allocate|out of memory", re.IGNORECASE)
_TOO_NEW = re.compile(
    r"unsupported model ir version|opset \S+ is under development|officially released onnx opset", re.I
)
# File, line and signature in its own source.
_SOURCES = re.compile(r"/onnxruntime_src/\S+ [^()]*\([^()]*\) ")
_LONGEST = 240


class Session:
    """A loaded model."""

    def __init__(self, model: str, threads: int) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # Threads that spin would take the CPU from the apps that are at work meanwhile.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self.inputs = tuple(_port(node) for node in self._session.get_inputs())
        self.outputs = tuple(_port(node) for node in self._session.get_outputs())

    def run(self, inputs: Arrays) -> Arrays:
        """All outputs by name. What is no tensor becomes an array of objects."""
        names = [port.name for port in self.outputs]
        given = {port.name: inputs[port.name] for port in self.inputs}
        return {name: np.asarray(got) for name, got in zip(names, self._session.run(names, given), strict=True)}


def problem(error: BaseException, otherwise: Code) -> Problem:
    """What an error of the runtime means, on one short line."""
    text = "".join(c for c in " ".join(str(error).split()) if c.isprintable()) or type(error).__name__
    short = _SOURCES.sub("", re.sub(r"^\[ONNXRuntimeError\] : \d+ : (\w+) : ", r"\1: ", text))[:_LONGEST]
    if isinstance(error, MemoryError) or _NO_MEMORY.search(text):
        return Problem("killed_for_memory", f"the check's memory limit was reached: {short}")
    return Problem("unsupported_opset" if _TOO_NEW.search(text) else otherwise, short)


def _port(node: Any) -> Port:
    # A dimension without a name is free as well; the runtime gives None for it.
    shape = tuple(size if isinstance(size, int) else str(size or "?") for size in node.shape or ())
    return Port(name=node.name, dtype=_DTYPES.get(node.type, node.type), shape=shape)
