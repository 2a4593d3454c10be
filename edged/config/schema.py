"""The keys of the configuration, read off the types in ``model``."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from msgspec import NODEFAULT, Struct
from msgspec.inspect import DictType, Field, Metadata, NoneType, StructType, Type, UnionType, VarTupleType, type_info

from .model import Config

ANY = "*"


class Key(Struct, frozen=True, kw_only=True):
    """One key that may be written."""

    path: tuple[str, ...]
    """With ``*`` where an operator chooses the name."""
    title: str
    """What kind of value, for those that are more than a plain one: ``duration``, ``size``, ``secret`` …"""
    section: bool
    """Holds further keys."""
    required: bool
    default: Any

    @property
    def dotted(self) -> str:
        return ".".join(self.path)


@lru_cache
def keys(root: type[Struct] = Config) -> tuple[Key, ...]:
    """Every key under ``root`` in the order of the types, sections before what they hold."""
    return tuple(_struct(described(root), ()))


def title(kind: Type) -> str:
    """The title given in the annotation, or nothing."""
    if isinstance(kind, Metadata):
        return str((kind.extra_json_schema or {}).get("title", ""))
    return ""


def bare(kind: Type) -> Type:
    """The type without its annotation."""
    return kind.type if isinstance(kind, Metadata) else kind


def choices(kind: Type) -> tuple[Type, ...]:
    """The members of a union; any other type alone."""
    inner = bare(kind)
    return inner.types if isinstance(inner, UnionType) else (kind,)


def fields(kind: StructType) -> tuple[Field, ...]:
    """The fields that are keys; some are only for the program itself."""
    return tuple(field for field in kind.fields if not _internal(field.type))


@lru_cache
def described(cls: Any) -> Type:
    """``type_info``, which takes milliseconds, once."""
    return type_info(cls)


def default_of(field: Field) -> Any:
    """The default as a value; ``None`` when there is none to show."""
    if field.default_factory is not NODEFAULT:
        return field.default_factory()
    return None if field.default is NODEFAULT else field.default


def matches(path: tuple[str, ...], pattern: tuple[str, ...]) -> bool:
    """Whether ``path`` is what ``pattern`` stands for. A free name as the last part may contain dots."""
    if len(path) < len(pattern) or (len(path) > len(pattern) and pattern[-1] != ANY):
        return False
    return all(want in (ANY, got) for got, want in zip(path, pattern, strict=False))


def _struct(kind: Type, path: tuple[str, ...]) -> Iterator[Key]:
    if not isinstance(kind, StructType):
        return
    for field in fields(kind):
        here = (*path, field.encode_name)
        below = [key for choice in choices(field.type) for key in _below(choice, here)]
        yield Key(
            path=here,
            title=title(field.type),
            # `container` takes a plain name as well as a mapping: that is no section.
            section=bool(below) and all(_holds(choice) for choice in choices(field.type)),
            required=field.required,
            default=default_of(field),
        )
        yield from below


def _below(kind: Type, path: tuple[str, ...]) -> Iterator[Key]:
    inner = bare(kind)
    if isinstance(inner, DictType):
        path = (*path, ANY)
        inner = bare(inner.value_type)
    if isinstance(inner, VarTupleType):
        for choice in choices(inner.item_type):
            yield from _struct(bare(choice), (*path, ANY))
    yield from _struct(inner, path)


def _internal(kind: Type) -> bool:
    return isinstance(kind, Metadata) and bool((kind.extra or {}).get("internal"))


def _holds(kind: Type) -> bool:
    return isinstance(bare(kind), StructType | DictType | NoneType)
