"""All checks of a model, in order. Later ones still run when an earlier one failed, as long as they make sense."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

from msgspec import structs

from . import golden, latency, memory, signature
from .disagreement import disagree
from .runtime import ERRORS, VERSION, Arrays, Session, problem
from .types import Code, Memory, ModelCheck, ModelVerdict, Problem

Tell = Callable[[ModelVerdict], None]

T = TypeVar("T")

_MOST, _LONGEST = 20, 500


def check_model(request: ModelCheck, tell: Tell) -> None:
    """Tells a verdict before each stage, and the last one with the stage ``done``."""
    _Check(request, tell).all()


class _Check:
    def __init__(self, request: ModelCheck, tell: Tell) -> None:
        self._request = request
        self._tell = tell
        self._verdict = ModelVerdict(runtime=VERSION)
        self._inputs: Arrays = {}
        self._wanted: Arrays = {}

    def all(self) -> None:
        self._enter("golden")
        self._read_golden()
        memory.forget_peak()
        self._note(memory=Memory(baseline=memory.resident()))
        self._enter("load")
        began = time.perf_counter()
        if session := self._load(self._request.model):
            self._note(load_seconds=time.perf_counter() - began)
            self._measure_memory(session=True)
            self._enter("signature")
            fits = self._signature(session)
            if fits and self._inputs and self._golden(session):
                self._latency(session)
                self._memory_budget()
                self._compare(session)
        self._enter("done")

    def _read_golden(self) -> None:
        inputs, outputs = self._request.inputs, self._request.outputs
        if not self._request.golden.file:
            # Nobody says what it should answer: that it answers, how fast and with how much memory is still seen.
            self._inputs = signature.made_up(inputs)
            return
        names = [port.name for port in (*inputs, *outputs)]
        try:
            found = golden.load(self._request.golden.file, names)
        except golden.READ_ERRORS as error:
            self._fail(Problem("golden_missing", f"the golden vectors cannot be read: {str(error)[:200]}"))
            return
        except MemoryError as error:
            self._fail(problem(error, "golden_missing"))
            return
        odd = list(signature.arrays((*inputs, *outputs), found))
        odd += [f"{name!r} holds values that are not finite" for name in names if not odd and _odd(found[name])]
        if odd or not inputs or not outputs:
            self._fail(Problem("golden_missing", "the golden vectors do not fit: " + "; ".join(odd[:5] or ["none"])))
            return
        self._inputs = {port.name: found[port.name] for port in inputs}
        self._wanted = {port.name: found[port.name] for port in outputs}

    def _load(self, model: str) -> Session | None:
        return self._try("load", lambda: Session(model, self._request.threads))

    def _signature(self, session: Session) -> bool:
        request = self._request
        wrong = [
            *signature.ports("inputs", request.inputs, session.inputs),
            *signature.ports("outputs", request.outputs, session.outputs),
        ]
        self._fail(*wrong)
        return not wrong

    def _golden(self, session: Session) -> bool:
        """False: the model cannot be run. What is made up may be refused rightly: that says nothing against it."""
        self._enter("run")
        try:
            got = session.run(self._inputs)
        except ERRORS as error:
            if self._wanted:
                self._fail(problem(error, "run"))
            return False
        odd = list(signature.arrays(self._request.outputs, got))
        for name, want in self._wanted.items():
            if not odd and got[name].shape != want.shape:
                shapes = f"{signature.show(got[name].shape)}, the golden one {signature.show(want.shape)}"
                odd.append(f"{name!r} has the shape {shapes}")
        if odd:
            self._fail(*(Problem("outputs", f"in the golden run {text}") for text in odd))
            return True
        if not self._wanted:
            return True
        self._fail(*golden.not_finite(got))
        mismatch = golden.compare(got, self._wanted, self._request.golden.rtol, self._request.golden.atol)
        if mismatch is not None:
            self._note(mismatch=mismatch)
            self._fail(golden.describe(mismatch))
        return True

    def _latency(self, session: Session) -> None:
        self._measure_memory()
        self._enter("latency")
        rows = next((array.shape[0] for array in self._inputs.values() if array.shape), 1)
        found = self._try(
            "run",
            lambda: latency.measure(
                lambda: session.run(self._inputs),
                rows=rows,
                seconds=self._request.latency_seconds,
                clock=time.perf_counter,
            ),
        )
        budget = self._request.budgets.p95
        if found is not None:
            self._note(latency=found)
            if found.p95 > budget:
                text = f"p95 is {found.p95 * 1e3:.3g} ms over {found.runs} runs of {rows} rows"
                self._fail(Problem("latency", f"{text}, the budget is {budget * 1e3:.3g} ms"))

    def _memory_budget(self) -> None:
        measured = self._measure_memory()
        budget = self._request.budgets.memory
        if measured.peak > budget:
            text = f"loading and running takes {_mib(measured.peak)} at its peak, the budget is {_mib(budget)}"
            self._fail(Problem("memory", text))

    def _compare(self, session: Session) -> None:
        if self._request.recorded and self._request.current:
            self._note(disagreement=disagree(self._request, session, time.perf_counter, self._enter))

    def _measure_memory(self, *, session: bool = False) -> Memory:
        """``session``: nothing but the model came in since the baseline."""
        before = self._verdict.memory or Memory(baseline=memory.resident())
        now = structs.replace(before, peak=max(memory.peak() - before.baseline, 0))
        if session:
            now = structs.replace(now, session=max(memory.resident() - before.baseline, 0))
        self._note(memory=now)
        return now

    def _try(self, code: Code, call: Callable[[], T]) -> T | None:
        try:
            return call()
        except ERRORS as error:
            self._fail(problem(error, code))
            return None

    def _fail(self, *problems: Problem) -> None:
        short = (structs.replace(problem, text=problem.text[:_LONGEST]) for problem in problems)
        self._note(problems=(*self._verdict.problems, *short)[:_MOST])

    def _note(self, **figures: Any) -> None:
        self._verdict = structs.replace(self._verdict, **figures)

    def _enter(self, stage: str) -> None:
        self._note(stage=stage)
        self._tell(self._verdict)


def _odd(array: Any) -> bool:
    return bool(array.dtype.kind == "f" and not abs(array).max(initial=0) < float("inf"))


def _mib(size: int) -> str:
    return f"{size / 2**20:.0f} MiB"
