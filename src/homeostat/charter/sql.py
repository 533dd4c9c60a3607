"""SQL expressions in a charter: whether one can be read, says something about single rows, and which columns it reads."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

# How Polars calls, in an expression's tree, what reads more than the row at hand. Its own `is_row_separable` must know the columns' types.
OTHER_ROWS = frozenset({"Agg", "Over", "Window", "Rolling", "Len", "Shift", "Range"})


def expression_problem(text: str, forbidden: Collection[str] = ()) -> str:
    """What is wrong with an SQL expression over one row, in words; empty when nothing is.

    ``forbidden`` are columns it must not read, such as the target. An aggregate or a window function reads other rows, which for a
    single new row do not exist.
    """
    import polars as pl

    try:
        expression = pl.sql_expr(text)
    except (pl.exceptions.SQLInterfaceError, pl.exceptions.SQLSyntaxError) as error:
        return f"is no SQL expression over a row: {str(error).splitlines()[0]}"
    if not OTHER_ROWS.isdisjoint(_words(json.loads(expression.meta.serialize(format="json")))):
        return "reads other rows than its own (an aggregate or a window function)"
    read = [name for name in expression.meta.root_names() if name in forbidden]
    return f"reads {', '.join(sorted(set(read)))}" if read else ""


def columns_of(text: str) -> tuple[str, ...]:
    """The columns an SQL expression reads, sorted; none for a text that is no expression.

    >>> columns_of("CASE WHEN temp > 20 AND NOT holiday THEN 1 ELSE 0 END")
    ('holiday', 'temp')
    """
    import polars as pl

    try:
        return tuple(sorted(set(pl.sql_expr(text).meta.root_names())))
    except (pl.exceptions.SQLInterfaceError, pl.exceptions.SQLSyntaxError):
        return ()


def _words(tree: Any) -> Iterator[str]:
    """Every key and text of an expression's tree but its literals and the names of columns."""
    if isinstance(tree, str):
        yield tree
    elif isinstance(tree, dict):
        for key, value in tree.items():
            yield key
            if key not in {"Literal", "Column"}:
                yield from _words(value)
    elif isinstance(tree, list):
        for value in tree:
            yield from _words(value)
