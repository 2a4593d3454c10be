"""config/edged.yaml: it loads, shows and explains every key, and tells the real defaults."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from edged.config import Key, check_files, format_duration, format_share, format_size, keys, load
from edged.config.document import parse
from edged.config.schema import matches
from edged.config.tree import Entry, Items, Table

SAMPLE = Path(__file__).resolve().parents[2] / "config" / "edged.yaml"
TEXT = SAMPLE.read_text()
# Lines like `#password: x` are keys that exclude another one.
ALL_KEYS = re.sub(r"^( *)#(\w+:)", r"\1\2", TEXT, flags=re.MULTILINE)
LINES = ALL_KEYS.splitlines()


def _paths(table: Table, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], Entry]:
    found = {}
    for entry in table.entries:
        found[(*path, entry.key)] = entry
        if isinstance(entry.value, Table):
            found.update(_paths(entry.value, (*path, entry.key)))
        if isinstance(entry.value, Items):
            for number, item in enumerate(entry.value.items):
                if isinstance(item, Table):
                    found.update(_paths(item, (*path, entry.key, str(number))))
    return found


SHOWN = _paths(parse(ALL_KEYS.encode(), "sample"))


def _comment(entry: Entry) -> str:
    """The comment lines right above a key."""
    end = start = entry.line - 1
    while start and LINES[start - 1].lstrip().startswith("# "):
        start -= 1
    return " ".join(line.strip().removeprefix("#").strip() for line in LINES[start:end])


def _default(key: Key) -> str:
    value = key.default
    to_text = {"duration": format_duration, "size": format_size, "share": format_share}
    if key.title in to_text:
        return to_text[key.title](value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, tuple):
        return f"[{', '.join(value)}]" if value else "none"
    return str(value)


def test_it_loads() -> None:
    loaded = load(SAMPLE, {}, hostname="box")
    assert loaded.warnings == ()
    assert loaded.config.device.id == "press-7"
    assert loaded.config.apps["detector"].container == "iot-edge-anomaly"
    assert len(check_files(loaded)) == 6


@pytest.mark.parametrize("key", keys(), ids=lambda key: key.dotted)
def test_every_key_is_shown_and_explained(key: Key) -> None:
    if re.search(r"\.(container\.label|reload\.signal|reload\.http)$", key.dotted):
        assert f"{{{key.path[-1]}: " in TEXT, "the other form of its key, explained there"
        return
    shown = [entry for path, entry in SHOWN.items() if matches(path, key.path)]
    assert shown, f"config/edged.yaml does not show {key.dotted}"
    if key.section:
        return
    comment = _comment(shown[0])
    if key.required:
        assert "required" in comment
        return
    stated = re.search(r"\bdefault: (.+)", comment)
    assert stated, f"the comment of {key.dotted} tells no default"
    own_words = key.dotted in {"device.id", "state_dir", "apps.*.container"} or key.default in ("", None, {})
    if not own_words:
        assert re.match(re.escape(_default(key)) + r"(?![\w%])", stated[1]), f"{key.dotted}: {stated[1]}"


def test_it_shows_no_key_that_does_not_exist() -> None:
    # `container` is shown as a name; its other form is explained in words.
    known = [key.path for key in keys()]
    for path in SHOWN:
        free = any(matches(path[:length], (*pattern, "*")) for pattern in known for length in range(1, len(path) + 1))
        assert any(matches(path, pattern) for pattern in known) or free, path


def test_importing_the_types_does_not_import_yaml() -> None:
    code = "import edged.config, sys; print('yaml' in sys.modules, 'hashlib' in sys.modules)"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.split() == ["False", "False"]
