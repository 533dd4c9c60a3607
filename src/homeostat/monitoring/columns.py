"""What a profile keeps of one column: counts over bins or texts fixed by the reference, and exact sums. Never rows."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class NumberColumn:
    """Counts of a number over fixed edges. Bin i holds edges[i-1] < x <= edges[i]; the first and last bin are the two tails.

    ``measure`` says what the number is: the value itself, or the length of a text.

    ``total`` is the exact sum of the finite values and ``squares`` that of their squared distances from ``center``.
    ``longest_run`` is the reference's longest stretch of one repeated value: edges, center and it are the reference's, never counted.
    """

    edges: tuple[float, ...]
    center: float
    longest_run: int
    counts: tuple[int, ...]
    nulls: int = 0
    infinite: int = 0
    total: Fraction = Fraction(0)
    squares: Fraction = Fraction(0)
    low: float | None = None
    high: float | None = None
    measure: Literal["value", "length"] = "value"

    @property
    def values(self) -> int:
        """Rows with a finite value."""
        return sum(self.counts)

    @property
    def rows(self) -> int:
        """Rows in which the column was there, null or not."""
        return self.values + self.nulls + self.infinite

    @property
    def filled(self) -> int:
        """How many bins hold rows: at most the number of distinct values."""
        return sum(count > 0 for count in self.counts)

    @property
    def mean(self) -> float:
        """The mean of the finite values; NaN when there is none."""
        return float(self.total / self.values) if self.values else math.nan

    @property
    def std(self) -> float:
        """The standard deviation (divisor n) of the finite values; NaN when there is none."""
        if not self.values:
            return math.nan
        shift = self.total / self.values - Fraction(self.center)
        return math.sqrt(max(Fraction(0), self.squares / self.values - shift * shift))

    @property
    def constant(self) -> bool:
        """Whether every finite value is the same, and there is one."""
        return self.low is not None and self.low == self.high


@dataclass(frozen=True, slots=True)
class CategoryColumn:
    """Counts of a category by text. ``texts`` are the reference's most frequent ones, ``others`` the rest that it or the model knew.

    ``other`` and ``unseen`` count rows with a text of ``others`` and with one of neither. ``surprise`` is the share of rows in which
    a fresh sample of the reference would bring a text never seen, by Good and Turing: the share of texts seen once.
    """

    texts: tuple[str, ...]
    others: tuple[str, ...]
    surprise: float
    longest_run: int
    counts: tuple[int, ...]
    other: int = 0
    unseen: int = 0
    nulls: int = 0

    @property
    def values(self) -> int:
        """Rows with a text."""
        return sum(self.counts) + self.other + self.unseen

    @property
    def rows(self) -> int:
        """Rows in which the column was there, null or not."""
        return self.values + self.nulls

    @property
    def filled(self) -> int:
        """How many kept texts hold rows."""
        return sum(count > 0 for count in self.counts)

    @property
    def cells(self) -> tuple[int, ...]:
        """Rows by kept text, then other, then never seen."""
        return (*self.counts, self.other, self.unseen)

    @property
    def constant(self) -> bool:
        """Whether every text is one and the same kept one."""
        return self.values > 0 and max(self.counts, default=0) == self.values


Column = NumberColumn | CategoryColumn
_GRIDS = {NumberColumn: ("edges", "center", "longest_run", "measure"), CategoryColumn: ("texts", "others", "surprise", "longest_run")}


def same_grid(a: Column, b: Column) -> bool:
    """Whether two columns were counted on the same edges or texts."""
    return type(a) is type(b) and all(getattr(a, name) == getattr(b, name) for name in _GRIDS[type(a)])


def merge_columns(a: Column, b: Column) -> Column:
    """The column of both windows together, exactly.

    Raises:
        ValueError: they were counted on different references.
    """
    if not same_grid(a, b):
        raise ValueError("only profiles counted on the same reference can be merged; got two different sets of edges or texts")
    counts = tuple(x + y for x, y in zip(a.counts, b.counts, strict=True))
    if isinstance(a, NumberColumn) and isinstance(b, NumberColumn):
        return replace(
            a,
            counts=counts,
            nulls=a.nulls + b.nulls,
            infinite=a.infinite + b.infinite,
            total=a.total + b.total,
            squares=a.squares + b.squares,
            low=min((v for v in (a.low, b.low) if v is not None), default=None),
            high=max((v for v in (a.high, b.high) if v is not None), default=None),
        )
    assert isinstance(a, CategoryColumn) and isinstance(b, CategoryColumn)  # noqa: S101, PT018  same_grid has compared the types
    return replace(a, counts=counts, other=a.other + b.other, unseen=a.unseen + b.unseen, nulls=a.nulls + b.nulls)


def empty(column: Column) -> Column:
    """The same edges or texts with no rows: what a column missing from a window looks like."""
    none = (0,) * len(column.counts)
    if isinstance(column, NumberColumn):
        return NumberColumn(column.edges, column.center, column.longest_run, none, measure=column.measure)
    return replace(column, counts=none, other=0, unseen=0, nulls=0)


def column_to_dict(column: Column) -> dict[str, Any]:
    """Plain JSON values; fractions are texts such as ``"3/4"``."""
    plain = {item.name: getattr(column, item.name) for item in fields(column)}
    body = {
        name: list(value) if isinstance(value, tuple) else str(value) if isinstance(value, Fraction) else value
        for name, value in plain.items()
    }
    return {"kind": "number" if isinstance(column, NumberColumn) else "category", **body}


def column_from_dict(body: Mapping[str, Any]) -> Column:
    """What ``column_to_dict`` wrote."""
    values: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in body.items() if name != "kind"}
    if body["kind"] == "number":
        return NumberColumn(**{**values, "total": Fraction(values["total"]), "squares": Fraction(values["squares"])})
    return CategoryColumn(**values)


def longest_run(values: NDArray[Any]) -> int:
    """The length of the longest stretch of equal neighbours; 0 for none.

    >>> longest_run(np.array([1, 1, 2, 2, 2, 1]))
    3
    """
    if not len(values):
        return 0
    starts = np.flatnonzero(np.concatenate([[True], values[1:] != values[:-1]]))
    return int(np.diff(np.append(starts, len(values))).max())
