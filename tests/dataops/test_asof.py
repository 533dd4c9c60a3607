"""Point-in-time joins against a loop that anyone can check by reading."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
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


def clause(**clauses: Any) -> Join:
    return Join(table="prices", valid_from="since", **clauses)


def brute(rows: Rows, other: Rows, on: list[str], tolerance: timedelta | None) -> list[Any]:
    found = []
    for row in rows:
        best: dict[str, Any] | None = None
        for one in other:
            known = row["at"] is not None and one["since"] is not None and one["since"] <= row["at"]
            same = all(row[key] is not None and row[key] == one[key] for key in on)
            fresh = known and (tolerance is None or row["at"] - one["since"] <= tolerance)
            if known and same and fresh and (best is None or one["since"] >= best["since"]):
                best = one
        found.append(None if best is None else best["value"])
    return found


moments = st.none() | st.integers(0, 12).map(lambda hours: DAY + timedelta(hours=hours))
row = st.fixed_dictionaries({"at": moments, "a": st.none() | st.sampled_from("xy"), "b": st.none() | st.integers(0, 2)})
known = st.fixed_dictionaries({"since": moments, "a": st.none() | st.sampled_from("xyz"), "b": st.none() | st.integers(0, 2)})
ROWS = {"at": pl.Datetime("us"), "a": pl.String, "b": pl.Int64}
KNOWN = {"since": pl.Datetime("us"), "a": pl.String, "b": pl.Int64, "value": pl.Int64}


@given(
    st.lists(row, max_size=25),
    st.lists(known, max_size=25),
    st.sampled_from([[], ["a"], ["b"], ["a", "b"]]),
    st.none() | st.integers(0, 5),
    st.integers(1, 30),
)
def test_it_equals_the_loop_whole_and_in_batches(rows: Rows, other: Rows, on: list[str], hours: int | None, size: int) -> None:
    tolerance = None if hours is None else timedelta(hours=hours)
    numbered = [{**one, "value": number} for number, one in enumerate(other)]
    left, right = pl.DataFrame(rows, schema=ROWS), pl.DataFrame(numbered, schema=KNOWN)
    join = clause(on=tuple(on), columns=("value",), tolerance=tolerance)
    joined = join_as_of(left, right, join, "at")
    assert joined["value"].to_list() == brute(rows, numbered, on, tolerance)
    assert joined.drop("value").equals(left)
    parts = [join_as_of(left[start : start + size], right, join, "at") for start in range(0, left.height, size)]
    assert not parts or pl.concat(parts).equals(joined)


@given(st.lists(row, max_size=25), st.lists(known, max_size=25), moments.filter(lambda m: m is not None))
def test_what_becomes_known_later_changes_no_earlier_row(rows: Rows, other: Rows, now: datetime) -> None:
    numbered = [{**one, "value": number} for number, one in enumerate(other)]
    past = [one for one in numbered if one["since"] is None or one["since"] <= now]
    left = pl.DataFrame([one for one in rows if one["at"] is not None and one["at"] <= now], schema=ROWS)
    join = clause(on=("a",), columns=("value",))
    with_future = join_as_of(left, pl.DataFrame(numbered, schema=KNOWN), join, "at")
    assert with_future.equals(join_as_of(left, pl.DataFrame(past, schema=KNOWN), join, "at"))


def test_of_ties_the_last_in_the_table_counts() -> None:
    prices = pl.DataFrame({"since": [DAY, DAY], "value": ["first", "last"]})
    assert join_as_of(pl.DataFrame({"at": [DAY]}), prices, clause(), "at")["value"].to_list() == ["last"]


def test_a_null_that_was_known_is_not_skipped_for_an_older_value() -> None:
    prices = pl.DataFrame({"since": [DAY, DAY + timedelta(hours=1)], "value": [1, None]})
    assert join_as_of(pl.DataFrame({"at": [DAY + timedelta(hours=2)]}), prices, clause(), "at")["value"].to_list() == [None]


def test_the_tolerance_includes_its_border_to_the_microsecond() -> None:
    rows = pl.DataFrame({"at": [DAY + timedelta(days=1), DAY + timedelta(days=1, microseconds=1)]})
    prices = pl.DataFrame({"since": [DAY], "value": [7]})
    assert join_as_of(rows, prices, clause(tolerance=timedelta(days=1)), "at")["value"].to_list() == [7, None]


@pytest.mark.parametrize(
    "since",
    [
        pl.Series([date(2024, 1, 2), date(2024, 1, 4)]),
        pl.Series(["2024-01-02", "2024-01-04T00:00:00"]),
        pl.Series([1704153600, 1704326400]),
        pl.Series([datetime(2024, 1, 2, tzinfo=UTC), datetime(2024, 1, 4, tzinfo=UTC)]).dt.convert_time_zone("Asia/Tokyo"),
        pl.Series([datetime(2024, 1, 2), datetime(2024, 1, 4)]).cast(pl.Datetime("ms")),
    ],
    ids=["dates", "texts", "epoch", "zone", "ms"],
)
def test_times_of_any_kind_are_compared_as_instants(since: pl.Series) -> None:
    rows = pl.DataFrame({"at": ["2024-01-01 23:59:59.999999", "2024-01-02 00:00", "2024-01-03", None]})
    other = pl.DataFrame({"since": since, "value": [1, 2]})
    assert join_as_of(rows, other, clause(), "at")["value"].to_list() == [None, 1, 1, None]


@pytest.mark.parametrize(
    ("left", "right", "equal"),
    [
        (pl.Series([1, 2]), pl.Series([1.0, 2.5]), [True, False]),
        (pl.Series(["1", "x"]), pl.Series([1, 2]), [True, False]),
        (pl.Series([0.0, float("nan")]), pl.Series([-0.0, float("nan")]), [True, False]),
        (pl.Series([True, False]), pl.Series(["true", "no"]), [True, False]),
        (pl.Series([date(2024, 1, 1), date(2024, 1, 2)]), pl.Series([datetime(2024, 1, 1), datetime(2024, 1, 2, 5)]), [True, False]),
        (pl.Series(["2024-01-01", "x"]), pl.Series([date(2024, 1, 1), date(2024, 1, 2)]), [True, False]),
        (pl.Series([2**64 - 1, 3], dtype=pl.UInt64), pl.Series([-1, 3]), [False, True]),
        (pl.Series(["a", "b"], dtype=pl.Categorical), pl.Series(["a", "c"]), [True, False]),
    ],
)
def test_keys_of_two_types_are_equal_by_their_texts(left: pl.Series, right: pl.Series, equal: list[bool]) -> None:
    rows = pl.DataFrame({"id": left, "at": [DAY, DAY]})
    other = pl.DataFrame({"id": right, "since": [DAY, DAY], "value": [0, 1]})
    joined = join_as_of(rows, other, clause(on=("id",)), "at")
    assert [value is not None for value in joined["value"]] == equal


def test_a_clause_may_name_its_own_time_and_columns_and_nothing_of_provenance_comes_over() -> None:
    rows = pl.DataFrame(
        {"at": [None], "asked": [DAY], "value": ["mine"], "_source": ["a.csv"], "_line": [2]}, schema_overrides={"at": pl.Date}
    )
    other = pl.DataFrame({"since": [DAY], "value": [5], "more": [6], "_source": ["b.csv"], "_line": [9]})
    joined = join_as_of(rows, other, clause(as_of="asked"), "at")
    assert joined.columns == [*rows.columns, "prices_value", "more"]
    assert joined.row(0)[2:] == ("mine", "a.csv", 2, 5, 6)
    named = join_as_of(rows, other, clause(as_of="asked", columns=("since",)), "at")
    assert named["since"].to_list() == [DAY]


def test_an_empty_table_and_no_rows_keep_their_columns() -> None:
    rows, other = pl.DataFrame({"at": [DAY]}), pl.DataFrame({"since": [DAY], "value": [5]})
    assert join_as_of(rows, other.clear(), clause(), "at").rows() == [(DAY, None)]
    assert join_as_of(rows.clear(), other, clause(), "at").schema == {"at": pl.Datetime("us"), "value": pl.Int64}


@pytest.mark.parametrize(
    ("rows", "other", "join", "said"),
    [
        ({"x": [1]}, {"since": [DAY]}, clause(), "HS203] data.joins, the main rows: got 'at'"),
        ({"at": [DAY]}, {"from": [DAY]}, clause(), "HS203] data.joins, table 'prices': got 'since'"),
        ({"at": [DAY]}, {"since": [DAY]}, clause(columns=("gone",)), "got 'gone'"),
        ({"at": ["noon"]}, {"since": [DAY]}, clause(), "HS225] data.joins, the main rows, column 'at': got 'noon'"),
        ({"at": [DAY]}, {"since": [True]}, clause(), "HS225] data.joins, table 'prices', column 'since': got True"),
        (
            {"at": [DAY], "v": [1], "prices_v": [1]},
            {"since": [DAY], "v": [1]},
            clause(),
            "two columns that would both be called 'prices_v'",
        ),
    ],
)
def test_what_is_wrong_is_told_in_a_line(rows: dict[str, Any], other: dict[str, Any], join: Join, said: str) -> None:
    with pytest.raises(DataError) as error:
        join_as_of(pl.DataFrame(rows), pl.DataFrame(other), join, "at")
    assert said in str(error.value)
