"""A model baked into an image: copied in, and again when the container was made anew. Real engine, real onnxruntime."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import urllib.request
from pathlib import Path

import onnx
import pytest

from tests.fixtures.engine import Engine, eventually
from tests.fixtures.models import SHIPPED, bundle, digest_of

from .test_deploy import APP, Detector, Make

pytestmark = pytest.mark.engine

PATH = "/baked/model.onnx"


class Baked(Detector):
    """Reads the model that its image brought, until another is copied over it."""

    def __init__(self, engine: Engine, make: Make) -> None:
        super().__init__(engine, make, path=PATH, delivery="copy", reload={"signal": "HUP"})
        model = onnx.load(str(SHIPPED / "model.onnx"))
        model.doc_string = "as the image brought it"
        self.original: bytes = model.SerializeToString()

    def run(self) -> None:
        """A container as its image makes it."""
        self.engine.run_python("detector", APP, "--port", str(self.port), "--model", PATH, "--faults", start=False)
        archive = io.BytesIO()
        with tarfile.open(mode="w", fileobj=archive) as tar:
            folder = tarfile.TarInfo("baked")
            folder.type, folder.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(folder)
            file = tarfile.TarInfo("baked/model.onnx")
            file.size, file.mode = len(self.original), 0o644
            tar.addfile(file, io.BytesIO(self.original))
        assert self.engine.client.put_archive("detector", "/", archive.getvalue())
        self.engine.client.start("detector")

    def serves(self) -> str:
        """Digest of the model file that the running process has loaded; empty: none."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health", timeout=2) as answer:
                return str(json.loads(answer.read())["model_digest"])
        except OSError:
            return ""


@pytest.fixture
def baked(engine: Engine, edged: Make) -> Baked:
    return Baked(engine, edged)


def test_a_copy_is_put_in_and_again_after_the_container_was_made_anew(baked: Baked, tmp_path: Path) -> None:
    own = hashlib.sha256(baked.original).hexdigest()
    new = hashlib.sha256((SHIPPED / "model.onnx").read_bytes()).hexdigest()
    tar = bundle(tmp_path, 1)
    baked.run()
    baked.edged.start()
    baked.edged.wait_state("detector", "healthy", 40.0)
    assert baked.serves() == own
    with baked.load() as seen:
        eventually(lambda: seen.count(200) > 50, 30.0)
        count = len(seen)
        code, phases, text = baked.deploy(tar)
        assert (code, phases[-1]["new"]) == (0, "committed"), text + baked.edged.text()
        assert set(seen[count:]) == {200}, "nobody notices a reload by signal"
    assert baked.serves() == new and baked.placed()["digest"] == digest_of(tar)
    # docker compose up after a change: the new container has the image's own model again.
    baked.engine.rm("detector")
    baked.run()
    eventually(lambda: baked.serves() == new, 60.0, "the model was put in again")
    again = baked.edged.wait_event("deployment.changed", 30.0, new="committed", previous="")
    assert again["data"]["digest"] == digest_of(tar)
    answered = [e["data"] for e in baked.edged.events("command.answered") if e["data"]["status"] == "succeeded"]
    assert len(answered) == 1, "nobody had asked for the second one"
    # Once more, while edged is away.
    baked.edged.stop()
    baked.engine.rm("detector")
    baked.run()
    baked.edged.start()
    eventually(lambda: baked.serves() == new, 60.0, "the model was put in again after a start of edged")
    eventually(lambda: baked.edged.app("detector")["deployment"] is None, 30.0)
    metrics = urllib.request.urlopen(f"http://127.0.0.1:{baked.edged.port}/metrics", timeout=5).read().decode()
    assert 'edged_deployments_total{app="detector",result="committed"} 1.0' in metrics
    assert f'edged_app_info{{app="detector",digest="{digest_of(tar)}",kind="model"' in metrics
    with baked.load() as seen:
        eventually(lambda: seen.count(200) > 50, 30.0)
        code, phases, text = baked.deploy("", verb="rollback")
    assert code == 0 and baked.serves() == own, text + baked.edged.text()
    baked.edged.wait_state("detector", "healthy")
    assert not baked.edged.events("recovery.started"), "every trouble was the deployments' own"
