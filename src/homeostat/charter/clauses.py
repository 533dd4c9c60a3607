"""The clauses a charter can hold, read off its schema: which section a place is in, and what a misspelt clause was meant to be."""

from __future__ import annotations

from difflib import get_close_matches
from types import UnionType
from typing import TYPE_CHECKING, Any, Union, get_args, get_origin

from homeostat.charter.schema import Charter
from homeostat.charter.violations import Loc, clause
from homeostat.core.sections import Section

if TYPE_CHECKING:
    from collections.abc import Iterator


def section_at(loc: Loc) -> type[Section] | None:
    """The section class at a place, None when the place holds a single value, a free mapping, or does not exist."""
    found = _step(Charter, loc)
    return found if isinstance(found, type) and issubclass(found, Section) else None


def trim(loc: Loc) -> Loc:
    """The part of a validation error's place that a person wrote: without the schema's own steps, such as a union's branch."""
    for end in range(len(loc)):
        if isinstance(loc[end], str) and section_at(loc[:end]) is None and not _is(loc[:end], dict):
            return loc[:end]
        if isinstance(loc[end], int) and not _is(loc[:end], tuple):
            return loc[:end]
    return loc


def describe(loc: Loc) -> str:
    """The schema's description of a clause, empty when it has none."""
    section = section_at(loc[:-1]) if loc else None
    info = section.model_fields.get(str(loc[-1])) if section else None
    return (info.description or "") if info else ""


def meant(loc: Loc) -> str:
    """The known clause nearest to an unknown one: a slip of spelling in the same section, one of its name elsewhere, or what is like it."""
    section, name = section_at(loc[:-1]), str(loc[-1])
    slip, alike = (get_close_matches(name, section.model_fields, n=1, cutoff=share) if section else [] for share in (0.8, 0.6))
    elsewhere = [path for path in _paths() if path.rpartition(".")[2] == name]
    if elsewhere and not slip:
        return elsewhere[0]
    return clause((*loc[:-1], alike[0])) if alike else ""


def _paths(section: type[Section] = Charter, at: str = "") -> Iterator[str]:
    for name, info in section.model_fields.items():
        yield at + name
        kind = _of_class(info.annotation, Section)
        if kind is not None:
            yield from _paths(kind, f"{at}{name}.")


def every_clause(section: type[Section] = Charter, at: str = "") -> Iterator[str]:
    """Every clause that holds a value, not further clauses, in the order of the schema.

    An item of a list of sections is written ``[]`` and any key of a mapping of sections ``*``: ``learning.windows[].kind``,
    ``data.tables.*.source``.
    """
    for name, info in section.model_fields.items():
        here, annotation = f"{at}{name}", _plain(info.annotation)
        inner, mark = annotation, ""
        if get_origin(annotation) in (tuple, dict):
            inner, mark = (
                get_args(annotation)[-1 if get_origin(annotation) is dict else 0],
                ".*" if get_origin(annotation) is dict else "[]",
            )
        kind = _of_class(inner, Section)
        if kind is None:
            yield here
        else:
            yield from every_clause(kind, f"{here}{mark}.")


def _step(annotation: Any, loc: Loc) -> Any:
    """The annotation at a place below another annotation; None when there is none."""
    for part in loc:
        section = _of_class(annotation, Section)
        if section is not None:
            info = section.model_fields.get(str(part))
            annotation = info.annotation if info else None
        elif _origin(annotation) in (tuple, dict):
            annotation = get_args(_plain(annotation))[0 if isinstance(part, int) else 1]
        else:
            return None
    return _of_class(annotation, Section) or annotation


def _is(loc: Loc, kind: type) -> bool:
    return _origin(_step(Charter, loc)) is kind


def _origin(annotation: Any) -> Any:
    return get_origin(_plain(annotation))


def _plain(annotation: Any) -> Any:
    """The annotation without ``| None``."""
    if get_origin(annotation) in (Union, UnionType):
        rest = [one for one in get_args(annotation) if one is not type(None)]
        return rest[0] if len(rest) == 1 else annotation
    return annotation


def _of_class(annotation: Any, kind: type[Section]) -> type[Section] | None:
    plain = _plain(annotation)
    return plain if isinstance(plain, type) and issubclass(plain, kind) else None
