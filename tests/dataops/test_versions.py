"""Digests name content, however it is cut into batches; schemas differ in ways that break or do not."""

from __future__ import annotations

from datetime import date, datetime
from itertools import pairwise

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homeostat.dataops.versions import ContentHash, SchemaChange, compare_schemas, content_digest, dataset_digest, schema_of

ROWS = st.lists(
    st.tuples(
        st.one_of(st.none(), st.floats()),
        st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1)),
        st.one_of(st.none(), st.text(max_size=5)),
        st.one_of(st.none(), st.booleans()),
        st.one_of(st.none(), st.dates()),
        st.one_of(st.none(), st.datetimes(datetime(1700, 1, 1), datetime(2200, 1, 1))),
    ),
    max_size=12,
)
SCHEMA = {"f": pl.Float64, "i": pl.Int64, "s": pl.String, "b": pl.Boolean, "d": pl.Date, "t": pl.Datetime("us")}


@settings(deadline=None, max_examples=60)
@given(ROWS, st.lists(st.integers(0, 12), max_size=3))
def test_batches_chunks_and_the_order_of_columns_do_not_count(rows: list[tuple[object, ...]], cuts: list[int]) -> None:
    frame = pl.DataFrame(rows, schema=SCHEMA, orient="row")
    found = content_digest(frame)
    edges = [0, *sorted(cuts), frame.height]
    parts = [frame[start:end] for start, end in pairwise(edges)]
    batches = ContentHash()
    for part in parts:
        batches.update(part)
    assert batches.hexdigest() == found
    assert content_digest(pl.concat(parts, rechunk=False)) == found
    assert content_digest(frame.select(reversed(frame.columns))) == found


def test_a_batch_of_another_schema_is_refused() -> None:
    batches = ContentHash()
    batches.update(pl.DataFrame({"a": [1]}))
    with pytest.raises(ValueError, match="expected"):
        batches.update(pl.DataFrame({"a": ["1"]}))


def test_the_digest_of_a_dataset_does_not_depend_on_the_order_its_deliveries_came_in() -> None:
    parts = [("a.csv", "1" * 64), ("b.csv", "2" * 64)]
    assert dataset_digest(parts) == dataset_digest(reversed(parts))
    assert dataset_digest(parts) != dataset_digest([("a.csv", "2" * 64), ("b.csv", "1" * 64)])
    assert dataset_digest(parts) != dataset_digest(parts[:1])


@settings(deadline=None, max_examples=60)
@given(ROWS.filter(bool), st.data())
def test_one_changed_cell_counts(rows: list[tuple[object, ...]], data: st.DataObject) -> None:
    at, column = data.draw(st.integers(0, len(rows) - 1)), data.draw(st.integers(0, 5))
    new = {0: 1234.5, 1: 77, 2: "changed!", 3: None, 4: date(1, 2, 3), 5: datetime(2201, 1, 1)}[column]
    old = rows[at][column]
    if old == new:
        return
    changed = [tuple(new if (i, j) == (at, column) else cell for j, cell in enumerate(row)) for i, row in enumerate(rows)]
    first, second = (content_digest(pl.DataFrame(part, schema=SCHEMA, orient="row")) for part in (rows, changed))
    assert first != second


def test_what_else_counts() -> None:
    frame = pl.DataFrame({"a": [1, 2], "b": ["x", None]})
    found = content_digest(frame)
    others = [
        frame.rename({"a": "c"}),
        frame.cast({"a": pl.Float64}),
        frame.cast({"a": pl.String}),
        frame.head(1),
        pl.concat([frame, frame.head(1)]),
        frame.with_columns(pl.col("b").fill_null("")),
        frame.with_columns(pl.col("b").reverse()),
        frame.drop("b"),
        frame.clear(),
        frame.reverse(),
    ]
    assert len({found, *(content_digest(other) for other in others)}) == len(others) + 1
    assert content_digest(frame.cast({"a": pl.Int8, "b": pl.Categorical})) == found
    assert content_digest(pl.DataFrame({"x": [0.0, float("nan")]})) == content_digest(pl.DataFrame({"x": [-0.0, None]}))
    assert content_digest(pl.DataFrame({"x": ["ab", "c"], "y": ["d", "e"]})) != content_digest(
        pl.DataFrame({"x": ["a", "bc"], "y": ["d", "e"]})
    )


def test_the_digest_is_the_same_for_ever() -> None:
    frame = pl.DataFrame({"n": [1.5, None], "s": ["ä", None], "d": [date(2024, 1, 1), None]})
    assert content_digest(frame) == "70ca1c4a12c4b342a4c59ac4b222882dce4ffc67041283efce0a41a662f13292"
    assert len(content_digest(pl.DataFrame())) == 64


def test_schema_of() -> None:
    frame = pl.DataFrame(
        {"a": [1], "b": [1.0], "c": ["x"], "d": [True], "e": [date(2024, 1, 1)], "f": [datetime(2024, 1, 1)], "g": [None], "h": [[1]]}
    )
    assert schema_of(frame) == {
        "a": "integer",
        "b": "number",
        "c": "string",
        "d": "boolean",
        "e": "date",
        "f": "timestamp",
        "g": "null",
        "h": "List(Int64)",
    }


@pytest.mark.parametrize(
    ("old", "new", "change"),
    [
        ({"a": "number"}, {"a": "number"}, SchemaChange((), (), (), False)),
        ({"a": "number"}, {"a": "number", "b": "string"}, SchemaChange(("b",), (), (), False)),
        ({"a": "number", "b": "date"}, {"a": "number"}, SchemaChange((), ("b",), (), True)),
        ({"a": "number"}, {"a": "integer"}, SchemaChange((), (), (("a", "number", "integer"),), False)),
        ({"a": "integer"}, {"a": "number"}, SchemaChange((), (), (("a", "integer", "number"),), True)),
        ({"a": "timestamp"}, {"a": "date"}, SchemaChange((), (), (("a", "timestamp", "date"),), False)),
        ({"a": "string"}, {"a": "integer"}, SchemaChange((), (), (("a", "string", "integer"),), False)),
        ({"a": "string"}, {"a": "List(Int64)"}, SchemaChange((), (), (("a", "string", "List(Int64)"),), True)),
        ({"a": "number"}, {"a": "null"}, SchemaChange((), (), (("a", "number", "null"),), False)),
        ({"a": "number"}, {"a": "string"}, SchemaChange((), (), (("a", "number", "string"),), True)),
    ],
)
def test_compare_schemas(old: dict[str, str], new: dict[str, str], change: SchemaChange) -> None:
    assert compare_schemas(old, new) == change
