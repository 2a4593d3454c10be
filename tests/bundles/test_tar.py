"""Archives: what common programs write is read, what two programs might read in two ways is refused."""

from __future__ import annotations

import io
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from edged.bundles import BundleRefused, Rules, open_source, verify

from .maker import EXAMPLE, dump, manifest, pack, write

FILES = {"c.yaml": b"a: 1\n", "sub/d.txt": b"d" * 1000}
ALL = {"manifest.json": dump(manifest(FILES))} | FILES
LONG = {"x" * 150 + "/" + "y" * 150: b"long"}


def refusal(path: Path, data: bytes) -> str:
    path.write_bytes(data)
    with pytest.raises(BundleRefused) as caught, open_source(path) as source:
        verify(source, Rules())
    return caught.value.code


def with_member(change: Callable[[tarfile.TarInfo], None], data: bytes = b"") -> bytes:
    buffer = io.BytesIO(pack(ALL))
    with tarfile.open(fileobj=buffer, mode="a") as archive:
        info = tarfile.TarInfo("extra")
        info.size = len(data)
        change(info)
        archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def header(data: bytes, start: int, field: bytes) -> bytes:
    """The archive with a field of its first header replaced and the sum made right again."""
    raw = bytearray(data)
    raw[start : start + len(field)] = field
    raw[148:156] = b" " * 8
    raw[148:156] = b"%06o\0 " % sum(raw[:512])
    return bytes(raw)


@pytest.mark.parametrize("form", ["gnu", "pax", "ustar", "v7"])
@pytest.mark.parametrize("top", [True, False])
def test_what_tar_writes(tmp_path: Path, form: str, top: bool) -> None:
    bundle = write(tmp_path / "b", FILES if form in ("ustar", "v7") else FILES | LONG)
    where = ("-C", str(tmp_path), "b") if top else ("-C", str(bundle), ".")
    subprocess.run(["tar", f"--format={form}", "-cf", str(tmp_path / "b.tar"), *where], check=True)
    with open_source(tmp_path / "b.tar") as packed, open_source(bundle) as plain:
        assert verify(packed, Rules()) == verify(plain, Rules())
        assert packed.sizes == plain.sizes


def test_what_python_writes(tmp_path: Path) -> None:
    for form in (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT):
        with tarfile.open(tmp_path / "b.tar", "w", format=form) as archive:
            archive.add(EXAMPLE, "x")
        with open_source(tmp_path / "b.tar") as source:
            assert verify(source, Rules()).manifest.sequence == 1


def test_kinds(tmp_path: Path) -> None:
    path = tmp_path / "b.tar"

    def of(kind: bytes, link: str = "") -> bytes:
        def change(info: tarfile.TarInfo) -> None:
            info.type, info.linkname = kind, link

        return with_member(change)

    assert refusal(path, of(tarfile.SYMTYPE, "/etc/passwd")) == "link"
    assert refusal(path, of(tarfile.SYMTYPE, "/" + "l" * 300)) == "link"
    assert refusal(path, of(tarfile.LNKTYPE, "c.yaml")) == "link"
    for kind in (tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, tarfile.CONTTYPE, tarfile.GNUTYPE_SPARSE):
        assert refusal(path, of(kind)) == "special_file"
    assert refusal(path, of(b"V")) == "malformed_archive"
    with_folder = with_member(lambda info: setattr(info, "type", tarfile.DIRTYPE))
    path.write_bytes(with_folder)
    with open_source(path) as source:
        assert source.sizes.keys() == FILES.keys()


@pytest.mark.parametrize("name", ["../../x", "/x", "a/../../x", "a\\b", "\udcff", "x\n", "manifest.json/x", "./../x"])
def test_names(tmp_path: Path, name: str) -> None:
    assert refusal(tmp_path / "b.tar", pack(ALL | {name: b""})) == "path"


def test_twice(tmp_path: Path) -> None:
    twice = with_member(lambda info: setattr(info, "name", "c.yaml"))
    assert refusal(tmp_path / "b.tar", twice) == "path"
    assert refusal(tmp_path / "b.tar", with_member(lambda info: setattr(info, "name", "./manifest.json"))) == "path"


def test_pax_headers(tmp_path: Path) -> None:
    path = tmp_path / "b.tar"

    def of(**headers: str) -> bytes:
        return with_member(lambda info: info.pax_headers.update(headers))

    assert refusal(path, of(path="../up")) == "path"
    assert refusal(path, of(path="/etc/x")) == "path"
    assert refusal(path, of(comment="x", mtime="1.5")) == "unlisted_file"
    assert refusal(path, of(size="-1")) == "malformed_archive"
    assert refusal(path, of(size="99999999999")) == "malformed_archive"
    assert refusal(path, of(**{"GNU.sparse.major": "1", "GNU.sparse.realsize": "1"})) == "special_file"
    assert refusal(path, of(comment="x" * 70_000)) == "malformed_archive"
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", pax_headers={"path": "c.yaml"}) as archive:
        archive.addfile(tarfile.TarInfo("x"))
    assert refusal(path, buffer.getvalue()) == "malformed_archive"


def test_lying_headers(tmp_path: Path) -> None:
    path = tmp_path / "b.tar"
    good = pack(ALL)
    for field in (
        b"77777777777\0", b"\x80" + b"\0" * 3 + b"\x7f" * 8, b"\xff" * 12, b"-0000000001\0", b"zz",
        b"\x81" + b"\0" * 11,
    ):  # fmt: skip
        assert refusal(path, header(good, 124, field)) == "malformed_archive"
    assert refusal(path, header(good, 124, b"\x80" + len(ALL["manifest.json"]).to_bytes(11, "big")) + b"x") != ""
    broken = bytearray(good)
    broken[0] ^= 1
    assert refusal(path, bytes(broken)) == "malformed_archive"


def test_ends(tmp_path: Path) -> None:
    path = tmp_path / "b.tar"
    good = pack(ALL)
    for data in (b"", b"x", b"x" * 1024, good[:700], good[:-10240], good + b"x", good + b"\0" * (2**20 + 1)):
        assert refusal(path, data) == "malformed_archive"
    assert refusal(path, b"\0" * 1024) == "missing_file"
    import gzip

    assert refusal(path, gzip.compress(good)) == "malformed_archive"
    path.write_bytes(good + b"\0" * 10240)
    with open_source(path) as source:
        assert verify(source, Rules()).manifest.name == "b"


def test_many(tmp_path: Path) -> None:
    assert refusal(tmp_path / "b.tar", pack({f"f{n}": b"" for n in range(1010)})) == "too_many_files"
