"""A few of the hostile orders: ``scripts/fuzz command`` sends them by the hundred thousand."""

from __future__ import annotations

from tests.fuzz import command


def test_no_hostile_order_has_an_effect() -> None:
    figures = command.run(1500, 11)
    assert [(figure.name, figure.value) for figure in figures if not figure.met] == []
    assert len({figure.name for figure in figures}) == 7
