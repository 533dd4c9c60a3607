"""What a charter says as plain values fit to be kept and shown, and what changed between two of them, clause by clause."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from homeostat.core.addresses import without_secrets

if TYPE_CHECKING:
    from homeostat.charter.schema import Charter

ABSENT = "-"


@dataclass(frozen=True, slots=True)
class Change:
    """One clause that differs: its old and its new value as people read them; ``-`` where there is none."""

    clause: str
    old: str
    new: str

    def line(self) -> str:
        """``success.threshold: 60 -> 55``."""
        return f"{self.clause}: {self.old} -> {self.new}"


def content_of(charter: Charter) -> dict[str, Any]:
    """Every clause as plain values, without the passwords of the addresses."""
    return dict(_hidden(charter.model_dump(mode="json")))


def _hidden(value: Any) -> Any:
    if isinstance(value, str):
        return without_secrets(value)
    if isinstance(value, Mapping):
        return {key: _hidden(inner) for key, inner in value.items()}
    return [_hidden(inner) for inner in value] if isinstance(value, list) else value


def changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[Change, ...]:
    """The clauses that differ between two contents, in the order of the new one; clauses that are gone come last.

    Sections and lists of sections are compared clause by clause, lists of plain values as a whole.

    >>> [one.line() for one in changes({"a": {"b": 1, "c": [1]}}, {"a": {"b": 2, "c": [1]}, "d": None})]
    ['a.b: 1 -> 2']
    """
    before, after = dict(flat(old)), dict(flat(new))
    names = [*after, *(name for name in before if name not in after)]
    pairs = [(name, text_of_value(before.get(name)), text_of_value(after.get(name))) for name in names]
    return tuple(Change(*pair) for pair in pairs if pair[1] != pair[2])


def flat(value: Any, at: str = "") -> Iterator[tuple[str, Any]]:
    """Clauses with their values: ``learning.windows[1].kind``; a list of plain values is one clause, so is what is empty."""
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from flat(inner, f"{at}.{key}" if at else str(key))
    elif isinstance(value, list) and any(isinstance(inner, Mapping) for inner in value):
        for index, inner in enumerate(value):
            yield from flat(inner, f"{at}[{index}]")
    else:
        yield at, value


def text_of_value(value: Any) -> str:
    """A clause's value on one line; ``-`` for none.

    >>> text_of_value(None), text_of_value(["a", "b"]), text_of_value(True), text_of_value(0.5), text_of_value({"a": 1})
    ('-', '[a, b]', 'true', '0.5', '{a: 1}')
    """
    if value is None or value in ([], {}):
        return ABSENT
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return f"[{', '.join(text_of_value(inner) for inner in value)}]"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{key}: {text_of_value(inner)}' for key, inner in value.items())}}}"
    return f"{value:g}" if isinstance(value, float) else " ".join(str(value).split())
