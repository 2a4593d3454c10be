"""docs/commands.md tells of every type with its role, and of every code with which an order is refused."""

from __future__ import annotations

import base64
import re

from edged.adapters import ed25519
from edged.bundles.dsse import COMMAND_TYPE, pae
from edged.judge.admission import UNKEPT
from edged.judge.commands import COMMANDS
from tests.fixtures.engine import REPO

TEXT = (REPO / "docs/commands.md").read_text()


def test_every_type_is_in_it_with_its_role() -> None:
    rows = re.findall(r"^\| (viewer|operator|deployer|admin) \| (.+) \|$", TEXT, re.MULTILINE)
    found = {name: role for role, types in rows for name in re.findall(r"`([a-z.]+)`", types)}
    assert found == {name: command.role for name, command in COMMANDS.items()}


def test_every_refusal_is_in_it() -> None:
    rows = re.findall(r"^\| (`[a-z_` ]+`) \|", TEXT, re.MULTILINE)
    listed = {code for row in rows for code in re.findall(r"[a-z_]+", row)}
    assert UNKEPT | {"expired", "unknown_type", "bad_arguments", "unknown_app", "last_admin"} <= listed


def test_the_example_of_a_signature_is_right() -> None:
    order = re.findall(r'^\{"id":.+\}$', TEXT, re.MULTILINE)[0].encode()
    seed = bytes([1]) * 32
    signature = base64.b64encode(ed25519.sign(seed, pae(COMMAND_TYPE, order))).decode()
    assert len(order) == 171 and f"`{signature}`" in TEXT
    assert base64.b64encode(ed25519.public_of(seed)).decode() in TEXT
