"""The columns a charter names, held against the columns the data has."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

from homeostat.charter.sql import columns_of
from homeostat.charter.violations import Loc, clause, shown
from homeostat.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from homeostat.charter.schema import Charter


def named_columns(charter: Charter) -> Iterator[tuple[Loc, str]]:
    """Every column of the main rows that the charter names, with the clause that names it; the targets first.

    A private column that is misspelt would go unprotected, so it must be there too; with further tables it may be one of theirs.
    """
    targets: dict[Loc, str] = {("objectives", index, "target"): each.target for index, each in enumerate(charter.objectives)}
    targets = targets or {("task", "target"): charter.task.target}
    intervals = charter.learning.intervals
    single: dict[Loc, str | None] = {
        **targets,
        ("task", "time"): charter.task.time,
        ("value", "amount"): charter.value.amount,
        ("success", "baseline", "column"): charter.success.baseline.column,
        ("preparation", "split", "group"): charter.preparation.split.group,
        ("learning", "intervals", "by"): None if intervals is None else intervals.by,
    }
    yield from ((loc, column) for loc, column in single.items() if column is not None)
    lists: dict[Loc, tuple[str, ...]] = {
        ("task", "entity"): charter.task.entity,
        ("task", "leave_out"): charter.task.leave_out,
        ("success", "segments"): charter.success.segments,
    }
    if not charter.data.tables:
        lists |= {("privacy", name): getattr(charter.privacy, name) for name in type(charter.privacy).model_fields}
    for loc, columns in lists.items():
        yield from (((*loc, index), column) for index, column in enumerate(columns))
    rule = charter.success.baseline.rule
    if rule is not None:
        yield from ((("success", "baseline", "rule"), column) for column in columns_of(rule))
    for index, label in enumerate(charter.labelling.rules):
        yield from ((("labelling", "rules", index, "when"), column) for column in columns_of(label.when))
    for name in ("types", "columns"):
        yield from ((("preparation", name, column), column) for column in getattr(charter.preparation, name))


def check_columns(charter: Charter, columns: Sequence[str], *, place: str = "", raw: bool = False) -> None:
    """Return when the data has every column the charter names.

    Args:
        charter: the charter.
        columns: those of the data.
        place: which data: a file's name.
        raw: the rows are as the source has them, and only what ``privacy`` names is looked for; else they are as they are stored, without
            the columns that are never stored.

    Raises:
        DataError: HS204, the target is missing; HS203, another column is. Clause, column and near names of the first are
            in the message; the other clauses are listed behind it.
    """
    asked = [(loc, name) for loc, name in named_columns(charter) if (loc[0] == "privacy" if raw else loc[:2] != ("privacy", "never_store"))]
    missing = [(loc, name) for loc, name in asked if name not in columns]
    if not missing:
        return
    loc, name = missing[0]
    others = ", ".join(f"{clause(at)} {shown(column)}" for at, column in missing[1:6])
    raise DataError(
        "HS204" if loc[-1] == "target" else "HS203",
        f"got {shown(name)}, which the data does not have" + (f"; so are {others}" if others else ""),
        place=f"{clause(loc)} ({place})" if place else clause(loc),
        next_step=near_columns(name, columns),
    )


def near_columns(name: str, columns: Sequence[str]) -> str:
    """What to try instead of a column that is not there: up to three near names, else the first of all names.

    >>> near_columns("cmt", ["dteday", "cnt"])
    'did you mean cnt?'
    """
    lower = {column.lower(): column for column in columns}
    near = [lower[match] for match in get_close_matches(name.lower(), lower, n=3, cutoff=0.6)]
    if near:
        return f"did you mean {' or '.join(near)}?"
    theirs = [column for column in columns if not column.startswith("_")]
    listed = ", ".join(theirs[:12]) + (", ..." if len(theirs) > 12 else "")
    return f"the data has {listed or 'no columns'}"
