"""A few of the kill matrix's many points: ``scripts/kill-matrix`` takes all of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fixtures.demand import demand
from tests.fixtures.engine import Engine
from tests.killmatrix import orders
from tests.killmatrix.matrix import Case, Matrix, Result, Story
from tests.killmatrix.power import missing

pytestmark = pytest.mark.engine

FEW: list[tuple[str, Story, str]] = [
    ("model/mount", "good", "reloading/act.RestartContainer:before"),
    ("config/copy", "bad", "reverting/act.SignalContainer:after"),
]
CUT: list[tuple[str, Story, str]] = [("model/copy", "bad", "rolled_back/journal.end.TidyArtifacts:after")]


def survived(engine: Engine, folder: Path, few: list[tuple[str, Story, str]], power: bool) -> list[Result]:
    results = Matrix(engine, folder, power).run([Case(*one) for one in few], 3, lambda _: None)
    assert {result.case.point for result in results} == {point for _, _, point in few}
    assert not [result for result in results if result.wrong]
    return results


def test_killed_in_the_middle(engine: Engine, tmp_path: Path) -> None:
    ends = {result.case.setting: result.end for result in survived(engine, tmp_path, FEW, False)}
    assert ends == {"model/mount": "committed", "config/copy": "rolled_back"}


def test_the_power_goes_in_the_middle(engine: Engine, tmp_path: Path) -> None:
    demand(missing())
    survived(engine, tmp_path, CUT, True)


@pytest.mark.broker
def test_killed_on_the_way_of_an_order(engine: Engine, tmp_path: Path) -> None:
    figures = orders.run(engine, tmp_path / "site", 2, 1)
    assert [figure.name for figure in figures if not figure.met] == [] and figures[1].samples == 2
