"""Staging: whole or not there, on from where it broke off, and nothing outside its folder."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from edged.bundles import BundleRefused, Rules, Staged, digest, needed, open_source, parse, stage
from edged.bundles.stage import RESERVE, discard

from .maker import EXAMPLE, MODEL, dump, manifest, pack, write

FILES = {"c.yaml": b"a: 1\n" * 500_000, "sub/deep/d.txt": b"d", "e": b""}


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return write(tmp_path / "bundle", FILES)


@pytest.fixture
def room(tmp_path: Path) -> Path:
    (tmp_path / "room").mkdir()
    return tmp_path / "room"


def put(bundle: Path, room: Path, rules: Rules | None = None) -> Staged:
    with open_source(bundle) as source:
        return stage(source, room, rules or Rules())


def tree(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_a_folder_and_a_tar_of_it(bundle: Path, room: Path, tmp_path: Path) -> None:
    (bundle / "c.yaml").chmod(0o4777)
    staged = put(bundle, room)
    assert staged.folder == room / digest((bundle / "manifest.json").read_bytes())
    assert tree(staged.folder) == tree(bundle) and list(room.iterdir()) == [staged.folder]
    modes = {stat.S_IMODE(p.stat().st_mode) for p in staged.folder.rglob("*") if p.is_file()}
    assert modes == {0o644} and stat.S_IMODE((staged.folder / "sub").stat().st_mode) == 0o755
    (tmp_path / "b.tar").write_bytes(pack(tree(bundle)))
    again = put(tmp_path / "b.tar", room)
    assert (again.folder, again.copied) == (staged.folder, 0)
    (tmp_path / "other").mkdir()
    assert tree(put(tmp_path / "b.tar", tmp_path / "other").folder) == tree(bundle)


def test_goes_on_where_it_broke_off(bundle: Path, room: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    partial = room / f".partial-{digest((bundle / 'manifest.json').read_bytes())}"
    real, calls = os.fsync, iter(range(100))

    def fails(descriptor: int) -> None:
        if next(calls) == 1:
            raise OSError(5, "the disk went away")
        real(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fails)
        with pytest.raises(OSError, match="went away"):
            put(bundle, room)
    assert (partial / "c.yaml").stat().st_size == len(FILES["c.yaml"])
    before = (partial / "c.yaml").stat()
    (partial / "sub/deep/d.txt").write_bytes(b"half of something else")
    (partial / "junk").mkdir()
    (partial / "junk/x").write_bytes(b"")
    (partial / "e").symlink_to("/etc/passwd")
    staged = put(bundle, room)
    after = (staged.folder / "c.yaml").stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)
    assert staged.copied == 1 and tree(staged.folder) == tree(bundle)
    assert Path("/etc/passwd").stat().st_size > 0


def test_a_damaged_one_is_mended(bundle: Path, room: Path) -> None:
    staged = put(bundle, room)
    (staged.folder / "e").write_bytes(b"x")
    assert put(bundle, room).copied == 0
    assert tree(staged.folder) == tree(bundle)
    (staged.folder / "sub/deep/d.txt").unlink()
    (staged.folder / "manifest.json").write_bytes(b"{}")
    assert put(bundle, room).copied == 1
    assert tree(staged.folder) == tree(bundle) and len(list(room.iterdir())) == 1


def test_what_is_held_is_not_read_again(bundle: Path, room: Path, tmp_path: Path) -> None:
    old = tmp_path / "old"
    old.write_bytes(FILES["c.yaml"])
    bad = tmp_path / "bad"
    bad.write_bytes(b"x")
    (bundle / "c.yaml").unlink()
    with open_source(bundle) as source:
        staged = stage(source, room, Rules(), held=lambda _, size: old if size > 1 else bad if size else None)
    assert (staged.folder / "c.yaml").read_bytes() == FILES["c.yaml"]
    assert (staged.folder / "sub/deep/d.txt").read_bytes() == b"d"
    old.write_bytes(b"b: 1\n" * 500_000)
    discard(room, "none")
    (tmp_path / "room2").mkdir()
    with open_source(bundle) as source, pytest.raises(BundleRefused) as caught:
        stage(source, tmp_path / "room2", Rules(), held=lambda _, size: old if size > 1 else None)
    assert caught.value.code == "missing_file" and list((tmp_path / "room2").iterdir()) == []


def test_room_is_looked_for_before_the_first_byte(bundle: Path, room: Path) -> None:
    content = parse((bundle / "manifest.json").read_bytes())
    assert needed(content) > content.total
    for have, refused in ((needed(content) + RESERVE - 1, True), (needed(content) + RESERVE, False)):
        with open_source(bundle) as source:
            if not refused:
                assert stage(source, room, Rules(), room=lambda _, have=have: have).copied == content.total
                continue
            with pytest.raises(BundleRefused) as caught:
                stage(source, room, Rules(), room=lambda _, have=have: have)
            assert caught.value.code == "no_room"
            assert [p for p in room.rglob("*") if p.is_file()] == []


def test_a_refused_one_leaves_nothing(room: Path, tmp_path: Path) -> None:
    raw = dump(manifest({"model.onnx": MODEL, "z": b"1"}))
    with pytest.raises(BundleRefused) as caught:
        put(write(tmp_path / "b", {"model.onnx": MODEL, "z": b"2"}, raw=raw), room)
    assert caught.value.code == "digest_mismatch" and list(room.iterdir()) == []
    with pytest.raises(BundleRefused) as caught:
        put(EXAMPLE, room, Rules(ir_version=3))
    assert caught.value.code == "runtime" and list(room.iterdir()) == []
    assert put(EXAMPLE, room).copied == 37951


def test_a_link_in_place_of_the_stage_leads_nowhere(bundle: Path, room: Path, tmp_path: Path) -> None:
    (tmp_path / "victim").mkdir()
    (room / f".partial-{digest((bundle / 'manifest.json').read_bytes())}").symlink_to(tmp_path / "victim")
    with pytest.raises(OSError, match=r"Not a directory|symbolic"):
        put(bundle, room)
    assert list((tmp_path / "victim").iterdir()) == []
