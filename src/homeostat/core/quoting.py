"""Names as SQL writes them."""

from __future__ import annotations


def quoted(name: str) -> str:
    """The name of a column or table in SQL, whatever it holds.

    >>> print(quoted('order "x" no'))
    "order ""x"" no"
    """
    return '"' + name.replace('"', '""') + '"'


def unquoted(name: str) -> str:
    """The name that ``quoted`` wrote."""
    return name[1:-1].replace('""', '"')
