"""Slots, links, rules and tidying, without containers."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from edged.adapters import ed25519
from edged.adapters.artifacts import ArtifactStore, obtain
from edged.adapters.artifacts.layout import home
from edged.bundles import Trust
from edged.bundles.trust import Key
from edged.ports import ArtifactError, StorageError
from edged.vocabulary.actions import Where
from tests.adapters.artifacts import FolderContainers, deploy, no_web, runtime
from tests.bundles.maker import MODEL, dump, manifest, pack, public, sign, write

MODELS = Where("model", "/models", "mount")
CONFIGS = Where("config", "/cfg/current/c.yaml", "mount", keep=2)


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return make(tmp_path)


def make(tmp_path: Path, trust: Trust | None = None, mounted: str = "app") -> ArtifactStore:
    state = tmp_path / "state"
    state.mkdir(exist_ok=True)
    (tmp_path / "boxes" / "c1").mkdir(parents=True, exist_ok=True)
    seen = {"/models": state / "models" / mounted, "/cfg": state / "configs" / mounted}
    containers = FolderContainers(tmp_path / "boxes", seen).port()
    return ArtifactStore(state, containers, runtime(), no_web, lambda: trust, ed25519.verify, "press-7")


def config(folder: Path, text: str, sequence: int = 3) -> Path:
    return write(folder, {"c.yaml": text.encode()}, sequence=sequence)


def refusal(work: Callable[[], object]) -> str:
    with pytest.raises(ArtifactError) as error:
        work()
    return error.value.code


def test_a_tar_and_a_folder_become_the_same_slot(store: ArtifactStore, tmp_path: Path) -> None:
    files = {"model.onnx": MODEL}
    one = deploy(store, "app", MODELS, write(tmp_path / "b", files))
    (tmp_path / "b.tar").write_bytes(pack({"manifest.json": dump(manifest(files)), **files}))
    assert deploy(store, "app", MODELS, tmp_path / "b.tar", "d2") == one
    assert [p.name for p in home(tmp_path / "state", "app", MODELS).slots.iterdir()] == [one.removeprefix("sha256:")]


def test_what_was_fetched_needs_its_source_no_more(store: ArtifactStore, tmp_path: Path) -> None:
    bundle = config(tmp_path / "b", "a: 1")
    assert store.fetch("app", CONFIGS, f"file://{bundle}", "d1", 9) == {"bytes": 4}
    shutil.rmtree(bundle)
    assert store.fetch("app", CONFIGS, str(bundle), "d1", 9) == {"bytes": 4}
    first = store.verify("app", CONFIGS, "d1", "", 3, ())
    assert store.verify("app", CONFIGS, "d1", "", 3, ()) == first
    assert (first["name"], first["version"], first["sequence"], first["smoke"]) == ("b", "1", 3, False)


def test_rules_of_a_deployment_and_of_going_back(store: ArtifactStore, tmp_path: Path) -> None:
    digest = deploy(store, "app", CONFIGS, config(tmp_path / "b", "a: 1"))
    store.fetch("app", CONFIGS, str(tmp_path / "b"), "d2", 9)
    assert refusal(lambda: store.verify("app", CONFIGS, "d2", "", 4, ())) == "sequence"
    assert refusal(lambda: store.verify("app", CONFIGS, "d2", "", 3, (digest,))) == "quarantined"
    assert store.verify("app", CONFIGS, "d3", digest, 0, ())["digest"] == digest
    assert refusal(lambda: store.fetch("app", MODELS, str(tmp_path / "b"), "d4", 9)) == "wrong_kind"
    assert refusal(lambda: store.fetch("app", CONFIGS, str(tmp_path / "none"), "d5", 9)) == "not_found"
    assert refusal(lambda: store.verify("app", CONFIGS, "d6", "", 0, ())) == "not_staged"


def test_signatures(tmp_path: Path) -> None:
    store = make(tmp_path, Trust(keys=(Key(id="k", public=public(), role="deployer"),)))
    bundle = config(tmp_path / "b", "a: 1")
    assert refusal(lambda: store.fetch("app", CONFIGS, str(bundle), "d1", 9)) == "unsigned"
    (bundle / "manifest.sig").write_bytes(sign(b"something else"))
    assert refusal(lambda: store.fetch("app", CONFIGS, str(bundle), "d2", 9)) == "bad_signature"
    (bundle / "manifest.sig").write_bytes(sign((bundle / "manifest.json").read_bytes()))
    digest = deploy(store, "app", CONFIGS, bundle, "d3")
    slot = home(tmp_path / "state", "app", CONFIGS).slot(digest.removeprefix("sha256:"))
    assert {p.name for p in slot.iterdir()} == {"manifest.json", "manifest.sig", "c.yaml"}
    # The key goes out of trust: nothing new by it, but what came in then can be gone back to.
    later = make(tmp_path, Trust(keys=(Key(id="k", public=public(bytes(32)), role="deployer"),)))
    assert refusal(lambda: later.fetch("app", CONFIGS, str(bundle), "d4", 9)) == "bad_signature"
    assert later.verify("app", CONFIGS, "d5", digest, 0, ())["digest"] == digest


@pytest.mark.parametrize("harm", ["flip", "cut", "add", "remove", "manifest", "link"])
def test_a_damaged_slot_is_never_used_and_is_made_anew(store: ArtifactStore, tmp_path: Path, harm: str) -> None:
    bundle = config(tmp_path / "b", "a: 1")
    digest = deploy(store, "app", CONFIGS, bundle)
    slot = home(tmp_path / "state", "app", CONFIGS).slot(digest.removeprefix("sha256:"))
    {
        "flip": lambda: (slot / "c.yaml").write_text("a: 2"),
        "cut": lambda: os.truncate(slot / "c.yaml", 2),
        "add": lambda: (slot / "more").write_text("x"),
        "remove": lambda: (slot / "c.yaml").unlink(),
        "manifest": lambda: (slot / "manifest.json").write_text("{}"),
        "link": lambda: ((slot / "c.yaml").unlink(), (slot / "c.yaml").symlink_to("/etc/passwd")),
    }[harm]()
    refusal(lambda: store.verify("app", CONFIGS, "d2", digest, 0, ()))
    refusal(lambda: store.place("app", CONFIGS, "c1", digest, "", 9))
    assert not (slot.parents[1] / "current").exists()
    refusal(lambda: store.back_up("app", CONFIGS, "c1", digest, 9))
    assert deploy(store, "app", CONFIGS, bundle, "d3") == digest
    store.place("app", CONFIGS, "c1", digest, "", 9)
    assert (slot.parents[1] / "current" / "c.yaml").read_text() == "a: 1"


def test_the_first_by_mount_and_back_to_nothing(store: ArtifactStore, tmp_path: Path) -> None:
    digest = deploy(store, "app", MODELS, write(tmp_path / "b", {"model.onnx": MODEL}))
    assert store.back_up("app", MODELS, "c1", "", 9) == {"digest": ""}
    assert store.place("app", MODELS, "c1", digest, "", 9) == {"changed": 1}
    assert store.place("app", MODELS, "c1", digest, "", 9) == {"changed": 0}
    current = tmp_path / "state" / "models" / "app" / "current"
    assert str(current.readlink()) == "slots/" + digest.removeprefix("sha256:")
    assert (current / "model.onnx").read_bytes() == MODEL
    # Edged's records are gone, the link is not.
    assert store.back_up("app", MODELS, "c1", "", 9) == {"digest": digest}
    store.place("app", MODELS, "c1", "", digest, 9)
    assert not os.path.lexists(current)


def test_a_container_that_would_not_see_it(tmp_path: Path) -> None:
    store = make(tmp_path, mounted="other")
    deploy(store, "app", MODELS, write(tmp_path / "b", {"model.onnx": MODEL}))
    assert refusal(lambda: store.back_up("app", MODELS, "c1", "", 9)) == "not_mounted"
    assert refusal(lambda: store.back_up("app", MODELS, "c2", "", 9)) == "unreachable"
    elsewhere = Where("model", "/elsewhere", "mount")
    assert refusal(lambda: store.back_up("app", elsewhere, "c1", "", 9)) == "not_mounted"


@pytest.mark.parametrize("app", ["..", "a/b", "", ".hidden", "x" * 200, "a\0b"])
def test_names_that_are_no_folders(store: ArtifactStore, tmp_path: Path, app: str) -> None:
    bundle = config(tmp_path / "b", "a: 1")
    assert refusal(lambda: store.fetch(app, CONFIGS, str(bundle), "d1", 9)) == "name"
    assert list((tmp_path / "state").iterdir()) == []


def test_odd_deployments_and_digests_stay_inside(store: ArtifactStore, tmp_path: Path) -> None:
    deploy(store, "app", CONFIGS, config(tmp_path / "b", "a: 1"), "../../../out")
    assert {p.name for p in tmp_path.iterdir()} == {"state", "b", "boxes"}
    assert refusal(lambda: store.verify("app", CONFIGS, "d", "sha256:../x", 0, ())) == "digest"
    assert refusal(lambda: store.place("app", CONFIGS, "c1", "0" * 64, "", 9)) == "lost"


def test_what_a_container_may_have_put_there_leads_nowhere(store: ArtifactStore, tmp_path: Path) -> None:
    digest = deploy(store, "app", CONFIGS, config(tmp_path / "b", "a: 1"))
    place = home(tmp_path / "state", "app", CONFIGS)
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "f").write_text("kept")
    (place.root / "current").symlink_to(outside)
    assert refusal(lambda: store.place("app", CONFIGS, "c1", digest, "", 9)) == "not_a_slot"
    assert refusal(lambda: store.tidy("app", CONFIGS, [], "")) == "not_a_slot"
    (place.root / "current").unlink()
    for name in ("1" * 64, "2" * 64, "3" * 64):
        (place.slots / name).symlink_to(outside)
    (place.staging / ".trash-x").symlink_to(outside)
    store.tidy("app", CONFIGS, [], "")
    shutil.rmtree(place.slots)
    place.slots.symlink_to(outside)
    assert refusal(lambda: store.fetch("app", CONFIGS, str(tmp_path / "b"), "d2", 9)) == "not_a_folder"
    assert refusal(lambda: store.tidy("app", CONFIGS, [], "")) == "not_a_folder"
    assert {p.name for p in outside.iterdir()} == {"f"}


def test_tidying_keeps_the_newest_the_pinned_and_the_referenced(store: ArtifactStore, tmp_path: Path) -> None:
    digests = []
    for number in range(7):
        digests.append(deploy(store, "app", CONFIGS, config(tmp_path / f"b{number}", f"a: {number}"), f"d{number}"))
        time.sleep(0.02)  # names of slots are sorted by time
    store.place("app", CONFIGS, "c1", digests[0], digests[1], 9, digests[1])
    place = home(tmp_path / "state", "app", CONFIGS)
    old = place.staging / "d1"
    os.utime(old, (1, 1))
    removed = store.tidy("app", CONFIGS, [digests[2]], "d0")["removed"]
    assert sorted(removed) == sorted(digests[3:5])
    assert {p.name for p in place.slots.iterdir()} == {d[7:] for d in (*digests[:3], *digests[5:])}
    assert {p.name for p in place.staging.iterdir()} == {f"d{n}" for n in range(2, 7)}
    assert store.tidy("app", CONFIGS, [digests[2]], "d0") == {"removed": []}


def test_the_disk_is_looked_at_before_the_first_byte(
    store: ArtifactStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = write(tmp_path / "b", {"c.yaml": b"x" * 10_000_000})

    def room(free: int) -> None:
        result = os.statvfs_result((4096, 4096, 0, 0, free // 4096, 0, 0, 0, 0, 255))
        monkeypatch.setattr(os, "statvfs", lambda _: result)

    room(70 * 2**20)
    copied = Where("config", "/app/c.yaml", "copy")
    assert refusal(lambda: store.fetch("app", CONFIGS, str(bundle), "d1", 9)) == "no_room"
    room(80 * 2**20)
    assert store.fetch("app", CONFIGS, str(bundle), "d1", 9) == {"bytes": 10_000_000}
    assert refusal(lambda: store.fetch("app", copied, str(bundle), "d2", 9)) == "no_room"
    room(95 * 2**20)
    assert store.fetch("app", copied, str(bundle), "d2", 9) == {"bytes": 10_000_000}


def test_a_state_folder_that_cannot_be_used(tmp_path: Path) -> None:
    store = make(tmp_path)
    (tmp_path / "state" / "configs").write_text("a file")
    assert refusal(lambda: store.tidy("app", CONFIGS, [], "")) == "not_a_folder"
    (tmp_path / "state" / "configs").unlink()
    shutil.rmtree(tmp_path / "state")
    (tmp_path / "state").write_text("a file")
    with pytest.raises(StorageError):
        store.tidy("app", CONFIGS, [], "")


def test_files_that_are_here_already_are_not_fetched_again(store: ArtifactStore, tmp_path: Path) -> None:
    deploy(store, "app", MODELS, write(tmp_path / "b", {"model.onnx": MODEL, "labels": b"1"}))
    again = write(tmp_path / "c", {"model.onnx": MODEL, "labels": b"2"}, version="2")
    (again / "model.onnx").unlink()
    digest = deploy(store, "app", MODELS, again, "d2")
    slot = home(tmp_path / "state", "app", MODELS).slot(digest.removeprefix("sha256:"))
    assert (slot / "model.onnx").read_bytes() == MODEL
    # A copy, and no link: damage to one is none to the other.
    assert (slot / "model.onnx").stat().st_nlink == 1


class Halfway(SimpleHTTPRequestHandler):
    """Serves a folder with ranges; the first answer for the tar ends in the middle."""

    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        data = Path(self.directory, self.path.lstrip("/")).read_bytes()
        begin = int((self.headers.get("Range") or "bytes=0-").removeprefix("bytes=").partition("-")[0])
        first = not self.asked
        self.asked.append(self.headers.get("Range") or "")
        self.send_response(206 if begin else 200)
        self.send_header("ETag", '"one"')
        if begin:
            self.send_header("Content-Range", f"bytes {begin}-{len(data) - 1}/{len(data)}")
        self.send_header("Content-Length", str(len(data) - begin))
        self.end_headers()
        self.wfile.write(data[begin : len(data) // 2 if first else None])

    def log_message(self, *_: object) -> None:
        """Nothing."""


def test_a_bundle_by_url_goes_on_where_it_broke_off(tmp_path: Path) -> None:
    files = {"c.yaml": b"a: 1\n" * 400_000}
    (tmp_path / "b.tar").write_bytes(pack({"manifest.json": dump(manifest(files)), **files}))
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Halfway, directory=str(tmp_path)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        state = tmp_path / "state"
        state.mkdir()
        containers = FolderContainers(tmp_path / "boxes", {"/cfg": state / "configs" / "app"}).port()
        store = ArtifactStore(state, containers, runtime(), obtain)
        url = f"http://127.0.0.1:{server.server_address[1]}/b.tar"
        assert store.fetch("app", CONFIGS, url, "d1", 30) == {"bytes": 2_000_000}
        assert store.fetch("app", CONFIGS, url, "d1", 30) == {"bytes": 2_000_000}
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()
    assert [bool(asked) for asked in Halfway.asked] == [False, True]
    digest = store.verify("app", CONFIGS, "d1", "", 0, ())["digest"]
    store.place("app", CONFIGS, "c1", digest, "", 9)
    assert (state / "configs" / "app" / "current" / "c.yaml").read_bytes() == files["c.yaml"]


def test_a_configuration_is_tried(store: ArtifactStore, tmp_path: Path) -> None:
    (tmp_path / "schema.json").write_text('{"properties": {"a": {"type": "integer"}}}')
    good = deploy(store, "app", CONFIGS, config(tmp_path / "b", "a: 1"))
    bad = deploy(store, "app", CONFIGS, config(tmp_path / "c", "a: x"), "d2")
    schema = str(tmp_path / "schema.json")
    assert store.validate("app", CONFIGS, good, schema, "", "", 60)["stage"] == "done"
    assert refusal(lambda: store.validate("app", CONFIGS, bad, schema, good, "", 60)) == "schema"


def test_a_model_is_tried(store: ArtifactStore, tmp_path: Path) -> None:
    example = Path(__file__).resolve().parents[2] / "models" / "vibration-autoencoder"
    digest = deploy(store, "app", MODELS, example)
    measured = store.validate("app", MODELS, digest, "", digest, "", 100)
    assert measured["stage"] == "done"
    assert measured["latency"]["p95"] > 0
    broken = deploy(store, "app", MODELS, write(tmp_path / "b", {"model.onnx": MODEL}), "d2")
    assert refusal(lambda: store.validate("app", MODELS, broken, "", digest, "", 100)) == "inputs"
