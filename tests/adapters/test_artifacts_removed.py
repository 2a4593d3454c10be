"""A file is removed by a link that the engine cannot make: engines differ in how they say so."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Any

import pytest

from edged.adapters.artifacts.container import Inside
from edged.adapters.artifacts.tars import Entry, write
from edged.adapters.docker_engine import DockerEngine
from edged.ports import ArtifactError, NotFound, PortError, Refused
from edged.vocabulary.world import Container

OLDER = Refused("link /app/old.tmp /app/old.tmp: no such file or directory")
NEWER = NotFound("Could not find the file /app in container")
"""Docker 26, with status 404."""


class Scripted(DockerEngine):
    """Never connected."""

    def __init__(self, refusal: PortError, *, removes: bool = True, gone: bool = False) -> None:
        super().__init__("unix:///nowhere")
        self.there, self._refusal, self._removes, self._gone = True, refusal, removes, gone

    def put_archive(self, container_id: str, folder: str, tar: Iterator[bytes], timeout: float) -> None:
        if self._removes:
            self.there = False
        raise self._refusal

    def get_archive(self, container_id: str, path: str, max_bytes: int, timeout: float) -> Generator[bytes, None, None]:
        if not self.there:
            raise NotFound(path)
        yield from write([Entry("old.tmp", 0o644, 0, 0, link="x")])

    def inspect(self, container_id: str) -> tuple[Container, dict[str, Any]]:
        if self._gone:
            raise NotFound(f"no such container: {container_id}")
        return Container(id=container_id, name="app", status="running"), {}


@pytest.mark.parametrize("refusal", [OLDER, NEWER])
def test_whatever_the_engine_says_of_the_link_the_file_is_gone(refusal: PortError) -> None:
    engine = Scripted(refusal)
    Inside(engine, "c1", 5.0).remove("copy.beside.remove", "/app/old.tmp")
    assert not engine.there


@pytest.mark.parametrize("refusal", [OLDER, NEWER])
def test_what_is_still_there_is_told(refusal: PortError) -> None:
    with pytest.raises(ArtifactError, match="cannot be removed") as told:
        Inside(Scripted(refusal, removes=False), "c1", 5.0).remove("copy.beside.remove", "/app/old.tmp")
    assert told.value.code == "in_the_way"


def test_a_container_that_goes_meanwhile_is_no_file_that_is_gone() -> None:
    with pytest.raises(ArtifactError, match="the container is gone") as told:
        Inside(Scripted(NEWER, gone=True), "c1", 5.0).remove("copy.beside.remove", "/app/old.tmp")
    assert told.value.code == "unreachable"
