"""SQL expressions over one row, as Polars reads them: what keeps one from giving the same answer for the same row, wherever and whenever.

A single row has no rows beside it, and a verdict must not depend on when it is asked for.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import polars as pl

_ROW_BY_ROW = frozenset({"Alias", "BinaryExpr", "Cast", "Column", "Function", "Literal", "Ternary"})
_LEAVES = frozenset({"Column", "Literal", "dtype", "options", "op", "function"})
_OTHER_ROWS = frozenset({"Shift", "Range", "Rank", "CumSum", "Diff", "Reverse", "Unique"})
_QUOTED = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|`[^`]*`|--[^\n]*|/\*.*?\*/", re.DOTALL)
# Polars puts the moment it parses them at in their place, so the tree no longer tells. A column of such a name is quoted.
_CLOCK = re.compile(r"\b(now\s*\(|current_(?:date|time|timestamp)\b|localtime(?:stamp)?\b)", re.IGNORECASE)


def row_expression(text: str) -> pl.Expr:
    """The expression, if it is one over the columns of one row.

    Raises:
        ValueError: in words what it is or does instead: ``is no SQL expression ...``, ``reads the clock ...``, ``reads other rows ...``.
    """
    import polars as pl

    try:
        expression = pl.sql_expr(text)
        tree = json.loads(expression.meta.serialize(format="json"))
        strange = _strange(tree)
    except pl.exceptions.PolarsError as error:
        raise ValueError(f"is no SQL expression over a row: {str(error).splitlines()[0]}") from error
    except RecursionError as error:
        raise ValueError("is nested too deeply to be read") from error
    clock = _CLOCK.search(_QUOTED.sub(" ", text))
    if clock is not None:
        word = clock[1].rstrip("( \t\n")
        raise ValueError(f"reads the clock ({word}), so the same row would be judged otherwise tomorrow; compare two columns instead")
    if strange:
        raise ValueError(f"reads other rows than its own ({strange}): an aggregate, a window function or a SELECT")
    return expression


def _strange(node: Any) -> str:
    """The first part of an expression's tree that is not computed row by row, or nothing."""
    if isinstance(node, list):
        return next((found for part in node if (found := _strange(part))), "")
    if not isinstance(node, dict):
        return "Len" if node == "Len" else ""
    function = node.get("function", "")
    name = function if isinstance(function, str) else next(iter(function))
    strange = [name] if name in _OTHER_ROWS else [kind for kind in node if kind[0].isupper() and kind not in _ROW_BY_ROW]
    return str(strange[0]) if strange else _strange([body for kind, body in node.items() if kind not in _LEAVES])
