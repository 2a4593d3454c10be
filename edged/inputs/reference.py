"""``reference.json``: bytes to a reference that can be counted against, and back."""

from __future__ import annotations

import hashlib
from itertools import pairwise
from math import isfinite

import msgspec

from ..vocabulary.drift import FeatureReference, Reference

MOST_BYTES = 2 * 2**20
MOST_FEATURES = 256
MOST_BINS = 65
MOST_NAME = 128
_NEARLY = 1e-6


def encode(reference: Reference) -> bytes:
    """As JSON that people can read, the same for the same reference."""
    return msgspec.json.format(msgspec.json.encode(reference), indent=1) + b"\n"


def digest_of(reference: Reference) -> str:
    """``sha256:`` and the hex digest of what it says, however it was written."""
    return "sha256:" + hashlib.sha256(msgspec.json.encode(reference)).hexdigest()


def decode(data: bytes) -> Reference:
    """Raises ``ValueError`` with words for a person."""
    if len(data) > MOST_BYTES:
        raise ValueError(f"has more than {MOST_BYTES} bytes")
    try:
        reference = msgspec.json.decode(data, type=Reference)
    except (msgspec.MsgspecError, RecursionError, ValueError) as error:
        raise ValueError(f"cannot be read: {str(error)[:200]}") from None
    check(reference)
    return reference


def check(reference: Reference) -> None:
    """Raises ``ValueError`` when its parts do not go together."""
    names = [one.name for one in reference.features]
    if not names:
        raise ValueError("describes no feature")
    if len(names) > MOST_FEATURES:
        raise ValueError(f"describes {len(names)} features; at most {MOST_FEATURES} are counted")
    if len(set(names)) < len(names):
        raise ValueError("describes a feature twice")
    if len(reference.without or ()) > MOST_FEATURES or any(len(name) > MOST_NAME for name in reference.without or ()):
        raise ValueError(f"leaves out more than {MOST_FEATURES} columns, or one with a name that is too long")
    for one in reference.features:
        if not one.name or len(one.name) > MOST_NAME or not one.name.isprintable():
            raise ValueError("has a feature whose name cannot be used")
        if wrong := _wrong(one):
            raise ValueError(f"says of {one.name} what cannot be: {wrong}")


def _wrong(one: FeatureReference) -> str:
    numeric = one.kind == "numeric"
    bounds = one.edges if numeric else one.labels
    if (one.labels if numeric else one.edges) or (numeric and not one.edges):
        return "edges are for numbers, labels for categories"
    if len(bounds) >= MOST_BINS:
        return f"it has more than {MOST_BINS} bins"
    if len(one.shares) != len(bounds) + 1:
        return "there is one share more than edges or labels"
    if any(not 0.0 <= share <= 1.0 for share in (*one.shares, one.missing)):
        return "a share is from 0 to 1"
    if abs(sum(one.shares) - 1.0) > _NEARLY:
        return "the shares do not add up to 1"
    if any(later <= before for before, later in pairwise(one.edges)):
        return "the edges are not in order"
    if len(set(one.labels)) < len(one.labels):
        return "a label is given twice"
    figures = (*one.edges, one.mean, one.scale, one.low, one.high, one.autocorrelation)
    if not all(map(isfinite, figures)) or one.scale < 0.0 or one.low > one.high or abs(one.autocorrelation) > 1.0:
        return "mean, scale, low, high and autocorrelation do not go together"
    return "it was made of no values" if one.n < 1 else ""
