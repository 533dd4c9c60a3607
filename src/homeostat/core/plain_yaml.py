"""YAML as plain data: no aliases, no endless nesting, no half characters, so that a small file stays small and a text can be printed."""

from __future__ import annotations

from typing import Any, ClassVar

import yaml


def refused(problem: str, mark: Any) -> yaml.MarkedYAMLError:
    """The error for YAML that is well formed and still not taken."""
    return yaml.MarkedYAMLError(problem=problem, problem_mark=mark)


class PlainLoader(yaml.SafeLoader):
    """PyYAML's safe loader within limits. A key written twice is refused when a mapping is constructed."""

    deepest: ClassVar[int] = 40
    _depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """One node and what is below it."""
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent):
            raise refused(f"got the alias *{event.anchor}; write the value out", event.start_mark)
        if self._depth >= self.deepest:
            raise refused(f"got more than {self.deepest} levels of nesting", event.start_mark)
        self._depth += 1
        node = super().compose_node(parent, index)
        self._depth -= 1
        if isinstance(node, yaml.ScalarNode):
            node.value = _whole(node)
        return node

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        """A mapping whose keys are written once."""
        first: dict[str, int] = {}
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if key.value in first:
                raise refused(f"got {key.value!r} twice, first on line {first[key.value]}; keep one of the two", key.start_mark)
            first[key.value] = key.start_mark.line + 1
        found: dict[Any, Any] = super().construct_mapping(node, deep=deep)
        return found


def _whole(node: yaml.ScalarNode) -> str:
    r"""The text with characters that JSON writes as two escapes, such as ``\ud83d\udeb2``, put together."""
    text: str = node.value
    try:
        return text.encode("utf-16", "surrogatepass").decode("utf-16")
    except UnicodeDecodeError:
        raise refused("got half a character: an escape from \\ud800 to \\udfff without its other half", node.start_mark) from None
