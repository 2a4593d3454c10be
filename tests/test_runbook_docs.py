"""docs/runbook-steps.md tells of every step and every word, with the times and verifications that are true."""

from __future__ import annotations

import re
from pathlib import Path

from edged.config import format_duration
from edged.config.runbooks import KINDS, WORDS

TEXT = (Path(__file__).resolve().parents[1] / "docs" / "runbook-steps.md").read_text()
ROWS = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in TEXT.splitlines() if line.startswith("| ")]


def test_every_step_is_in_the_table_as_it_is() -> None:
    shown = {row[0]: row for row in ROWS if len(row) == 5 and row[0] != "step"}
    assert shown.keys() == KINDS.keys()
    for name, kind in KINDS.items():
        _, _, seconds, verified, about = shown[name]
        assert seconds == (format_duration(kind.timeout) if kind.timeout else "-"), name
        assert verified == (", ".join(kind.verify) if kind.timeout else "-"), name
        assert about == ("all" if len(kind.about) > 1 else "the engine" if kind.about == ("engine",) else "apps"), name


def test_every_word_is_explained_as_in_the_code() -> None:
    shown = {row[0]: row[1].replace("`", "") for row in ROWS if len(row) == 2 and row[0] != "word"}
    assert shown == WORDS


def test_the_example_is_in_order(tmp_path: Path) -> None:
    from edged.config import load

    found = re.search(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
    assert found is not None
    file = tmp_path / "edged.yaml"
    file.write_text(found[1])
    assert set(load(file, {}, "box").config.runbooks) == {"AppDown/detector", "HighErrorRate"}
