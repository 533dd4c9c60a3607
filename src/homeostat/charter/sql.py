"""SQL expressions in a charter: whether one can be read, says something about single rows, and which columns it reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from homeostat.core.row_sql import row_expression

if TYPE_CHECKING:
    from collections.abc import Collection


def expression_problem(text: str, forbidden: Collection[str] = ()) -> str:
    """What is wrong with an SQL expression over one row, in words; empty when nothing is.

    ``forbidden`` are columns it must not read, such as the target.
    """
    try:
        columns = row_expression(text).meta.root_names()
    except ValueError as problem:
        return str(problem)
    read = sorted({name for name in columns if name in forbidden})
    return f"reads {', '.join(read)}" if read else ""


def columns_of(text: str) -> tuple[str, ...]:
    """The columns an SQL expression reads, sorted; none for a text that is no expression.

    >>> columns_of("CASE WHEN temp > 20 AND NOT holiday THEN 1 ELSE 0 END")
    ('holiday', 'temp')
    """
    try:
        return tuple(sorted(set(row_expression(text).meta.root_names())))
    except ValueError:
        return ()
