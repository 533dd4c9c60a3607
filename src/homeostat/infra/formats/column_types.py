"""Types for columns of text: numbers, booleans, dates or timestamps only where no value of the whole file is changed by it.

Batches are folded one after the other: what a column can still be is what every batch of it can be, so the order and the size of the
batches change nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from homeostat.core.casts import LogicalType, read_as

if TYPE_CHECKING:
    import polars as pl

SAMPLE = 1_000
Decimal = Literal[".", ","]
_DAY = r"(?:[1-9][0-9]{3}|0[1-9][0-9]{2}|00[1-9][0-9]|000[1-9])-[0-9]{2}-[0-9]{2}"  # there is no year 0
_SHAPES: dict[LogicalType, str] = {
    # No leading zeros and no plus sign: "007" and "+49" name something, they do not count it.
    "integer": r"^-?(0|[1-9][0-9]*)$",
    "number": r"^-?((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?$|^(?i:[+-]?(nan|inf|infinity))$",
    "boolean": r"^(?i:true|false)$",
    "date": rf"^{_DAY}$",
    "timestamp": rf"^{_DAY}" r"[Tt ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?([Zz]|[+-][0-9]{2}:?[0-9]{2})?)?$",
}
KINDS: tuple[LogicalType, ...] = tuple(_SHAPES)
_LONGEST = 15  # digits of a whole number that a float64 surely keeps
_TOO_LONG = rf"^-?[0-9]{{{_LONGEST + 1},}}$"
_DATES = {"2024-01-31": r"^\d{4}-\d{2}-\d{2}([T ].*)?$", "31.01.2024": r"^\d{1,2}\.\d{1,2}\.\d{4}", "01/31/2024": r"^\d{1,2}/\d{1,2}/\d{4}"}


@dataclass(slots=True)
class TypeFold:
    """What each column of text can be, given all batches so far.

    Attributes:
        decimal: the decimal mark of numbers.
        notes: why columns that looked like something else stay text, in words for a person.
    """

    decimal: Decimal = "."
    notes: list[str] = field(default_factory=list)
    _possible: dict[str, tuple[LogicalType, ...]] = field(default_factory=dict)
    _filled: set[str] = field(default_factory=set)

    def restrict(self, column: str, kinds: Iterable[LogicalType]) -> None:
        """Of these kinds only can the column be, whatever its texts look like."""
        allowed = set(kinds)
        self._possible[column] = tuple(kind for kind in self._possible.get(column, KINDS) if kind in allowed)

    def add(self, frame: pl.DataFrame, lines: pl.Series) -> None:
        """Take in a batch: columns of text with nulls; ``lines`` says where its rows start."""
        open_columns = {name: self._possible.get(name, KINDS) for name in frame.columns if self._possible.get(name, KINDS)}
        while open_columns:
            tried = {name: self._likely(frame[name], kinds) for name, kinds in open_columns.items()}
            self._filled.update(name for name in tried if name not in self._filled and frame[name].null_count() < frame.height)
            fits = self._fits(frame, {name: kind for name, kind in tried.items() if kind is not None})
            for name, kind in tried.items():
                if fits.get(name, False) and kind is not None:
                    self._possible[name] = self._left(frame[name], kind, self._possible.get(name, KINDS))
                elif frame[name].null_count() == frame.height:
                    self._possible.setdefault(name, KINDS)
                elif kind is not None and (others := tuple(k for k in open_columns[name] if k != kind)):
                    open_columns[name] = others
                    continue
                else:
                    self._why_text(frame[name], lines)
                    self._possible[name] = ()
                del open_columns[name]

    def kind(self, column: str) -> LogicalType:
        """The column's type; text where it has no value."""
        return (*self._possible.get(column, ()), "string")[0] if column in self._filled else "string"

    def cast(self, frame: pl.DataFrame) -> pl.DataFrame:
        """A batch with each column as its type."""
        return frame.lazy().select(self._read(name, self.kind(name)) for name in frame.columns).collect()

    def _likely(self, values: pl.Series, kinds: tuple[LogicalType, ...]) -> LogicalType | None:
        head = _head(values)
        return next((kind for kind in kinds if head.len() and head.str.contains(self._shape(kind)).all()), None)

    def _fits(self, frame: pl.DataFrame, kinds: dict[str, LogicalType]) -> dict[str, bool]:
        """Whether every value of a column has the kind's shape and can be read as it."""
        import polars as pl

        # A whole number that is written as it was read has the shape: this is cheaper to see, and nearly always so.
        as_read = {name for name, kind in kinds.items() if kind == "integer"}
        same = [
            (pl.col(name).cast(pl.Int64, strict=False).cast(pl.String) == pl.col(name)).fill_null(pl.col(name).is_null())
            for name in as_read
        ]
        known = {name for name, fits in _row(frame, [each.all() for each in same]).items() if fits}
        checks = []
        for name, kind in kinds.items():
            if name in known:
                continue
            shaped = pl.col(name).str.contains(self._shape(kind)).all()
            if kind == "number":
                readable = ~pl.col(name).str.contains(_TOO_LONG).any()
            else:
                readable = self._read(name, kind).null_count() == pl.col(name).null_count()
            checks.append((shaped & readable).alias(name))
        return dict.fromkeys(known, True) | _row(frame, checks)

    def _left(self, values: pl.Series, kind: LogicalType, possible: tuple[LogicalType, ...]) -> tuple[LogicalType, ...]:
        """What a column whose values are all of a kind can still be: whole numbers can become numbers in a later batch."""
        also: set[LogicalType] = {kind}
        if kind == "integer" and "number" in possible:
            largest = values.str.len_bytes().max()  # the longest text; a sign counts too, so look closer only beyond
            if not isinstance(largest, int) or largest <= _LONGEST or not values.str.contains(_TOO_LONG).any():
                also.add("number")
        return tuple(each for each in possible if each in also)

    def _shape(self, kind: LogicalType) -> str:
        return _SHAPES[kind].replace(r"\.", ",") if kind == "number" and self.decimal == "," else _SHAPES[kind]

    def _read(self, name: str, kind: LogicalType) -> pl.Expr:
        """The column as its kind; only for texts that have its shape."""
        import polars as pl

        column = pl.col(name)
        if kind == "string":
            return column
        if kind == "integer":
            return column.cast(pl.Int64, strict=False)
        if kind == "date":
            return column.str.to_date("%Y-%m-%d", strict=False)
        if kind != "number":
            return read_as(name, pl.String(), kind)
        if self.decimal == ",":
            column = column.str.replace(",", ".", literal=True)
        value = column.cast(pl.Float64, strict=False)
        # The file's null texts and its NaN stay apart until the contract is checked.
        return pl.when(column.is_not_null() & value.is_null()).then(float("nan")).otherwise(value).alias(name)

    def _why_text(self, values: pl.Series, lines: pl.Series) -> None:
        """Note why a column is text although it looked like dates or numbers; its values are not repeated."""
        name = values.name
        before = [kind for kind in self._possible.get(name, ()) if name in self._filled]
        head = _head(values)
        forms = [form for form, pattern in _DATES.items() if head.str.contains(pattern).any()]
        dated = head.len() and sum(head.str.contains(_DATES[form]).sum() for form in forms) == head.len()
        if dated:
            how = (
                f"in more than one format ({', '.join(forms)})"
                if len(forms) > 1
                else f"written as {forms[0]}; only ISO 8601 dates are read"
            )
            self.notes.append(f"column {name!r} stays text: dates {how}")
            return
        kind = before[0] if before else self._likely(values, KINDS)
        if kind is None:
            share = head.str.contains(self._shape("number")).mean()
            kind = "number" if isinstance(share, float) and share >= 0.8 else None
        if kind is not None:
            wrong = (~values.str.contains(self._shape(kind))).arg_true()
            where = f"line {lines[wrong[0]]} is the first with a value that is none" if len(wrong) else "not every value can be read as one"
            self.notes.append(f"column {name!r} stays text: nearly all its values are of the type {kind}; {where}")


def _head(values: pl.Series) -> pl.Series:
    """The first values that are not null."""
    first = values.head(2 * SAMPLE).drop_nulls()
    return (first if first.len() else values.drop_nulls()).head(SAMPLE)


def _row(frame: pl.DataFrame, aggregates: list[pl.Expr]) -> dict[str, bool]:
    return frame.lazy().select(aggregates).collect().row(0, named=True) if aggregates else {}
