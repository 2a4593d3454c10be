"""``docs/runbooks.md``: every command, option, alert, key, drill and test that it names exists."""

from __future__ import annotations

import argparse
import ast
import importlib
import re
from functools import cache
from pathlib import Path

import pytest

from edged.cli import VERBS
from edged.config import keys
from edged.vocabulary.drills import KINDS

REPO = Path(__file__).resolve().parents[1]
TEXT = (REPO / "docs" / "runbooks.md").read_text()
ROWS = [
    [cell.strip() for cell in line.strip("|").split(" | ")]
    for line in TEXT.splitlines()
    if line.startswith("| ") and not line.startswith("| on the page")
]
PROOFS = sorted(set(re.findall(r"`(tests/[^`]+::[^`]+)`", TEXT)))
COMMANDS = sorted(set(re.findall(r"`(edged [^`]+)`", TEXT)))
LEAST = 30


@cache
def functions(path: Path) -> frozenset[str]:
    return frozenset(node.name for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef))


def test_it_has_all_of_it() -> None:
    assert len(ROWS) >= LEAST
    assert re.findall(r"^## (.+)$", TEXT, re.MULTILINE) == [
        "Detect", "Classify", "Act, in order, then verify", "Change safely", "Review",
    ]  # fmt: skip


@pytest.mark.parametrize("row", ROWS, ids=lambda row: re.sub(r"\W+", "-", row[0])[:40])
def test_every_line_has_something_to_see_and_a_proof(row: list[str]) -> None:
    what, shown, proof = row
    assert what and re.search(r"`|alert", shown)
    assert re.search(r"`tests/system/[^`]+::|`edged drill ", proof), f"{what}: only simulated"


@pytest.mark.parametrize("name", PROOFS)
def test_every_test_exists(name: str) -> None:
    path, _, function = name.partition("::")
    assert function in functions(REPO / path)
    if path.startswith("tests/system/"):
        assert re.search(r"^pytestmark = .*\.engine\b", (REPO / path).read_text(), re.MULTILINE), "no real engine"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_exists_with_its_options(command: str) -> None:
    words = command.split()
    assert words[1] in VERBS, f"there is no verb {words[1]}"
    parser = argparse.ArgumentParser(prog=words[1])
    importlib.import_module(f"edged.cli.{VERBS[words[1]][0]}").arguments(parser, words[1])
    known = parser.format_help() + parser.format_usage()
    for option in [word for word in words[2:] if word.startswith("--")]:
        assert re.search(rf"{option}\b", known), f"{command}: {words[1]} has no {option}"
    if words[1] == "drill" and len(words) > 2:
        assert words[3] in KINDS


def test_every_script_exists() -> None:
    named = re.findall(r"`scripts/([a-z-]+)`", TEXT)
    assert named and all((REPO / "scripts" / name).stat().st_mode & 0o111 for name in named)


def test_every_alert_is_documented() -> None:
    documented = set(re.findall(r"^\| ([A-Z][A-Za-z]+) \|", (REPO / "docs" / "alerts.md").read_text(), re.MULTILINE))
    named = {
        name
        for row in ROWS
        for told in re.findall(r"alerts? ([A-Z][A-Za-z, ]+?)(?=;|$| \|)", row[1])
        for name in told.split(", ")
    }
    assert len(named) > 20 and named <= documented, named - documented


def test_every_key_exists() -> None:
    known = {re.sub(r"\.\*(?=\.|$)", "", key.dotted).removeprefix("apps.") for key in keys()}
    named = {
        name
        for row in ROWS
        for told in re.findall(r"keys? (`[^;]+)", row[1])
        for name in re.findall(r"`([^`]+)`", told)
    }
    assert len(named) > 15 and named <= known, named - known
