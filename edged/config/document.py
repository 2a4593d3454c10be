"""From a file's bytes to a tree. Bounded in every direction: a hostile or broken file costs little and says why."""

from __future__ import annotations

import re
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import Any, NoReturn

from .problem import ConfigError, Problem
from .tree import Entry, Items, Node, Scalar, Table

MAX_BYTES = 2**20
MAX_DEPTH = 32
MAX_NODES = 100_000

_TAG = "tag:yaml.org,2002:"
_MERGE = _TAG + "merge"
# Plain values: what the implicit rules of YAML 1.1 give them. Their text counts here, not their YAML type.
_PLAIN_TAGS = frozenset(
    _TAG + name for name in ("str", "int", "float", "bool", "null", "timestamp", "value", "merge", "map", "seq")
)
# What YAML does not allow in a stream. Libraries disagree on how to report it, so it is looked for first.
_FORBIDDEN = re.compile("[^\x09\x0a\x0d\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def read_bytes(path: Path) -> bytes:
    """The file's content, or ``ConfigError``."""
    file = str(path)
    try:
        mode = path.stat().st_mode
        if S_ISDIR(mode):
            _fail(file, "is a folder, not a file")
        if not S_ISREG(mode):
            # A pipe without a writer would block for ever, a device might never end.
            _fail(file, "is not a regular file")
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except FileNotFoundError:
        _fail(file, "there is no such file")
    except OSError as error:
        _fail(file, f"cannot be read: {error.strerror}")
    except ValueError:
        _fail(file, "is not a usable path")
    if len(data) > MAX_BYTES:
        _fail(file, "is larger than 1MiB")
    return data


def parse(data: bytes, file: str) -> Table:
    """The tree in ``data``. An empty file is an empty table."""
    text = _decode(data, file)
    # Imported here: parsing a file is rare, importing this package is not.
    import yaml

    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        _measure(yaml, text, loader, file)
        root = yaml.compose(text, Loader=loader)
    except yaml.YAMLError as error:
        _syntax_error(yaml, error, file)
    if root is None or root.tag == _TAG + "null":
        return Table(entries=())
    tree = _Converter(yaml, file).convert(root)
    if not isinstance(tree, Table):
        what = "list" if isinstance(tree, Items) else "single value"
        _fail(file, f"the file holds a {what}; it should hold `key: value` lines", tree.line, tree.column)
    if tree.tagged:
        _fail(file, "the file as a whole carries a YAML tag", tree.line, tree.column, "remove the !tag")
    return tree


def _decode(data: bytes, file: str) -> str:
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        _fail(file, "is UTF-16", hint="save it as UTF-8")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        column = error.start - data.rfind(b"\n", 0, error.start)
        _fail(file, "is not UTF-8", line, column, hint="save it as UTF-8")
    if found := _FORBIDDEN.search(text):
        line = text.count("\n", 0, found.start()) + 1
        column = found.start() - text.rfind("\n", 0, found.start())
        _fail(file, f"holds the control character U+{ord(found[0]):04X}", line, column)
    return text


def _measure(yaml: Any, text: str, loader: Any, file: str) -> None:
    """Refuses depth and mass before anything recursive runs; events are produced one by one, without recursion."""
    depth = nodes = 0
    for event in yaml.parse(text, Loader=loader):
        if isinstance(event, yaml.NodeEvent):
            nodes += 1
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MAX_DEPTH:
            mark = event.start_mark
            _fail(file, f"is nested deeper than {MAX_DEPTH} levels", mark.line + 1, mark.column + 1)
        if nodes > MAX_NODES:
            _fail(file, f"holds more than {MAX_NODES} values", event.start_mark.line + 1)


class _Converter:
    """YAML nodes to ours. Shared nodes (aliases) are converted once, so an alias bomb stays small."""

    def __init__(self, yaml: Any, file: str) -> None:
        self.yaml = yaml
        self.file = file
        self.done: dict[int, Node] = {}
        self.open: set[int] = set()
        self.merged = 0

    def convert(self, node: Any) -> Node:
        key = id(node)
        if key in self.done:
            return self.done[key]
        line, column = node.start_mark.line + 1, node.start_mark.column + 1
        if key in self.open:
            _fail(self.file, "contains itself through an alias", line, column)
        self.open.add(key)
        tagged = node.tag not in _PLAIN_TAGS
        tree: Node
        if isinstance(node, self.yaml.ScalarNode):
            null = node.tag == _TAG + "null"
            tree = Scalar(
                text=node.value, null=null, several_lines=_long(node), tagged=tagged, line=line, column=column
            )
        elif isinstance(node, self.yaml.SequenceNode):
            items = tuple(self.convert(item) for item in node.value)
            tree = Items(items=items, tagged=tagged, line=line, column=column)
        else:
            tree = Table(entries=self.entries(node), tagged=tagged, line=line, column=column)
        self.open.discard(key)
        self.done[key] = tree
        return tree

    def entries(self, node: Any) -> tuple[Entry, ...]:
        own: list[Entry] = []
        inherited: list[Table] = []
        for key, value in node.value:
            line, column = key.start_mark.line + 1, key.start_mark.column + 1
            if not isinstance(key, self.yaml.ScalarNode) or key.tag not in _PLAIN_TAGS or _long(key):
                _fail(self.file, "a key must be plain text", line, column, "is this an unfilled template?")
            tree = self.convert(value)
            if key.tag == _MERGE:
                inherited += self.parents(tree, line, column)
            else:
                own.append(Entry(key=key.value, value=tree, line=line, column=column))
        taken = {entry.key for entry in own}
        for parent in inherited:
            # Entries are counted: merging chains of merges grows with the square of the file.
            self.merged += len(parent.entries)
            if self.merged > MAX_NODES:
                _fail(self.file, "merges too much with `<<`", node.start_mark.line + 1)
            own += (entry for entry in parent.entries if entry.key not in taken)
            taken.update(entry.key for entry in parent.entries)
        return tuple(own)

    def parents(self, tree: Node, line: int, column: int) -> list[Table]:
        found = tree.items if isinstance(tree, Items) else (tree,)
        tables = [item for item in found if isinstance(item, Table)]
        if len(tables) != len(found):
            _fail(self.file, "`<<` must name a mapping", line, column, "write it like <<: *name")
        return tables


def _long(node: Any) -> bool:
    return bool(node.end_mark.line > node.start_mark.line)


def _syntax_error(yaml: Any, error: Any, file: str) -> NoReturn:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
    # Longer words in quotes are taken from the file and may be part of a password.
    detail = re.sub(r"'[^'\s<>]{3,}'", "…", getattr(error, "problem", None) or "cannot be read")
    hint = ""
    if "single document" in str(getattr(error, "context", "")):
        detail = "holds more than one document"
        hint = "remove the `---` line"
    elif "alias" in detail:
        detail, hint = "this alias is not defined", "put quotes around a value that begins with *"
    elif "cannot start any token" in detail:
        hint = "indent with spaces, not tabs; put quotes around a value that begins with a special character"
    elif "mapping values are not allowed" in detail:
        hint = "check the indentation; put quotes around a value that contains `: `"
    _fail(file, f"is not valid YAML: {detail}", line, column, hint)


def _fail(file: str, reason: str, line: int = 0, column: int = 0, hint: str = "") -> NoReturn:
    raise ConfigError((Problem(file=file, line=line, column=column, reason=reason, hint=hint),))
