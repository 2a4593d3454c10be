"""The README leads to everything there is: each verb, each page of docs/, in the checkout and where it is installed."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from edged.cli import VERBS

REPO = Path(__file__).resolve().parents[1]
TEXT = (REPO / "README.md").read_text()
PAGES = sorted(f"docs/{page.name}" for page in (REPO / "docs").glob("*.md"))


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_every_verb_is_in_it(verb: str) -> None:
    assert re.search(rf"\bedged {verb}\b", TEXT)


def test_it_links_every_page_and_none_that_is_not_there() -> None:
    assert sorted(set(re.findall(r"\]\(([^)]+)\)", TEXT))) == PAGES


def test_what_is_installed_has_the_pages_that_it_links(tmp_path: Path) -> None:
    """And what a release is made from is part of its name: a change of any of it is a new release."""
    script = f'PREFIX=/opt/edged LOCK=requirements/dev.txt; . scripts/lib/payload.sh; add_files "{tmp_path}"; sources'
    done = subprocess.run(["bash", "-euc", script], cwd=REPO, capture_output=True, timeout=30, check=True)
    doc = tmp_path / "share/doc/edged"
    assert [page for page in PAGES if not (doc / page).is_file()] == []
    assert {*PAGES, "scripts/weekly-health-check"} <= set(done.stdout.decode().split("\0"))
