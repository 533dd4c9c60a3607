"""Types are folded over batches: no value is changed, and how the batches are cut changes nothing."""

from __future__ import annotations

import math
from datetime import date
from itertools import pairwise

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homeostat.infra.formats.column_types import TypeFold

TEXTS = st.one_of(
    st.integers(-(10**20), 10**20).map(str),
    st.floats(allow_nan=False).map(repr),
    st.dates().map(str),
    st.datetimes().map(lambda moment: str(moment.replace(microsecond=0))),
    st.sampled_from([None, "", "007", "-0.50", "-0", "+1", ".5", "5.", "1.2.3", "1e5", "1E-3", "true", "False", "2024-02-30"]),
    st.sampled_from(
        ["2024-01-31T10:00", "24:00", "NaN", "inf", "-Infinity", " 1", "1 ", "1_0", "٣", "²", "0x1", "9" * 15, "9" * 16, "1,5"]
    ),
)
KINDS = [
    st.integers(-1000, 1000).map(str),
    st.floats(-10, 10).map(repr),
    st.booleans().map(str),
    st.dates().map(str),
    st.datetimes().map(str),
]
COLUMNS = st.lists(TEXTS, min_size=1, max_size=12) | st.sampled_from(KINDS).flatmap(
    lambda kind: st.lists(kind | st.none(), min_size=1, max_size=12)
)


def typed(values: list[str | None], cuts: tuple[int, ...] = (), decimal: str = ".") -> pl.Series:
    """The column after folding it in pieces and casting each piece."""
    edges = [0, *sorted(cuts), len(values)]
    frames = [pl.DataFrame({"x": values[a:b]}, schema={"x": pl.String}) for a, b in pairwise(edges)]
    fold = TypeFold(decimal)  # type: ignore[arg-type]
    for frame in frames:
        fold.add(frame, pl.int_range(0, frame.height, eager=True))
    return pl.concat([fold.cast(frame) for frame in frames])["x"]


@settings(max_examples=400)
@given(COLUMNS, st.data())
def test_cutting_changes_nothing(values: list[str | None], data: st.DataObject) -> None:
    cuts = tuple(data.draw(st.lists(st.integers(0, len(values)), max_size=4)))
    whole, cut = typed(values), typed(values, cuts)
    assert whole.dtype == cut.dtype
    assert whole.equals(cut, null_equal=True)


@settings(max_examples=400)
@given(COLUMNS)
def test_typed_columns_hold_what_the_texts_say(values: list[str | None]) -> None:
    for value, text in zip(typed(values).to_list(), values, strict=True):
        if isinstance(value, bool):
            assert str(value).lower() == str(text).lower()
        elif isinstance(value, int):
            assert value == int(str(text))
        elif isinstance(value, float):
            assert value == float(str(text)) or math.isnan(value)
            assert not math.isnan(value) or "nan" in str(text).lower()
        elif isinstance(value, str) or value is None:
            assert value == text
        elif type(value) is date:
            assert str(value) == text
        else:
            assert str(value).replace(" ", "T")[:16] == str(text).replace(" ", "T")[:16]


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["1", None, "-20"], pl.Int64),
        (["1", "2.5"], pl.Float64),
        (["9" * 16, "1"], pl.Int64),
        (["9" * 16, "1.5"], pl.String),
        (["9" * 20], pl.String),
        (["007"], pl.String),
        (["٣"], pl.String),
        (["\u0663.\u0665"], pl.String),
        (["true", "FALSE"], pl.Boolean),
        (["true", "1"], pl.String),
        (["2024-02-29"], pl.Date),
        (["2023-02-29"], pl.String),
        (["2024-02-29 10:00", "2024-02-29T10:00:01.5Z"], pl.Datetime("us")),
        ([None, None], pl.String),
    ],
)
def test_kinds(values: list[str | None], kind: pl.DataType) -> None:
    assert typed(values).dtype == kind


def test_a_decimal_comma() -> None:
    assert typed(["1,5", "-,25", "3", "1e3"], decimal=",").to_list() == [1.5, -0.25, 3.0, 1000.0]
    assert typed(["1.5", "2,5"], decimal=",").dtype == pl.String
    assert typed(["1.234,56"], decimal=",").dtype == pl.String
    assert typed(["1", "2"], decimal=",").dtype == pl.Int64


@pytest.mark.parametrize(
    ("values", "note"),
    [
        (["2024-01-31", "31.01.2024"], "column 'x' stays text: dates in more than one format (2024-01-31, 31.01.2024)"),
        (["1/31/2024", "2/1/2024"], "column 'x' stays text: dates written as 01/31/2024; only ISO 8601 dates are read"),
        (["1"] * 3000 + ["n/a"] + ["2"] * 10, "column 'x' stays text: nearly all its values are of the type integer; line 3000 is"),
        (["1.5"] * 9 + ["?"], "column 'x' stays text: nearly all its values are of the type number; line 9 is"),
        (["a", "b"], None),
        (["1", "b"], None),
    ],
)
def test_why_a_column_stays_text(values: list[str], note: str | None) -> None:
    fold = TypeFold()
    fold.add(pl.DataFrame({"x": values}), pl.int_range(0, len(values), eager=True))
    assert fold.kind("x") == "string"
    assert [found[: len(note or "")] for found in fold.notes] == ([note] if note else [])
