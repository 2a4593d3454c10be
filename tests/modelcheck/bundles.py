"""Small models made for one test each, with golden vectors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from onnx import ModelProto, checker, numpy_helper, parser, save_model

from edged.modelcheck.types import Budgets, Golden, ModelCheck, Port

HEAD = '<ir_version: 8, opset_import: ["": 17]>'
ROWS = 4
MIB = 2**20
X = np.arange(ROWS * 3, dtype=np.float32).reshape(ROWS, 3)
DOUBLE = "agraph (float[batch, 3] x) => (float[batch, 3] y) { two = Constant<value_float = 2.0>() y = Mul(x, two) }"
# Turns for ever, without memory.
ENDLESS = """agraph (float[batch, 3] x) => (float[batch, 3] y) {
    most = Constant<value = int64 {9223372036854775807}>()
    go = Constant<value = bool {1}>()
    y = Loop(most, go, x) <body = turn (int64 i, bool again, float[batch, 3] have)
        => (bool more, float[batch, 3] next) {
        more = Identity(again)
        next = Sin(have)
    }>
}"""


def model(text: str) -> ModelProto:
    return parser.parse_model(f"{HEAD} {text}")


def filled(shape: str, result: str = "y = Add(x, most)") -> str:
    """A graph that makes a float tensor of this size only when it runs: the size hangs on the input."""
    return f"""agraph (float[batch, 3] x) => (float[batch, 3] y) {{
        size = Constant<value = int64[2] {{{shape}}}>()
        zero = Constant<value_float = 0.0>()
        first = ReduceMax<keepdims = 0>(x)
        nothing = Mul(first, zero)
        large = Expand(nothing, size)
        most = ReduceMax<keepdims = 0>(large)
        {result}
    }}"""


def slow(size: int) -> str:
    """Multiplies square matrices of this size, ten times."""
    steps = "\n".join(f"m{i + 1} = MatMul(m{i}, m{i})" for i in range(10))
    return f"""agraph (float[batch, 3] x) => (float[batch, 3] y) {{
        size = Constant<value = int64[2] {{{size}, {size}}}>()
        zero = Constant<value_float = 0.0>()
        first = ReduceMax<keepdims = 0>(x)
        nothing = Mul(first, zero)
        m0 = Expand(nothing, size)
        {steps}
        most = ReduceMax<keepdims = 0>(m10)
        y = Add(x, most)
    }}"""


def bundle(
    folder: Path,
    graph: str | ModelProto = DOUBLE,
    *,
    inputs: tuple[Port, ...] = (Port(name="x", dtype="float32", shape=("batch", 3)),),
    outputs: tuple[Port, ...] = (Port(name="y", dtype="float32", shape=("batch", 3)),),
    arrays: dict[str, Any] | None = None,
    p95: float = 30.0,
    memory: int = 4096 * MIB,
    **more: Any,
) -> ModelCheck:
    """Writes model and golden vectors; says that y is twice x, unless told otherwise. Nothing is measured for long."""
    made = model(graph) if isinstance(graph, str) else graph
    checker.check_model(made)
    save_model(made, folder / "model.onnx")
    values = {"x": X, "y": X * 2} if arrays is None else arrays
    np.savez(folder / "golden.npz", **values)
    return ModelCheck(
        model=str(folder / "model.onnx"),
        inputs=inputs,
        outputs=outputs,
        golden=Golden(file=str(folder / "golden.npz"), rtol=1e-4, atol=1e-5),
        budgets=Budgets(p95=p95, memory=memory),
        **{"latency_seconds": 0.2, **more},
    )


def sized(result: str) -> str:
    """A graph with one dimension, ``size``, that the input's values decide: 11 for ``X``."""
    return f"""agraph (float[batch, 3] x) => (float[n] y) {{
        zero = Constant<value_float = 0.0>()
        one = Constant<value = int64[1] {{0}}>()
        largest = ReduceMax<keepdims = 0>(x)
        whole = Cast<to = 7>(largest)
        size = Unsqueeze(whole, one)
        {result}
    }}"""


def weighted(value: float, elements: int) -> ModelProto:
    """y = x + w[0], with this many weights, which the runtime cannot fold away."""
    made = model(
        """agraph (float[batch, 3] x) => (float[batch, 3] y) {
            smallest = ReduceMin<keepdims = 0>(x)
            at = Cast<to = 7>(smallest)
            weight = Gather(w, at)
            y = Add(x, weight)
        }"""
    )
    made.graph.initializer.append(numpy_helper.from_array(np.full(elements, value, np.float32), "w"))
    return made
