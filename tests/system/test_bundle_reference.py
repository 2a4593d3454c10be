"""``edged bundle new --reference``: training data becomes what a device holds inputs against."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from edged.cli import reference as maker
from tests.fixtures.models import SHIPPED


def call(*args: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "edged", "bundle", *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def new(folder: Path, data: Path, *more: str) -> subprocess.CompletedProcess[str]:
    files = folder / "files"
    files.mkdir(exist_ok=True)
    shutil.copy(SHIPPED / "model.onnx", files)
    head = ("--kind", "model", "--name", "d", "--version", "2", "--sequence", "7", "--model", "model.onnx", "--force")
    return call("new", files, *head, "--reference", data, *more)


def write(path: Path, rows: int = 1000, **columns: Any) -> Path:
    rng = random.Random(1)
    made = [{"id": n, "temp": rng.gauss(20.0, 2.0), "mode": rng.choice("aab")} | columns for n in range(rows)]
    if path.suffix == ".csv":
        lines = [",".join(made[0]), *(",".join(map(str, row.values())) for row in made)]
    else:
        lines = [json.dumps(row) for row in made]
    path.write_text("\n".join([*lines, ""]))
    return path


@pytest.mark.parametrize("suffix", [".csv", ".ndjson"])
def test_it_is_made_named_shown_and_verified(tmp_path: Path, suffix: str) -> None:
    done = new(tmp_path, write(tmp_path / f"training{suffix}"), "--without", "id")
    assert done.returncode == 0, done.stderr
    assert "2 features of 1000 rows" in done.stdout
    assert "temp  numeric: 19.97 ± 1.9" in done.stdout and "mode  categorical: a 6" in done.stdout
    manifest = json.loads((tmp_path / "files/manifest.json").read_text())
    assert manifest["model"]["reference"] == "reference.json"
    assert "reference.json" in [file["path"] for file in manifest["files"]]
    shown = call("show", tmp_path / "files")
    assert "reference  2 features of 1000 rows" in shown.stdout
    told = json.loads(call("show", tmp_path / "files", "--json").stdout)["reference"]
    assert [one["name"] for one in told["features"]] == ["mode", "temp"] and not told["learned"]
    assert told["without"] == ["id"]
    assert call("verify", tmp_path / "files").returncode == 0
    assert new(tmp_path, Path("reference.json")).returncode == 0, "one that is there already"


def test_a_reference_that_no_device_could_use_is_refused(tmp_path: Path) -> None:
    assert new(tmp_path, write(tmp_path / "t.csv")).returncode == 0
    path = tmp_path / "files/reference.json"
    path.write_text(path.read_text().replace('"rows"', '"rows":1,"features":[],"rows"'))
    refused = new(tmp_path, Path("reference.json"))
    assert refused.returncode == 3 and "[reference]" in refused.stderr


def test_data_that_is_no_good(tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    inside = new(tmp_path, write(tmp_path / "files/t.csv"))
    assert inside.returncode == 2 and "put it elsewhere" in inside.stderr
    (tmp_path / "files/t.csv").unlink()
    few = new(tmp_path, write(tmp_path / "t.csv", rows=20))
    assert few.returncode == 1 and "only 20 rows" in few.stderr
    (tmp_path / "g.ndjson").write_bytes(b"\xff\xfe\n" * 1000)
    garbage = new(tmp_path, tmp_path / "g.ndjson")
    assert garbage.returncode == 1 and "not JSON: 1000" in garbage.stderr
    (tmp_path / "h.csv").write_text("a,a\n1,2\n")
    assert "name the columns" in new(tmp_path, tmp_path / "h.csv").stderr
    assert new(tmp_path, tmp_path / "none.csv").returncode == 1


def test_of_much_data_a_part_from_all_over_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "much.ndjson"
    path.write_text("".join(f'{{"at": {n}, "pad": "{"x" * 20}"}}\n' for n in range(200_000)))
    monkeypatch.setattr(maker, "MOST_ROWS", 60_000)
    monkeypatch.setattr(maker, "BLOCK", 2**17)
    made, refused = maker.make(path, ())
    at = next(one for one in made.features if one.name == "at")
    assert 50_000 <= made.rows <= 61_000 and not refused
    assert at.low == 0 and at.high > 180_000 and abs(at.mean - 100_000) < 10_000
