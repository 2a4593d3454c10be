"""Many tests at once."""

from __future__ import annotations

from collections.abc import Sequence


def benjamini_hochberg(p: Sequence[float], level: float) -> tuple[bool, ...]:
    """Which of the tests are rejected so that, of the rejected, the expected share of wrong ones is ``level`` at most.

    Benjamini and Hochberg (1995), Controlling the false discovery rate, J. R. Stat. Soc. B 57:289-300.
    """
    order = sorted(range(len(p)), key=p.__getitem__)
    passed = [rank for rank, index in enumerate(order, 1) if p[index] <= level * rank / len(p)]
    chosen = set(order[: passed[-1]]) if passed else set()
    return tuple(index in chosen for index in range(len(p)))
