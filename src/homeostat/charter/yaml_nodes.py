"""A charter's YAML as a tree of nodes that know their lines, read by the rules of YAML 1.2.

YAML 1.2 (core schema), not 1.1: ``yes``, ``no``, ``on``, ``off`` and ``2024-01-01`` are texts as written, so a class or a
column of that name stays itself; only ``true`` and ``false`` are truth values. Anchors' aliases, tags and deep nesting are refused:
a charter needs none of them, and they are how a small file becomes a huge one.
"""

from __future__ import annotations

import math
import re
import sys
from typing import TYPE_CHECKING, Any

import yaml

from homeostat.charter.violations import Loc, Violation
from homeostat.core.plain_yaml import PlainLoader, refused
from homeostat.errors import CharterError

if TYPE_CHECKING:
    from collections.abc import Iterator

TAG = "tag:yaml.org,2002:"
SCALARS = (
    ("bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")),
    ("null", re.compile(r"^(?:~|null|Null|NULL|)$"), ["~", "n", "N", ""]),
    ("int", re.compile(r"^[-+]?(?:0|[1-9][0-9]{0,99})$"), list("-+0123456789")),
    ("float", re.compile(r"^[-+]?(?:\.[0-9]+|[0-9]+\.[0-9]*|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?$"), list("-+.0123456789")),
)


class CharterLoader(PlainLoader):
    """The loader with the scalar types of YAML 1.2; used to compose nodes only."""

    yaml_implicit_resolvers = {}  # noqa: RUF012 - PyYAML's own way: add_implicit_resolver below fills this class's table, not its parent's
    deepest = 12

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """One node and what is below it; a charter has no tags."""
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        if getattr(event, "tag", None) is not None:
            raise refused(f"got the tag {event.tag.replace(TAG, '!!')}; a charter has none", event.start_mark)
        return super().compose_node(parent, index)


for _name, _pattern, _first in SCALARS:
    CharterLoader.add_implicit_resolver(TAG + _name, _pattern, _first)


def compose(text: str, name: str) -> yaml.MappingNode:
    """The file's root mapping.

    Raises:
        CharterError: HS102, not YAML, empty, more than one document, or not a mapping.
    """
    try:
        root = yaml.compose(text, Loader=CharterLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise not_yaml(_problem(error, text), name, mark.line + 1 if mark else 1) from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise not_yaml(f"got the character {error.character!r}, which YAML does not allow", name, line) from error
    if root is None:
        raise not_yaml("the file is empty; a charter holds at least name, problem, task, success and data", name, 1)
    if not isinstance(root, yaml.MappingNode):
        raise not_yaml(
            "a charter is a mapping of sections, such as `task:`; got "
            + ("a list" if isinstance(root, yaml.SequenceNode) else "one value"),
            name,
            1,
        )
    return root


def not_yaml(message: str, name: str, line: int) -> CharterError:
    """The error for text that is no charter at all."""
    step = "`homeostat init --from DATA --target COLUMN` writes a commented charter to start from"
    return CharterError("HS102", message, place=f"{name}:{line}", next_step=step)


def _problem(error: yaml.MarkedYAMLError, text: str) -> str:
    mark = error.problem_mark
    lines = text.splitlines()
    if mark is not None and mark.line < len(lines) and lines[mark.line][: mark.column + 1].endswith("\t"):
        return "got a tab; YAML indents with spaces"
    return " ".join(part for part in (error.context, error.problem) if part) or "not YAML"


def plain(node: yaml.Node) -> Any:
    """The node as dicts, lists and scalars. Keys are texts as written; of a repeated key the first value counts."""
    if isinstance(node, yaml.MappingNode):
        values: dict[str, Any] = {}
        for key, value in node.value:
            values.setdefault(_key(key), plain(value))
        return values
    if isinstance(node, yaml.SequenceNode):
        return [plain(item) for item in node.value]
    return _scalar(node.tag.removeprefix(TAG), node.value)


def _scalar(tag: str, text: str) -> Any:
    if tag == "null":
        return None
    if tag == "bool":
        return text.lower() == "true"
    if tag == "int":
        return int(text)
    if tag == "float" and math.isfinite(float(text)):
        return float(text)
    return text


def _key(node: yaml.Node) -> str:
    return node.value if isinstance(node, yaml.ScalarNode) else "<not a text>"


def malformed_keys(node: yaml.Node, at: Loc = ()) -> Iterator[tuple[Violation, int]]:
    """Keys written twice or that are no plain text, each with its line (counted from 1)."""
    if isinstance(node, yaml.MappingNode):
        first: dict[str, int] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            name = _key(key)
            if not isinstance(key, yaml.ScalarNode):
                yield Violation("HS102", at, "got a list or mapping as a key; a key is a plain text"), line
            elif name in first:
                yield Violation("HS102", (*at, name), f"written twice, first on line {first[name]}", "keep one of the two"), line
            first.setdefault(name, line)
            yield from malformed_keys(value, (*at, name))
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield from malformed_keys(item, (*at, index))


class CharterDumper(yaml.SafeDumper):
    """Quotes every text that YAML 1.1 or 1.2 would read as something else."""


for _name, _pattern, _first in SCALARS:
    CharterDumper.add_implicit_resolver(TAG + _name, _pattern, _first)


def dump(values: dict[str, Any]) -> str:
    """Plain values as block YAML, in the order given; ``plain(compose(...))`` reads the same values back."""
    return yaml.dump(values, Dumper=CharterDumper, sort_keys=False, allow_unicode=True, width=sys.maxsize)


def scalar(value: str | float) -> str:
    """One value on one line, quoted where it must be, in a list between brackets as well.

    >>> scalar("cnt"), scalar("no"), scalar("a, b: c"), scalar(0.2)
    ('cnt', "'no'", "'a, b: c'", '0.2')
    """
    style = '"' if isinstance(value, str) and not value.isprintable() else None
    text = yaml.dump([value], Dumper=CharterDumper, default_flow_style=True, default_style=style, allow_unicode=True, width=sys.maxsize)
    return str(text).strip()[1:-1]


def line_of(root: yaml.Node, loc: Loc) -> int:
    """The line (counted from 1) on which a clause is written; for one that is not there, its nearest parent's."""
    line = root.start_mark.line + 1 if loc else 1
    node = root
    for part in loc:
        found = _child(node, part)
        if found is None:
            break
        line, node = found
    return line


def _child(node: yaml.Node, part: str | int) -> tuple[int, yaml.Node] | None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if _key(key) == part:
                return key.start_mark.line + 1, value
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part].start_mark.line + 1, node.value[part]
    return None
