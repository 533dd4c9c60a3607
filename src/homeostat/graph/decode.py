"""From raw values to the arrays a plan reads: one table of inputs drives rows, columns and frames alike.

``numbers`` is (n, p) float64, one column per number, boolean or timestamp input; ``codes`` is (n, q) int64, one per category
input; ``terms`` is (n, t) float64, one per term of each text input. What one value means stands in ``fields``. Nothing here imports
a data-frame library.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from homeostat.errors import RequestError
from homeostat.graph.fields import ALLOWED, reader
from homeostat.graph.plan import Decoded, Input, category_inputs, number_inputs, text_inputs, widths
from homeostat.graph.terms import fill_counts

if TYPE_CHECKING:
    from collections.abc import Iterable

    import polars as pl

    from homeostat.graph.frames import Refuse

LISTED = 20  # bad fields an error lists; their number is always told

Problem = dict[str, object]


class Read(NamedTuple):
    """One row as it was read: a number per column of ``numbers`` (None: null), a code per category, the counts of each text."""

    numbers: Sequence[float | None]
    codes: Sequence[int]
    counts: Sequence[Any]


class RowDecoder:
    """Decodes rows or columns of the given inputs; build it once, call it from any thread (it has no state that changes).

    Args:
        inputs: the plan's inputs.
        ignore: further field names that may be there and are not read (the target, ids, columns left out). Any other name is
            refused: a misspelt field must not silently become a null.
    """

    def __init__(self, inputs: Sequence[Input], ignore: Iterable[str] = ()) -> None:
        self._inputs = tuple(inputs)
        self._readers = {each.name: reader(each) for each in inputs}
        self._numbers = tuple((each.name, self._readers[each.name]) for each in number_inputs(inputs))
        self._codes = tuple((each.name, self._readers[each.name]) for each in category_inputs(inputs))
        self._texts = tuple((each.name, self._readers[each.name]) for each in text_inputs(inputs))
        self._widths = widths(inputs)
        self._known = frozenset(self._readers) | frozenset(ignore)

    def rows(self, rows: Sequence[Mapping[str, Any]]) -> Decoded:
        """Rows of named fields, such as parsed JSON. A null must be there as null: a missing field is an error.

        Raises:
            RequestError: HS502 with status 422 and one entry (row, field, got, allowed) per bad field, of all rows.
        """
        return self.stack(self.read(rows))

    def read(self, rows: Sequence[Mapping[str, Any]]) -> list[Read]:
        """The first half of ``rows``: each row by itself.

        Raises:
            RequestError: HS502, as ``rows``.
        """
        try:
            return [self._read(row) for row in rows]
        except ValueError:  # read all rows again, slowly, and say everything that is wrong
            problems = [problem for at, row in enumerate(rows) for problem in self._row_problems(at, row)]
            if not problems:
                raise
            raise _refusal(problems) from None

    def stack(self, read: Sequence[Read]) -> Decoded:
        """The second half: rows that were read, of one request or of many, as one set of arrays."""
        return Decoded(
            np.array([numbers for numbers, _, _ in read], dtype=np.float64).reshape(len(read), len(self._numbers)),
            np.array([codes for _, codes, _ in read], dtype=np.int64).reshape(len(read), len(self._codes)),
            self._terms([counts for _, _, counts in read]),
        )

    def columns(self, columns: Mapping[str, Sequence[Any]]) -> Decoded:
        """Columns of equal length, such as the tensors of the V2 protocol; the same rules as ``rows``.

        Raises:
            RequestError: HS502, as ``rows``; a column that is missing, unknown or of another length is told with row 0.
        """
        problems = self._name_problems(0, columns.keys())
        if not problems:
            lengths = {each.name: len(columns[each.name]) for each in self._inputs}
            count = max(lengths.values(), default=0)
            problems = [
                _problem(0, name, f"{got} values", f"{count} values, as in the longest column")
                for name, got in lengths.items()
                if got != count
            ]
        if problems:
            raise _refusal(problems)
        names = [each.name for each in self._inputs]
        return self.rows([dict(zip(names, values, strict=True)) for values in zip(*(columns[name] for name in names), strict=True)])

    def _terms(self, found: list[Sequence[Any]]) -> Any:
        """The counts of all text fields of all rows, side by side."""
        block = np.zeros((len(found), self._widths["terms"]), dtype=np.float64)
        start = 0
        for at, each in enumerate(text_inputs(self._inputs)):
            fill_counts(block[:, start : start + len(each.vocabulary)], (counts[at] for counts in found))
            start += len(each.vocabulary)
        return block

    def _read(self, row: Any) -> Read:
        try:
            if not row.keys() <= self._known:
                raise ValueError("an unknown field")
            return Read(
                [read(row[name]) for name, read in self._numbers],
                [read(row[name]) for name, read in self._codes],
                [read(row[name]) for name, read in self._texts],
            )
        except (KeyError, AttributeError) as no_such:  # a missing field; no object at all
            raise ValueError("a missing field") from no_such

    def _row_problems(self, at: int, row: Any) -> list[Problem]:
        if not isinstance(row, Mapping):
            return [_problem(at, "", _shown(row), "an object of named fields")]
        found = self._name_problems(at, row.keys())
        for each in self._inputs:
            if each.name in row:
                try:
                    self._readers[each.name](row[each.name])
                except ValueError:
                    found.append(_problem(at, each.name, _shown(row[each.name]), ALLOWED[each.kind]))
        return found

    def _name_problems(self, at: int, names: Iterable[Any]) -> list[Problem]:
        given = set(names)
        missing = [
            _problem(at, each.name, "missing", f"{ALLOWED[each.kind]}; null must be written")
            for each in self._inputs
            if each.name not in given
        ]
        return missing + [_problem(at, str(name), "unknown field", self._meant(str(name))) for name in sorted(given - self._known, key=str)]

    def _meant(self, name: str) -> str:
        """What may stand in place of an unknown field, the name that was meant first."""
        close = get_close_matches(name[:80], self._readers, 1)
        return f"{f'{close[0]!r} perhaps; ' if close else ''}one of {', '.join(self._readers)}"


def decode_rows(inputs: Sequence[Input], rows: Sequence[Mapping[str, Any]], ignore: Iterable[str] = ()) -> Decoded:
    """The arrays of rows of named fields; see ``RowDecoder.rows``.

    Raises:
        RequestError: HS502, status 422, every bad field of every row (the first 20 are listed).

    >>> decode_rows([Input("size", "number"), Input("city", "category", ("Oslo",))], [{"size": 3, "city": "Rome"}])
    Decoded(numbers=array([[3.]]), codes=array([[2]]), terms=array([], shape=(1, 0), dtype=float64))
    """
    return RowDecoder(inputs, ignore).rows(rows)


def decode_columns(inputs: Sequence[Input], columns: Mapping[str, Sequence[Any]], ignore: Iterable[str] = ()) -> Decoded:
    """The arrays of named columns of equal length; see ``RowDecoder.columns``.

    Raises:
        RequestError: HS502, status 422.
    """
    return RowDecoder(inputs, ignore).columns(columns)


def decode_frame(inputs: Sequence[Input], frame: pl.DataFrame, refuse: Refuse | None = None) -> Decoded:
    """The arrays of a Polars frame: equal to those of its rows. Columns that are no inputs are not read.

    Args:
        inputs: the plan's inputs.
        frame: the rows.
        refuse: told which rows hold what a kind does not allow; None raises for the first.

    Raises:
        DataError: HS203, an input is not a column; HS205, a column holds a value that its kind does not allow.
    """
    from homeostat.graph.frames import frame_arrays, refuse_first

    return frame_arrays(inputs, frame, refuse or refuse_first)


def _problem(row: int, field: str, got: str, allowed: str) -> Problem:
    return {"row": row, "field": field, "got": got, "allowed": allowed}


def _shown(value: Any) -> str:
    """The value as JSON where it has such a form, cut to 60 characters."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _refusal(problems: list[Problem]) -> RequestError:
    first = problems[0]
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    name = f" field {first['field']!r}" if first["field"] else ""
    return RequestError(
        "HS502",
        f"got {first['got']}; allowed: {first['allowed']}{more}",
        status=422,
        fields=tuple(problems[:LISTED]),
        place=f"row {first['row']}{name}",
    )
