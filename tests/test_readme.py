"""The README leads to everything there is, in the checkout and where it is installed; what the pages name exists."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import get_args

import pytest

from edged.cli import VERBS
from edged.config import keys, load
from edged.judge.commands import COMMANDS
from edged.vocabulary.events import AnyEvent

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


NAMES = {".".join(part for part in key.path if part != "*") for key in keys()}
ENDS = {".".join(parts[at:]) for name in NAMES for parts in [name.split(".")] for at in range(len(parts))}
KNOWN = ENDS | COMMANDS.keys() | {event.type for event in get_args(AnyEvent)}
FREE = {"docker.io", "bearing.left", "probe.failed", "edged.db.reserve"}
"""A package, a feature of somebody's, a line of the history, a file."""
FILES = r"(yaml|yml|json|md|py|db|sock|socket|service|timer|key|token|pem|conf|acl|csv|ndjson|onnx|npz|tar|password)"


@pytest.mark.parametrize("page", ["README.md", "ARCHITECTURE.md", *PAGES])
def test_what_a_page_names_is_there(page: str) -> None:
    text = (REPO / page).read_text()
    links = [link.partition("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link]
    assert [link for link in links if link and not (REPO / page).parent.joinpath(link).is_file()] == []
    paths = re.findall(r"(?<![\w/.~])((?:docs|config|scripts|models|packaging|systemd|tests)/[\w./-]*\w)", text)
    assert [path for path in paths if not any(REPO.glob(f"{path}*"))] == []
    dotted = set(re.findall(r"`((?:[a-z_]+\.)+[a-z_]+)`", text)) - KNOWN - FREE
    assert [name for name in dotted if not re.search(rf"\.{FILES}$", name)] == []


@pytest.mark.parametrize("page", ["README.md", *PAGES])
def test_its_examples_of_configurations_are_in_order(page: str, tmp_path: Path) -> None:
    for number, example in enumerate(re.findall(r"^```yaml\n(.*?)^```", (REPO / page).read_text(), re.M | re.S)):
        if not example.startswith("scrape_configs:"):  # that one is Prometheus's own
            (file := tmp_path / f"{number}.yaml").write_text(example)
            assert load(file, {}, "box").config
