"""What commands get to read: bounded, packed, with a digest, and nothing outside the evidence folder."""

from __future__ import annotations

import base64
import gzip
import hashlib
import random
from pathlib import Path
from typing import Any, cast

import pytest

from edged.act import Tools
from edged.act.parcel import MOST_PACKED, PIECE, TooLarge, pack
from edged.act.reading import MOST_LOGS, read_out
from edged.adapters.evidence import EvidenceFolder
from edged.fleet.answers import Answer
from edged.fleet.parcels import Parcel
from edged.ports import NotFound, PortError, Refused
from edged.vocabulary.actions import ReadOut


class Engine:
    def __init__(self, text: bytes) -> None:
        self.text, self.asked = text, list[Any]()

    def logs(self, container_id: str, lines: int, max_bytes: int, timeout: float, since: float = 0.0) -> bytes:
        self.asked.append((container_id, lines, since))
        return self.text[-max_bytes:]


class Known:
    def status(self, app: str) -> bytes:
        return b'{"app":"%s"}' % app.encode()

    def report(self, since: float) -> bytes:
        return b'{"since":%d}' % since


class Backups:
    def listing(self, app: str) -> list[dict[str, Any]]:
        return [{"name": f"backup of {app}"}]


def tools(folder: Path, text: bytes = b"") -> Tools:
    none = cast(Any, None)
    return Tools(
        containers=cast(Any, Engine(text)), services=none, host=none, evidence=EvidenceFolder(folder, 10**7),
        artifacts=none, prober=none, own_config=none, readings=cast(Any, Known()), data=cast(Any, Backups()),
    )  # fmt: skip


def ask(what: Any, **more: Any) -> ReadOut:
    return ReadOut(id="read/1", subject="read/1", reason="r", timeout=5.0, what=what, **more)


def unpacked(result: dict[str, Any]) -> bytes:
    content = gzip.decompress(b"".join(base64.b64decode(piece) for piece in result["pieces"]))
    assert result["digest"] == f"sha256:{hashlib.sha256(content).hexdigest()}" and result["bytes"] == len(content)
    assert all(len(piece) < 64 * 1024 for piece in result["pieces"])
    return content


def noise(size: int) -> bytes:
    return b"\n".join(random.Random(n).randbytes(4000).hex().encode() for n in range(size // 8000))


def test_logs_are_packed_and_whole(tmp_path: Path) -> None:
    there = tools(tmp_path, b"one\ntwo\n")
    result = read_out(ask("logs", container_id="c", lines=7, since=3.5), there)
    assert unpacked(result) == b"one\ntwo\n" and not result["truncated"]
    assert cast(Engine, there.containers).asked == [("c", 7, 3.5)]


def test_long_logs_lose_their_beginning_in_whole_lines_and_say_so(tmp_path: Path) -> None:
    text = b"".join(b"%07d %s\n" % (number, b"x" * 90) for number in range(20_000))
    result = read_out(ask("logs", container_id="c", lines=20_000), tools(tmp_path, text))
    content = unpacked(result)
    assert result["truncated"] and MOST_LOGS - 200 < len(content) <= MOST_LOGS
    assert content.endswith(text[-100:]) and content[:7].isdigit()


def test_what_cannot_be_compressed_still_fits() -> None:
    content = b"\n".join(random.Random(n).randbytes(2000).replace(b"\n", b" ") for n in range(700))
    result = pack(content, "text/plain", cut=True)
    packed = sum(len(base64.b64decode(piece)) for piece in result["pieces"])
    assert result["truncated"] and packed <= MOST_PACKED and content.endswith(unpacked(result))
    assert len(result["pieces"]) == -(-packed // PIECE) > 20
    with pytest.raises(TooLarge, match="at most"):
        pack(content, "text/plain")


def test_the_console_puts_the_pieces_together() -> None:
    content = noise(400_000)
    result = pack(content, "text/plain")
    parcel, count = Parcel(), len(result["pieces"])
    assert count > 3
    for number, data in enumerate(result["pieces"]):
        told = {"phase": "data", "encoding": "gzip+base64", "chunk": number, "chunks": count, "data": data}
        assert parcel.take(Answer(device="d", id="i", type="logs.get", state="running", phase="data", result=told))
    assert parcel.open({"digest": result["digest"], "bytes": result["bytes"], "chunks": count}) == content


def test_status_and_report_are_what_edged_knows(tmp_path: Path) -> None:
    assert unpacked(read_out(ask("backups", app="a"), tools(tmp_path))) == b'[{"name":"backup of a"}]'
    assert unpacked(read_out(ask("status", app="a"), tools(tmp_path))) == b'{"app":"a"}'
    assert unpacked(read_out(ask("report", since=60.0), tools(tmp_path))) == b'{"since":60}'


@pytest.fixture
def kept(tmp_path: Path) -> Tools:
    there = tools(tmp_path / "evidence")
    for name in ("a-2-9", "a-2-10", "a-1-99", "a-b-3-1", "ab-7-7"):
        there.evidence.save(name, {"name": name})
    (tmp_path / "secret.json.gz").write_bytes(gzip.compress(b'"secret"'))
    return there


def evidence(there: Tools, app: str = "", which: str = "") -> bytes:
    return unpacked(read_out(ask("evidence", app=app, which=which), there))


def test_evidence_by_name_by_path_and_the_apps_latest(kept: Tools, tmp_path: Path) -> None:
    assert evidence(kept, "a") == b'{"name":"a-2-10"}', "the highest run, then the highest number"
    assert evidence(kept, "a-b") == b'{"name":"a-b-3-1"}', "and of no app with a longer name"
    assert evidence(kept, which="a-2-9") == b'{"name":"a-2-9"}'
    path, _, _ = kept.evidence.save("a-3-1", {})
    assert evidence(kept, which=path) == b"{}"


@pytest.mark.parametrize(
    "which",
    ["../secret", "../secret.json.gz", "/etc/passwd", "./a-2-9", "x/../a-2-9", ".hidden", "a\0b", "a-2-9/", "", "a\n"],
)
def test_nothing_else_can_be_read(kept: Tools, which: str) -> None:
    with pytest.raises(PortError) as caught:
        evidence(kept, "nobody", which)
    assert isinstance(caught.value, Refused if which else NotFound)


def test_no_link_is_followed(kept: Tools, tmp_path: Path) -> None:
    (tmp_path / "evidence" / "link.json.gz").symlink_to(tmp_path / "secret.json.gz")
    with pytest.raises(PortError, match="cannot read"):
        evidence(kept, which="link")


def test_damaged_and_endless_records_are_refused(kept: Tools, tmp_path: Path) -> None:
    folder = tmp_path / "evidence"
    (folder / "cut.json.gz").write_bytes(gzip.compress(noise(100_000))[:-20])
    (folder / "bad.json.gz").write_bytes(b"no gzip")
    (folder / "bomb.json.gz").write_bytes(gzip.compress(bytes(40 * 2**20)))
    for which, why in (("cut", "cut off"), ("bad", "damaged"), ("bomb", "larger than"), ("gone", "any more")):
        with pytest.raises(PortError, match=why):
            evidence(kept, which=which)
