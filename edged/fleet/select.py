"""Which devices are meant. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from .devices import Device


class BadSelection(ValueError):
    """The message is for the operator."""


def parse_labels(texts: Iterable[str]) -> dict[str, str]:
    """``["site=plant-a,line=3"]`` -> labels that must all be there. Raises ``BadSelection``."""
    labels: dict[str, str] = {}
    for part in (part.strip() for text in texts for part in text.split(",")):
        key, equals, value = part.partition("=")
        if not key or not equals:
            raise BadSelection(f"{part!r} is no label; write them like --labels site=plant-a,line=3")
        if labels.get(key, value) != value:
            raise BadSelection(f"the label {key} cannot be {labels[key]!r} and {value!r} at once")
        labels[key] = value
    return labels


def matches(labels: Mapping[str, str], device: Device) -> bool:
    """All of ``labels`` are the device's own. None at all: every device."""
    own = device.labels
    return all(own.get(key) == value for key, value in labels.items())
