"""Records become columns and come back as they were, whatever stands in them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homeostat.infra.prediction_columns import exact_values, moment_at, to_columns, to_records, typed
from homeostat.infra.predictions import utc_text

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
NUMBERS = st.integers() | st.integers(-(2**70), 2**70) | st.just(10**400) | st.floats(allow_nan=False, allow_infinity=False)
PLAIN = st.none() | st.booleans() | NUMBERS | TEXTS
VALUES = PLAIN | st.lists(PLAIN, max_size=2) | st.dictionaries(TEXTS, PLAIN, max_size=2)
NAMES = st.sampled_from(["a", "b", "id", "inputs.a", "fields", "rest", "A", "", "\0"]) | TEXTS
ZONES = st.sampled_from([UTC, timezone(timedelta(hours=-3, minutes=-30))])
TIMES = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=ZONES)
MOMENTS = TIMES.map(utc_text) | TIMES.map(datetime.isoformat)
ABOUT = ("request", "row", "model", "version", "arm", "scores", "prediction", "latency_ms", "lower", "entity", "rest")
USUAL = st.fixed_dictionaries(
    {
        "id": TEXTS.filter(bool),
        "request": TEXTS,
        "row": st.integers(0, 9),
        "at": MOMENTS,
        "model": st.just("bike"),
        "version": st.integers(1, 3),
        "arm": st.sampled_from(["champion", "shadow"]),
        "inputs": st.dictionaries(NAMES, st.integers(-9, 9) | st.floats(0, 1), max_size=4),
        "scores": st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=3),
        "prediction": st.floats(0, 1) | TEXTS,
        "latency_ms": st.floats(0, 9),
    },
    optional={"lower": st.floats(0, 1), "upper": st.floats(0, 1), "entity": VALUES},
)
STRANGE = st.fixed_dictionaries(
    {"id": TEXTS.filter(bool), "at": MOMENTS},
    optional={**dict.fromkeys(ABOUT, VALUES), "inputs": st.dictionaries(NAMES, VALUES, max_size=5) | VALUES},
)
RECORDS = st.lists(USUAL | STRANGE, min_size=1, max_size=6)


def same(one: Any, other: Any) -> bool:
    """Equal, and of one type all the way down: 1, 1.0 and true are three values."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(value, other[name]) for name, value in one.items())
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


@settings(max_examples=200)
@given(records=RECORDS)
def test_what_goes_in_comes_out(records: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> None:
    path = Path(tmp_path_factory.mktemp("columns")) / "part.parquet"
    to_columns(records).write_parquet(path)
    again = to_records(pl.read_parquet(path))
    assert same(again, records)
    for one, other in zip(again, records, strict=True):
        if isinstance(other.get("inputs"), dict):
            assert list(one["inputs"]) == list(other["inputs"])


@given(records=RECORDS, name=NAMES)
def test_one_field_comes_out_exactly(records: list[dict[str, Any]], name: str) -> None:
    rows = [each["inputs"] if isinstance(each.get("inputs"), dict) else {} for each in records]
    assert same(exact_values(to_columns(records), name), [row.get(name) for row in rows])


def record(**inputs: Any) -> dict[str, Any]:
    return {"id": "pr-1", "at": "2026-11-25T10:00:00.000000+00:00", "inputs": inputs}


def test_columns_have_the_type_of_their_values() -> None:
    rows = [record(n=1, x=0.5, s="a", b=True, mixed=1, texts="a", none=None), record(n=2, x=1.5, s=None, b=False, mixed=2.5, texts=7.0)]
    frame = to_columns(rows)
    assert {name: dtype for name, dtype in frame.schema.items() if name.startswith("inputs.")} == {
        "inputs.n": pl.Int64,
        "inputs.x": pl.Float64,
        "inputs.s": pl.String,
        "inputs.b": pl.Boolean,
        "inputs.mixed": pl.Float64,
        "inputs.texts": pl.String,
        "inputs.none": pl.Null,
    }
    assert frame["inputs.mixed"].to_list() == [1.0, 2.5]
    assert frame["inputs.texts"].to_list() == ["a", "7"]
    assert [json.loads(each) for each in frame["rest"]] == [{"inputs": {"mixed": 1}}, {"inputs": {"texts": 7.0}}]
    assert json.loads(frame["fields"][1]) == ["n", "x", "s", "b", "mixed", "texts"]


def test_rows_that_agree_have_no_rest() -> None:
    frame = to_columns([record(n=1, s="a"), record(n=2), record(s=None)])
    assert frame["rest"].null_count() == 3


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ([2**63, 1], [float(2**63), 1.0]),
        ([10**400, 1], [str(10**400), "1"]),
        ([True, 0], ["true", "0"]),
        ([[1, "ü"], None], ['[1,"ü"]', None]),
    ],
)
def test_what_no_column_holds_is_shown_and_told(values: list[Any], shown: list[Any]) -> None:
    column, strange = typed("x", values)
    assert column.to_list() == shown
    assert strange == [n for n, value in enumerate(values) if value is not None and type(value) is not type(shown[n])]


def test_more_fields_than_a_frame_has_columns_for_are_kept() -> None:
    rows = [record(**{f"f{n}": n for n in range(3_000)})]
    frame = to_columns(rows)
    assert frame.width < 2_100
    assert to_records(frame) == rows


@pytest.mark.parametrize("text", ["2026-01-01T00:00:00", "yesterday", "0001-01-01T00:00:00+02:00", ""])
def test_a_time_that_is_no_instant_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - whatever Python says of it
        moment_at(text)
