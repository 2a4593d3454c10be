"""Trying a slot's content in a process of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from ...modelcheck.types import Budgets, ConfigCheck, Disagreement, Golden, ModelCheck, Port, Verdict
from ...ports import ArtifactError, ModelRuntime
from .content import Content

_MIB = 2**20
_SLOWEST = 60.0
_LARGEST = 2**40
"""What stands for no budget."""


def check(
    runtime: ModelRuntime,
    slot: Path,
    content: Content,
    schema: str,
    current: Path | None,
    timeout: float,
    recorded: tuple[Path | None, str] = (None, ""),
) -> dict[str, Any]:
    """Returns what was measured. Raises ``ArtifactError`` with the first problem's code.

    ``recorded``: inputs to compare it with ``current`` over, or why there are none; without both nothing is compared.
    """
    samples, why = recorded
    main = next((item for item in content.items if item.path == content.main), None)
    if main is None or (content.bundle is None and not schema):
        return {"skipped": "it was in the container before edged's time, and ran there"}
    cpu = max(1, int(timeout))
    verdict: Verdict
    if content.bundle is None or content.bundle.model is None:
        config = ConfigCheck(file=str(slot / main.stored), schema=schema)
        verdict = runtime.check_config(config, timeout=timeout, memory_limit=256 * _MIB, cpu_seconds=cpu)
    else:
        model = model_check(slot, content, current, samples)
        budget = content.bundle.model.budgets.memory_bytes
        # Enough to be able to tell by how much a budget is missed.
        limit = 256 * _MIB + (2 * budget if budget is not None else 16 * main.size)
        verdict = runtime.check_model(model, timeout=timeout, memory_limit=limit, cpu_seconds=cpu)
    if not verdict.ok:
        first = verdict.problems[0] if verdict.problems else None
        code = first.code if first is not None else "hung"
        told = "; ".join(problem.text for problem in verdict.problems) or f"it ended at {verdict.stage}"
        raise ArtifactError(code, told)
    measured: dict[str, Any] = msgspec.to_builtins(verdict)
    if samples is not None and current is None:
        why = "there is no model in place that it could be compared with"
    if why and measured.get("disagreement") is None:
        measured["disagreement"] = msgspec.to_builtins(Disagreement(note=why))
    return {key: value for key, value in measured.items() if value is not None and key not in ("problems", "noise")}


def model_check(slot: Path, content: Content, current: Path | None, recorded: Path | None = None) -> ModelCheck:
    model = content.bundle.model if content.bundle is not None else None
    if model is None:
        raise ValueError("not a model")
    golden = model.golden
    return ModelCheck(
        model=str(slot / model.file),
        inputs=tuple(_port(port.name, port.dtype, port.shape) for port in model.inputs),
        outputs=tuple(_port(port.name, port.dtype, port.shape) for port in model.outputs),
        golden=Golden(
            file=str(slot / golden.file) if golden is not None else "",
            rtol=golden.rtol if golden is not None else 0.0,
            atol=golden.atol if golden is not None else 0.0,
        ),
        budgets=Budgets(
            p95=_SLOWEST if model.budgets.p95_seconds is None else model.budgets.p95_seconds,
            memory=_LARGEST if model.budgets.memory_bytes is None else model.budgets.memory_bytes,
        ),
        current=str(current) if current is not None else "",
        recorded=str(recorded) if recorded is not None else "",
    )


def _port(name: str, dtype: str, shape: tuple[int | str | None, ...]) -> Port:
    free = (f"free{index}" if length is None else length for index, length in enumerate(shape))
    return Port(name=name, dtype=dtype, shape=tuple(free))
