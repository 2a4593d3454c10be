"""``trust.yaml`` and key files: every error with its line, and no secret in any of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from edged.bundles import trust
from edged.config import ConfigError

from .maker import public

GOOD = f"""\
keys:
  - {{id: release 2026, public: {public()}, role: deployer, expires: "2030-01-01T00:00:00Z", devices: [press-7]}}
  - id: console
    public: {public(b"c" * 32)}
    role: admin
"""


def test_a_trust_file(tmp_path: Path) -> None:
    (tmp_path / "trust.yaml").write_text(GOOD)
    first, second = trust.load(tmp_path / "trust.yaml").keys
    assert (first.id, first.role, first.devices, len(first.raw)) == ("release 2026", "deployer", ("press-7",), 32)
    assert first.expired(1.9e9) and not first.expired(1.8e9) and not second.expired(9e9)
    assert trust.parse(b"", "t").keys == ()


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ("role: admin", "role: boss", "t.yaml:5: keys.1.role"),
        ("role: admin", "rolle: admin", "t.yaml:5: keys.1.rolle"),
        ("id: console", "id: release 2026", "t.yaml:3: keys.1.id"),
        ("2030-01-01T00:00:00Z", "2030-01-01", "t.yaml:2: keys.0.expires"),
        ("press-7", "press 7", "t.yaml:2: keys.0.devices.0"),
        (public(b"c" * 32), "c2hvcnQ=", "t.yaml:4: keys.1.public"),
        (public(b"c" * 32), "'*'", "t.yaml:4: keys.1.public"),
        ("id: console", "id: ''", "t.yaml:3: keys.1.id"),
        ("keys:", "key:", "t.yaml:1: key"),
    ],
)
def test_errors(old: str, new: str, place: str) -> None:
    with pytest.raises(ConfigError) as caught:
        trust.parse(GOOD.replace(old, new).encode(), "t.yaml")
    assert any(line.startswith(place) for line in str(caught.value).splitlines())


def test_a_key_file_shows_nothing(tmp_path: Path) -> None:
    path = tmp_path / "key"
    for text in ("id: x\nprivate: c2VjcmV0\n", "id: ''\nprivate: [c2VjcmV0]\n", "private: c2VjcmV0\n"):
        path.write_text(text)
        with pytest.raises(ConfigError) as caught:
            trust.load_key(path)
        assert "c2VjcmV0" not in str(caught.value)
    path.write_text(f"id: x\nprivate: {public()}\n")
    assert trust.load_key(path)[0] == "x"
