"""Aggregates of events as of each row, against a loop that anyone can check by reading."""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeostat.core.sections import Join
from homeostat.dataops.asof import join_as_of
from homeostat.errors import DataError

DAY = datetime(2024, 1, 1)
Rows = list[dict[str, Any]]
AGGREGATES: dict[str, dict[str, Any]] = {
    "n": {"count": True},
    "n_3h": {"count": True, "window": "3h"},
    "total": {"sum": "amount"},
    "total_3h": {"sum": "amount", "window": "3h"},
    "mean_5h": {"mean": "amount", "window": "5h"},
    "low": {"min": "amount"},
    "low_2h": {"min": "amount", "window": "2h"},
    "high_4h": {"max": "amount", "window": "4h"},
    "last": {"last": "status"},
    "last_1h": {"last": "status", "window": "1h"},
}
SPANS = {
    "n": None,
    "n_3h": 3,
    "total": None,
    "total_3h": 3,
    "mean_5h": 5,
    "low": None,
    "low_2h": 2,
    "high_4h": 4,
    "last": None,
    "last_1h": 1,
}


def clause(aggregates: dict[str, dict[str, Any]], **clauses: Any) -> Join:
    return Join(table="orders", valid_from="since", aggregates=aggregates, **clauses)


def brute(row: dict[str, Any], events: Rows, on: list[str], name: str) -> Any:
    if row["at"] is None or any(row[key] is None for key in on):
        return None
    hours = SPANS[name]
    seen = [
        one
        for one in events
        if one["since"] is not None
        and one["since"] <= row["at"]
        and (hours is None or row["at"] - one["since"] <= timedelta(hours=hours))
        and all(one[key] == row[key] for key in on)
    ]
    seen.sort(key=lambda one: one["since"])
    values = [one["amount"] for one in seen if one["amount"] is not None and math.isfinite(one["amount"])]
    found: dict[str, Any] = {"n": len(seen), "total": math.fsum(values), "last": seen[-1]["status"] if seen else None}
    if values:
        found |= {"mean": math.fsum(values) / len(values), "low": min(values), "high": max(values)}
    return found.get(name.partition("_")[0])


moments = st.none() | st.integers(0, 12).map(lambda hours: DAY + timedelta(hours=hours))
amounts = st.none() | st.floats(-1e6, 1e6) | st.sampled_from([0.1, 0.2, 1e300, -1e300, 1e-300, 5e-324, math.nan, math.inf])
row = st.fixed_dictionaries({"at": moments, "a": st.none() | st.sampled_from("xy"), "b": st.none() | st.integers(0, 2)})
event = st.fixed_dictionaries(
    {
        "since": moments,
        "a": st.none() | st.sampled_from("xyz"),
        "b": st.none() | st.integers(0, 2),
        "amount": amounts,
        "status": st.none() | st.sampled_from(["paid", "open"]),
    }
)
ROWS = {"at": pl.Datetime("us"), "a": pl.String, "b": pl.Int64}
EVENTS = {"since": pl.Datetime("us"), "a": pl.String, "b": pl.Int64, "amount": pl.Float64, "status": pl.String}


@given(st.lists(row, max_size=15), st.lists(event, max_size=25), st.sampled_from([[], ["a"], ["a", "b"]]), st.integers(1, 9))
def test_it_equals_the_loop_bit_for_bit_whole_and_in_batches(rows: Rows, events: Rows, on: list[str], size: int) -> None:
    left, right = pl.DataFrame(rows, schema=ROWS), pl.DataFrame(events, schema=EVENTS)
    join = clause(AGGREGATES, on=tuple(on))
    joined = join_as_of(left, right, join, "at")
    assert joined.columns == [*left.columns, *AGGREGATES]
    for name in AGGREGATES:
        assert joined[name].to_list() == [brute(one, events, on, name) for one in rows], name
    parts = [join_as_of(left[start : start + size], right, join, "at") for start in range(0, left.height, size)]
    assert not parts or pl.concat(parts).equals(joined)


@given(st.lists(row, max_size=15), st.lists(event, max_size=25), moments.filter(lambda m: m is not None), st.booleans())
def test_what_becomes_known_later_changes_no_earlier_row(rows: Rows, events: Rows, now: datetime, keyed: bool) -> None:
    past = [one for one in events if one["since"] is None or one["since"] <= now]
    left = pl.DataFrame([one for one in rows if one["at"] is not None and one["at"] <= now], schema=ROWS)
    join = clause(AGGREGATES, on=("a",), key=("b",) if keyed else ())
    with_future = join_as_of(left, pl.DataFrame(events, schema=EVENTS), join, "at")
    assert with_future.equals(join_as_of(left, pl.DataFrame(past, schema=EVENTS), join, "at"))


def test_an_event_with_a_key_counts_once_from_when_it_was_known_first() -> None:
    hours = [3, 1, 2, 1, 4]
    events = pl.DataFrame(
        {"since": [DAY + timedelta(hours=h) for h in hours], "id": [1, 1, 2, None, 2], "amount": [100.0, 1.0, 10.0, 1000.0, 10.0]}
    )
    rows = pl.DataFrame({"at": [DAY + timedelta(hours=h) for h in (0, 1, 2, 9)]})
    join = clause({"n": {"count": True}, "sum": {"sum": "amount"}}, key=("id",), columns=("amount",))
    joined = join_as_of(rows, events, join, "at")
    assert joined["n"].to_list() == [0, 1, 2, 2]
    assert joined["sum"].to_list() == [0.0, 1.0, 11.0, 11.0]
    assert joined["amount"].to_list() == [None, 1.0, 10.0, 10.0]


def test_a_sum_outside_float64_is_null_and_one_that_comes_back_is_exact() -> None:
    events = pl.DataFrame({"since": [DAY + timedelta(hours=h) for h in range(4)], "amount": [1.7e308, 1.7e308, -1.7e308, 0.1]})
    rows = pl.DataFrame({"at": [DAY + timedelta(hours=h) for h in (0, 1, 2, 3)]})
    joined = join_as_of(rows, events, clause({"sum": {"sum": "amount"}, "mean": {"mean": "amount"}}), "at")
    assert joined["sum"].to_list() == [1.7e308, None, 1.7e308, 1.7e308]
    assert joined["mean"].to_list() == [1.7e308, None, 1.7e308 / 3, 1.7e308 / 4]


def test_whole_numbers_and_flags_are_numbers_and_any_column_has_a_last_value() -> None:
    events = pl.DataFrame({"since": [DAY, DAY], "n": [2, 3], "ok": [True, True], "when": [DAY.date(), None], "no": [None, None]})
    join = clause({"n2": {"sum": "n"}, "oks": {"mean": "ok"}, "last": {"last": "when"}, "none": {"max": "no"}})
    joined = join_as_of(pl.DataFrame({"at": [DAY, DAY - timedelta(hours=1)]}), events, join, "at")
    assert joined.rows() == [(DAY, 5.0, 1.0, None, None), (DAY - timedelta(hours=1), 0.0, None, None, None)]
    assert joined.schema["last"] == pl.Date


def test_empty_tables_keep_their_columns() -> None:
    events, rows = pl.DataFrame([], schema=EVENTS), pl.DataFrame({"at": [DAY], "a": ["x"]})
    joined = join_as_of(rows, events, clause(AGGREGATES, on=("a",)), "at")
    assert joined.select("n", "total", "low", "last").rows() == [(0, 0.0, None, None)]
    assert join_as_of(rows.clear(), events, clause(AGGREGATES, on=("a",)), "at").schema == joined.schema


@pytest.mark.parametrize(
    ("aggregates", "said"),
    [
        ({"s": {"sum": "status"}}, "HS450] data.joins, table 'orders': got 'status' of type String"),
        ({"s": {"sum": "gone"}}, "HS203] data.joins, table 'orders': got 'gone'"),
        ({"at": {"count": True}}, "HS225] data.joins 'orders': got two columns that would both be called 'at'"),
    ],
)
def test_what_is_wrong_is_told_in_a_line(aggregates: dict[str, Any], said: str) -> None:
    events = pl.DataFrame({"since": [DAY], "amount": [1.0], "status": ["paid"]})
    with pytest.raises(DataError) as error:
        join_as_of(pl.DataFrame({"at": [DAY]}), events, clause(aggregates), "at")
    assert said in str(error.value)
