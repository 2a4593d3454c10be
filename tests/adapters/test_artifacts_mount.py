"""Delivery by mount, with a real engine: what a running container sees while the link is switched."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from edged.adapters.artifacts import ArtifactStore
from edged.adapters.artifacts.layout import home, prepare
from edged.adapters.docker_engine import DockerEngine
from edged.ports import ArtifactError
from edged.vocabulary.actions import Where
from tests.adapters.artifacts import deploy, no_web, runtime
from tests.bundles.maker import MODEL, write
from tests.fixtures.engine import BUSYBOX, Engine, eventually

pytestmark = pytest.mark.engine
MODELS = Where("model", "/models", "mount")
LOOK = """
echo ready
while :; do cat /models/current/which 2>/dev/null || echo missing; test -e /stop && exit 0; done
"""


def test_a_running_container_of_another_user_sees_one_or_the_other(engine: Engine, tmp_path: Path) -> None:
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    state = tmp_path / "state"
    state.mkdir()
    with closing(DockerEngine(engine.url, timeout=20.0)) as adapter:
        store = ArtifactStore(state, adapter, runtime(), no_web)
        place = home(state, "app", MODELS)
        prepare(place)
        one, two = (
            deploy(store, "app", MODELS, write(tmp_path / n, {"model.onnx": MODEL, "which": f"{n}\n".encode()}), n)
            for n in ("one", "two")
        )
        unseen = engine.run("unseen")
        with pytest.raises(ArtifactError) as error:
            store.back_up("app", MODELS, unseen, "", 9)
        assert error.value.code == "not_mounted"

        store.place("app", MODELS, "", one, "", 9)
        made = engine.client.create_container(
            BUSYBOX, ["sh", "-c", LOOK], name="app", user="12345:12345",
            host_config=engine.client.create_host_config(network_mode="host", binds=[f"{place.root}:/models:ro"]),
        )["Id"]  # fmt: skip
        engine.client.start(made)
        eventually(lambda: b"one" in engine.client.logs(made))
        assert store.back_up("app", MODELS, made, one, 9) == {"digest": one}
        for number in range(100):
            now, before = (two, one) if number % 2 == 0 else (one, two)
            store.place("app", MODELS, made, now, before, 9)
        eventually(lambda: b"two" in engine.client.logs(made))
        lines = set(engine.client.logs(made).decode().split())
        assert lines == {"ready", "one", "two"}
        assert store.place("app", MODELS, made, one, two, 9) == {"changed": 0}
