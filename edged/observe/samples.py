"""One line of the Prometheus text format or of OpenMetrics: name, labels, value. Pure."""

from __future__ import annotations

import re
from typing import NamedTuple

_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABEL = re.compile(r'[ \t]*([a-zA-Z_][a-zA-Z0-9_]*)[ \t]*=[ \t]*"([^"\\]*(?:\\.[^"\\]*)*)"[ \t]*(,|(?=\}))')
_CLOSE = re.compile(r"[ \t]*\}")
_ESCAPED = re.compile(r"\\(.)")
_NUMBER = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|[-+]?inf(?:inity)?|nan", re.IGNORECASE)
MOST_LABELS = 100


class Malformed(Exception):
    """Not a line of that format. The message is a part of a sentence."""


class Sample(NamedTuple):
    name: str
    labels: dict[str, str]
    value: float


def sample(line: str) -> Sample:
    """Reads one line; timestamps and exemplars are passed over. Raises ``Malformed``."""
    name = _NAME.match(line)
    if name is None:
        raise Malformed("no metric name")
    at, labels = name.end(), dict[str, str]()
    while line[at : at + 1] in (" ", "\t"):
        at += 1
    if line[at : at + 1] == "{":
        labels, at = _labels(line, at + 1)
    elif at == name.end():
        raise Malformed("no value")
    words = line[at:].partition("#")[0].split()
    if not 1 <= len(words) <= 2:
        raise Malformed("no value" if not words else "more than a value and a time")
    return Sample(name[0], labels, _numbers(words))


def _labels(line: str, at: int) -> tuple[dict[str, str], int]:
    """The labels and where the value begins."""
    labels: dict[str, str] = {}
    while (close := _CLOSE.match(line, at)) is None:
        label = _LABEL.match(line, at)
        if label is None or len(labels) >= MOST_LABELS:
            raise Malformed("broken labels" if label is None else f"more than {MOST_LABELS} labels")
        if label[1] in labels:
            raise Malformed(f"the label {label[1]} twice")
        labels[label[1]] = _ESCAPED.sub(_unescaped, label[2]) if "\\" in label[2] else label[2]
        at = label.end()
    return labels, close.end()


def _unescaped(found: re.Match[str]) -> str:
    return {"n": "\n", '"': '"', "\\": "\\"}.get(found[1], found[0])


def _numbers(words: list[str]) -> float:
    """The value; a time behind it must be a number, too."""
    value, *_ = [_number(word) for word in words]
    return value


def _number(word: str) -> float:
    # Not float() alone, which takes 1_000 and digits of other scripts.
    if _NUMBER.fullmatch(word) is None:
        raise Malformed("no number as its value")
    return float(word)
