"""scripts/pki: what it makes, what it refuses, and that it says what it is for."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from .conftest import Fleet
from .lab import FOLDER, PKI, Authority, pki

BAD_NAMES = (
    "",
    "a/b",
    "a+b",
    "#",
    "+",
    "a#",
    "a b",
    "a.b",
    "console.anna",
    "größe",
    "a\nb",
    "../a",
    "-a",
    "a" * 65,
    "$SYS",
)


def shown(certificate: str, *what: str) -> str:
    done = subprocess.run(
        ["openssl", "x509", "-noout", "-in", certificate, *what], capture_output=True, text=True, timeout=30, check=True
    )
    return done.stdout


def test_keys_are_private_and_certificates_say_what_for(fleet: Fleet) -> None:
    folder = fleet.authority.folder
    keys = sorted(folder.rglob("*.key"))
    assert len(keys) >= 6 and all(key.stat().st_mode & 0o777 == 0o600 for key in keys)
    assert folder.stat().st_mode & 0o777 == 0o700 and not list(folder.rglob(".new*"))
    for papers, name, use in (
        (fleet.press_7, "press-7", "TLS Web Client Authentication"),
        (fleet.anna, "console.anna", "TLS Web Client Authentication"),
        (fleet.server, "localhost", "TLS Web Server Authentication"),
    ):
        assert shown(papers.certificate, "-subject", "-nameopt", "RFC2253").strip() == f"subject=CN={name}"
        text = shown(papers.certificate, "-text")
        assert use in text and text.count("TLS Web") == 1 and "NIST CURVE: P-256" in text and "CA:FALSE" in text
        subprocess.run(
            ["openssl", "verify", "-x509_strict", "-CAfile", papers.ca, papers.certificate],
            check=True, timeout=30, stdout=subprocess.DEVNULL,
        )  # fmt: skip


def test_a_server_has_all_its_names(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "a folder")
    papers = authority.server("broker.example", "--address", "192.0.2.7", "--address", "::1", "--days", "30")
    names = shown(papers.certificate, "-ext", "subjectAltName")
    assert "DNS:broker.example, IP Address:192.0.2.7, IP Address:0:0:0:0:0:0:0:1" in names
    shown(papers.certificate, "-checkend", str(29 * 86_400))
    with pytest.raises(subprocess.CalledProcessError):
        shown(papers.certificate, "-checkend", str(31 * 86_400))
    pki("server", str(authority.folder), "b", "--address", "DNS:evil,IP:1.2.3.4", code=2)
    pki("server", str(authority.folder), "b/c", code=2)
    assert [one.name for one in (authority.folder / "servers").iterdir() if one.suffix == ".pem"] == [
        "broker.example.pem"
    ]


@pytest.mark.parametrize("kind", ["device", "console"])
@pytest.mark.parametrize("name", BAD_NAMES)
def test_names_that_could_reach_further_are_refused(fleet: Fleet, kind: str, name: str) -> None:
    before = sorted(fleet.authority.folder.rglob("*"))
    told = pki(kind, str(fleet.authority.folder), name, code=2)
    assert "usage:" in told.stderr and told.stdout == ""
    assert sorted(fleet.authority.folder.rglob("*")) == before


def test_the_longest_names(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "lab")
    authority.device("a" * 64)
    assert "a" * 56 in authority.console("a" * 56)[1]
    assert "at most 56" in pki("console", str(authority.folder), "a" * 57, code=2).stderr


def test_nothing_is_overwritten(fleet: Fleet) -> None:
    folder = fleet.authority.folder
    before = {one: one.read_bytes() for one in folder.rglob("*") if one.is_file()}
    for words in (("init", str(folder)), ("device", str(folder), "press-7"), ("console", str(folder), "anna"),
                  ("server", str(folder), "localhost")):  # fmt: skip
        told = pki(*words, code=1)
        assert "is there already, and is not overwritten" in told.stderr and told.stdout == ""
    assert {one: one.read_bytes() for one in folder.rglob("*") if one.is_file()} == before


def test_a_consoles_rules_are_those_that_the_acl_file_explains(fleet: Fleet) -> None:
    explained = [
        line[1:] for line in (FOLDER / "edged.acl").read_text().splitlines() if line.startswith(("#user", "#topic"))
    ]
    # What follows is about Home Assistant, which is one more console with rules of its own.
    assert fleet.rules.strip().splitlines() == explained[:4] and explained[4].startswith("user ")


def test_usage(tmp_path: Path) -> None:
    helped = pki("--help").stdout
    assert "examples: scripts/pki init lab" in helped and "LAB" in helped
    new = ("init", str(tmp_path / "x"))
    for words in ((), ("sign",), ("init",), ("device", "x"), (*new, "--days", "0"), (*new, "--address", "h"),
                  (*new, "--day", "1"), (*new, "y")):  # fmt: skip
        assert "usage: scripts/pki" in pki(*words, code=2).stderr
    assert "first: scripts/pki init" in pki("device", str(tmp_path / "none"), "a", code=1).stderr
    assert not list(tmp_path.iterdir())


def test_shell_is_clean() -> None:
    program = shutil.which("shellcheck")
    command = [program, "-x", str(PKI)] if program else ["bash", "-n", str(PKI)]
    done = subprocess.run(command, cwd=PKI.parent.parent, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
