"""Backups of an app's data: taken whole or not at all, rotated, and never restored when they are not good."""

from __future__ import annotations

import gzip
import json
import os
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from edged.adapters.data_backup import shelf
from edged.ports import ArtifactError, Refused
from edged.vocabulary.data import Stored
from tests.adapters.boxes import DATA, Bench, content

CHECK = (sys.executable, "-c", "import sys,pathlib; sys.exit(b'BAD' in pathlib.Path(sys.argv[1],'db').read_bytes())")


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def refused(code: str) -> Any:
    return pytest.raises(ArtifactError, check=lambda error: error.code == code)


def test_what_was_backed_up_comes_back_and_what_was_there_is_kept_aside(bench: Bench) -> None:
    (bench.data / "link").symlink_to("db")
    (bench.data / "db").chmod(0o640)
    (bench.data / "empty").mkdir()
    made = bench.back_up()
    before = bench.seen()
    bench.fill({"db": b"torn", "db-wal": b"stale", "log/b": b"new"})
    put = bench.restore()
    assert put["name"] == made["name"] and bench.seen() == before
    assert (bench.data / "link").readlink() == Path("db") and (bench.data / "empty").is_dir()
    assert (bench.data / "db").stat().st_mode & 0o777 == 0o640
    bench.restore(put["aside"])
    assert bench.seen() == {"db": b"torn", "db-wal": b"stale", "log/b": b"new"}


def test_a_backup_is_a_plain_tar_that_anybody_can_unpack(bench: Bench) -> None:
    made = bench.back_up()
    with tarfile.open(bench.file(made["name"])) as tar:
        assert sorted(tar.getnames()) == [".", "db", "log", "log/a"]
        assert content(tar, "db") == b"one"
    assert made["entries"] == 3 and made["unpacked"] == 4
    assert bench.file(made["name"]).stat().st_mode & 0o777 == 0o600


def test_a_volume_is_found_where_the_container_has_it(bench: Bench) -> None:
    bench.boxes.volumes = {"state": "/data"}
    made = bench.back_up(Stored(volume="state"))
    assert made["path"] == "/data"
    with refused("no_volume"):
        bench.back_up(Stored(volume="other"))


def test_a_single_file(bench: Bench) -> None:
    one = Stored(path="/data/db")
    bench.back_up(one)
    bench.fill({"db": b"torn", "other": b"left alone"})
    bench.restore(data=one)
    assert bench.seen() == {"db": b"one", "other": b"left alone"}


def test_the_oldest_go_and_the_newest_good_one_never_does(bench: Bench) -> None:
    made = []
    for number in range(5):
        bench.fill({"db": b"%d" % number})
        made.append(bench.back_up()["name"])
    assert bench.names() == made[:1:-1]
    bench.wall -= 40 * 86400.0  # the clock went wrong: names go on counting
    bench.fill({"db": b"later"})
    made.append(bench.back_up()["name"])
    assert bench.names() == made[:2:-1]
    tight = replace(DATA, max_size=2**20)
    bench.fill({"db": os.urandom(700_000)})
    bench.back_up(tight)
    bench.fill({"db": os.urandom(700_000)})
    last = bench.back_up(tight)["name"]
    assert bench.names() == [last], "two of them would be more than max_size"


def test_data_larger_than_allowed_leaves_no_half_of_a_backup(bench: Bench) -> None:
    bench.back_up()
    bench.fill({"db": bytes(2 * 2**20)})
    with refused("too_large"):
        bench.back_up()
    assert len(bench.names()) == 1 and len(list(bench.file("x").parent.iterdir())) == 2


def test_the_integrity_command_in_the_container_says_no(bench: Bench) -> None:
    checked = replace(DATA, verify=("check-db", "/data/db"))
    good = bench.back_up(checked)
    assert good["verified"] == "in the container" and bench.boxes.ran == [("check-db", "/data/db")]
    bench.boxes.answer = (1, b"page 7 is torn\n")
    with refused("verify") as told:
        bench.back_up(checked)
    assert "check-db in the container ended with 1: page 7 is torn" in str(told.value)
    assert bench.names() == [good["name"]]
    bench.boxes.answer = Refused("no such program")
    with refused("verify_unclear"):
        bench.back_up(checked)


def test_the_integrity_command_runs_over_a_copy(bench: Bench) -> None:
    checked = replace(DATA, verify=(*CHECK, "{backup}"))
    good = bench.back_up(checked)
    assert good["verified"] == "on the copy" and bench.boxes.ran == []
    bench.fill({"db": b"BAD"})
    with refused("verify"):
        bench.back_up(checked)
    assert bench.names() == [good["name"]]
    assert not [p for p in bench.file("x").parent.iterdir() if p.name.startswith(".")]


def test_a_backup_that_does_not_pass_is_never_restored(bench: Bench) -> None:
    """It was made before anybody asked the integrity command; the one before it is good."""
    good = bench.back_up()["name"]
    bench.fill({"db": b"BAD"})
    bad = bench.back_up()["name"]
    bench.fill({"db": b"torn"})
    checked = replace(DATA, verify=(*CHECK, "{backup}"))
    with refused("no_backup"):
        bench.restore(bad, checked)
    assert bench.seen() == {"db": b"torn"}
    told = {one["name"]: one["damaged"] for one in bench.store().listing("app")}
    assert "over a copy ended with 1" in told[bad] and told[good] == ""
    assert bench.restore(data=checked)["name"] == good
    assert bench.seen() == {"db": b"one", "log/a": b"a"} and bad not in bench.names()


@pytest.mark.parametrize("damage", ["flip", "cut", "gone", "other"])
def test_a_damaged_backup_is_passed_over(bench: Bench, damage: str) -> None:
    good = bench.back_up()["name"]
    bench.fill({"db": b"two"})
    bad = bench.file(bench.back_up()["name"])
    data = bad.read_bytes()
    if damage == "gone":
        bad.unlink()
    else:
        changed = {
            "flip": data[:20] + bytes([data[20] ^ 1]) + data[21:],
            "cut": data[:-9],
            "other": gzip.compress(b"x"),
        }
        bad.write_bytes(changed[damage])
    assert bench.restore()["name"] == good


def test_without_a_good_backup_nothing_is_touched(bench: Bench) -> None:
    with refused("no_backup"):
        bench.restore()
    bench.file(bench.back_up()["name"]).write_bytes(b"nothing")
    bench.fill({"db": b"torn"})
    with refused("no_backup"):
        bench.restore()
    assert bench.seen() == {"db": b"torn"} and not any("aside" in name for name in bench.names())


def test_a_running_app_is_not_touched(bench: Bench) -> None:
    good = bench.back_up()["name"]
    bench.boxes.status = "running"
    assert bench.store().find("app", DATA, "latest", 5.0) == {"name": good}, "looking for one disturbs nobody"
    for which in ("nope", "../../etc", ""):
        with refused("no_backup"):
            bench.store().find("app", DATA, which, 5.0)
    with refused("running"):
        bench.restore()


def test_a_mount_within_is_refused_before_anything_is_done(bench: Bench) -> None:
    bench.boxes.volumes = {"models": "/data/models"}
    with refused("mount_within"):
        bench.back_up()


def test_the_room_on_the_disk_is_looked_at_first(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.back_up()
    monkeypatch.setattr(shelf, "RESERVE", 2**62)
    with refused("no_room"):
        bench.back_up()
    with refused("no_room"):
        bench.restore()
    assert len(bench.names()) == 1 and bench.seen() == {"db": b"one", "log/a": b"a"}


def test_little_is_kept_aside(bench: Bench) -> None:
    bench.back_up()
    asides = []
    for number in range(4):
        bench.fill({"db": b"torn %d" % number})
        asides.append(bench.restore()["aside"])
    assert [name for name in bench.names() if name.startswith("aside")] == asides[:1:-1]


def test_a_full_disk_gets_all_but_the_newest_good_one(bench: Bench) -> None:
    for number in range(3):
        bench.fill({"db": b"%d" % number})
        last = bench.back_up()["name"]
    bench.restore()
    sizes = {path.name: path.stat().st_size for path in bench.file("x").parent.glob("*.tar.gz")}
    freed = bench.store().prune()
    assert bench.names() == [last]
    assert freed == sum(size for name, size in sizes.items() if not name.startswith(last))
    assert bench.store().prune() == 0


def test_pruning_leaves_alone_what_is_just_being_used(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    store, seen = bench.store(), list[Any]()
    for number in range(2):
        bench.fill({"db": b"%d" % number})
        store.back_up("app", "c1", DATA, 60.0)

    def check(*_: Any) -> tuple[int, bytes]:
        seen.append(store.prune())
        return 0, b""

    monkeypatch.setattr(bench.boxes, "execute", check)
    store.back_up("app", "c1", replace(DATA, verify=("check",)), 60.0)
    assert seen == [0] and store.prune() > 0 and len(bench.names()) == 1


def test_a_record_nobody_can_read_is_none_and_its_tar_stays(bench: Bench) -> None:
    made = bench.back_up()["name"]
    (bench.state / "backups" / "app" / f"{made}.json").write_text("{")
    with refused("no_backup"):
        bench.restore()
    assert bench.file(made).exists()
    assert json.loads((bench.state / "backups" / "app" / f"{bench.back_up()['name']}.json").read_text())["entries"] == 3


def test_a_link_in_place_of_the_folder_is_told(bench: Bench, tmp_path: Path) -> None:
    (bench.state / "backups").symlink_to(tmp_path)
    with refused("link"):
        bench.back_up()
    assert not [path for path in tmp_path.iterdir() if path.name == "app"]


def test_names_from_outside_lead_nowhere(bench: Bench) -> None:
    bench.back_up()
    with refused("no_backup"):
        bench.restore("../../etc/passwd")
    with refused("name"):
        bench.store().listing("../x")
