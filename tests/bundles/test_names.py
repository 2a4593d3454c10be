"""File names: each kind of bad one is refused, and what is ordinary is not."""

from __future__ import annotations

import pytest

from edged.bundles import BundleRefused
from edged.bundles.names import check_distinct, check_path

BAD = [
    "", "/etc/passwd", "//x", "..", "../x", "a/../b", "a/..", ".", "./a", "a//b", "a/", "a/./b", "a\\b", "..\\x",
    "C:/x", "c:x",
    "a\0b", "a\nb", "a\x1b[31m", "a\x7f", "a\u202eb", "a\u200bb", "\udcff", "a" * 201, "/".join("a" * 17),
    "a/" * 15 + "b" * 990, "manifest.json", "manifest.sig", "MANIFEST.json", "manifest.json/x", "a ",
    " a", "a./b", "a.",
]  # fmt: skip


@pytest.mark.parametrize("path", BAD, ids=ascii)
def test_bad_names(path: str) -> None:
    with pytest.raises(BundleRefused) as caught:
        check_path(path)
    assert caught.value.code == "path"
    assert str(caught.value).isprintable() and len(str(caught.value)) < 200


@pytest.mark.parametrize(
    "path", ["a", "model.onnx", "weights/part-0.bin", ".hidden", "größe.bin", "a b", "sub/manifest.json"]
)
def test_good_names(path: str) -> None:
    assert check_path(path) == tuple(path.split("/"))


@pytest.mark.parametrize(
    "paths",
    [("a", "a"), ("a", "A"), ("ﬁ", "fi"), ("é", "e\u0301"), ("ß", "SS"), ("a", "a/b"), ("a/b", "A"), ("a/x", "A/y"),
     ("d/a/x", "d/A/x")],
)  # fmt: skip
def test_collisions(paths: tuple[str, ...]) -> None:
    with pytest.raises(BundleRefused) as caught:
        check_distinct(paths)
    assert caught.value.code == "path"


def test_distinct() -> None:
    check_distinct(["a", "b/a", "b/c", "é"])
    assert check_path("b/c") == ("b", "c")
