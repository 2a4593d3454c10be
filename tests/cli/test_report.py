"""What scripts go by: the exit code of ``edged report`` is a verdict, or it is clear that there is none."""

from __future__ import annotations

import os
import subprocess
from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edged.cli import REFUSED, UNREACHABLE, Failure
from edged.cli.report import arguments, publish

from ..fixtures.engine import REPO

MADE = {"verdict": "ok", "seconds": 60.0, "findings": []}


def test_json_is_asked_for_as_with_every_verb() -> None:
    parser = ArgumentParser()
    arguments(parser, "report")
    formats = [parser.parse_args(given).format for given in ([], ["--json"], ["--format", "html"])]
    assert formats == ["text", "json", "html"]


@pytest.mark.parametrize(
    ("answers", "code"),
    [
        ([], UNREACHABLE),
        ([{"status": "rejected", "message": "no"}], REFUSED),
        ([{"status": "failed", "message": "no result within 300 s"}], UNREACHABLE),
    ],
)
def test_a_verdict_that_is_not_told_is_no_verdict(
    answers: list[dict[str, Any]], code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def command(*_: object) -> Iterator[dict[str, Any]]:
        yield from answers

    monkeypatch.setattr("edged.cli.report.command", command)
    with pytest.raises(Failure, match="the verdict was not told") as raised:
        publish(None, MADE)
    assert raised.value.code == code


@pytest.mark.parametrize(
    ("said", "code", "ends", "kept"),
    [
        ("all of it", 0, 0, 3),
        ("all of it", 1, 1, 3),
        ("", 1, 5, 0),  # not made: no "attention"
        ("", 4, 4, 0),
        ("all of it", 3, 5, 3),  # made, and not told
    ],
)
def test_the_weekly_check_tells_a_verdict_from_a_report_that_is_not_there(
    said: str, code: int, ends: int, kept: int, tmp_path: Path
) -> None:
    fake, folder = tmp_path / "edged", tmp_path / "reports"
    fake.write_text(
        f"#!/bin/sh\nwhile [ $# -gt 0 ]; do [ $1 = -o ] && echo x > $2; shift; done\nprintf '{said}'\nexit {code}\n"
    )
    fake.chmod(0o755)
    done = subprocess.run(
        [str(REPO / "scripts/weekly-health-check"), "--to", str(folder)],
        capture_output=True, text=True, timeout=60, check=False, env=os.environ | {"EDGED": str(fake)},
    )  # fmt: skip
    assert (done.returncode, said in done.stdout) == (ends, True), done.stdout + done.stderr
    assert len(list(folder.glob("*"))) == kept
