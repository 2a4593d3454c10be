"""The section ``drills``, and an app's own word on it."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from edged.config import Config, ConfigError, load
from edged.config.drills import Kind
from edged.vocabulary.drills import KINDS, DrillKind


def loaded(folder: Path, text: str) -> Config:
    file = folder / "edged.yaml"
    file.write_text(text)
    return load(file, {}, hostname="box").config


def test_a_schedule_and_an_app_that_is_left_out(tmp_path: Path) -> None:
    config = loaded(tmp_path, "drills: {every: 30d, kinds: [kill, bad-model]}\napps: {press: {drills: false}}\n")
    assert config.drills.every == 30 * 86400.0 and config.drills.kinds == ("kill", "bad-model")
    assert not config.apps["press"].drills


@pytest.mark.parametrize(
    ("section", "why"),
    [
        ("{every: 10s}", "at least 1m"),
        ("{kinds: [kil]}", "did you mean kill"),
        ("{kinds: []}", "at least one kind"),
        ("{kinds: [kill, kill]}", "none twice"),
        ("{window: 2-4}", "02:00-04:00"),
        ("{window: '02:00-02:00'}", "begins when it ends"),
    ],
)
def test_what_makes_no_sense_is_refused(tmp_path: Path, section: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        loaded(tmp_path, f"drills: {section}\n")


def test_the_kinds_are_the_same_everywhere() -> None:
    assert Kind == DrillKind and set(KINDS) == set(get_args(Kind))
