"""Inferring a charter: the bundled data give the charters a person would start from, and any data give one that parses."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import homeostat
from homeostat.charter.guess import guess_target, guess_time
from homeostat.charter.infer import infer_charter, slug
from homeostat.charter.load import parse_charter
from homeostat.core.sections import Source
from homeostat.errors import DataError, HomeostatError, LearningError

BIKE = Path(homeostat.__file__).parent / "data" / "bike_hourly.csv"
BANK = Path(__file__).resolve().parents[2] / "examples/bank-marketing/data/bank_marketing.parquet"


@pytest.mark.parametrize("dates", [True, False])
def test_bike(dates: bool) -> None:
    text = infer_charter(pl.read_csv(BIKE, try_parse_dates=dates), "cnt", "data/bike hourly.csv", "Bike Demand")
    charter = parse_charter(text, "homeostat.yaml")
    assert (charter.name, charter.task.type, charter.task.target, charter.task.time) == ("bike-demand", "regression", "cnt", "dteday")
    assert set(charter.task.leave_out) == {"instant", "yr", "casual", "registered"}
    assert charter.success.metric == "mae"
    assert (charter.data.source, charter.data.contract) == ("data/bike hourly.csv", "contract.yaml")
    assert "casual + registered is the target in 100.0% of the rows" in text


def test_bank() -> None:
    text = infer_charter(pl.read_parquet(BANK), "y", Source(source="b.csv", delimiter=";"), "bank", contract=None)
    charter = parse_charter(text, "homeostat.yaml")
    assert (charter.task.type, charter.task.positive, charter.task.time) == ("binary", "yes", "contact_month")
    assert charter.success.metric == "auc"
    assert charter.task.leave_out == ()
    assert (charter.data.delimiter, charter.data.contract) == (";", None)


def test_a_target_that_is_not_there() -> None:
    with pytest.raises(DataError) as caught:
        infer_charter(pl.DataFrame({"Count": [1], "day": [2]}), "cuont", "a.csv", "a")
    assert caught.value.code == "HS204"
    assert caught.value.next_step == "did you mean Count?"


@pytest.mark.parametrize(
    ("values", "kind", "code"),
    [
        ([], DataError, "HS202"),
        ([None, None], LearningError, "HS301"),
        (["a", "a", None], LearningError, "HS301"),
        ([f"text {i}" for i in range(21)], LearningError, "HS304"),
        ([date(2024, 1, i) for i in range(1, 29)], LearningError, "HS304"),
    ],
)
def test_a_target_that_cannot_be_learned(values: list[object], kind: type[HomeostatError], code: str) -> None:
    with pytest.raises(kind) as caught:
        infer_charter(pl.DataFrame({"y": values}), "y", "a.csv", "a")
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("values", "task", "last"),
    [
        (["n", "n", "y"], "binary", "y"),
        (["y", "y", "n"], "binary", "y"),  # a usual pair says which is positive
        (["good", "good", "bad"], "binary", "bad"),  # else the rarer one is
        ([True, False, True], "binary", "true"),
        ([0, 1, 1], "binary", "1"),
        ([0.0, 1.0, None], "binary", "1"),
        (["a", "b", "c", "a", "b"], "multiclass", "c"),
        (list(range(10)), "multiclass", "9"),
        (list(range(11)), "regression", None),
        ([0.5, 1.5, 2.5], "regression", None),
    ],
)
def test_the_kind_of_task(values: list[object], task: str, last: str | None) -> None:
    guess = guess_target(pl.Series("y", values))
    assert guess.task == task
    assert (guess.classes[-1] if guess.classes else None) == last


def test_the_time_column() -> None:
    days = [date(2024, 1, 1) + timedelta(days=i) for i in range(100)]
    born = [date(1980, 1, 1) + timedelta(days=(i * 37) % 1000) for i in range(100)]
    stamps = [datetime(2024, 1, 1) + timedelta(hours=(i * 7) % 100) for i in range(100)]
    frame = pl.DataFrame({"born": born, "day": days, "stamp": stamps, "iso": [f"{d}T10:00:00Z" for d in days], "word": ["2024"] * 100})
    ordered = guess_time(frame, "x")
    assert ordered is not None
    assert (ordered.column, ordered.ordered, ordered.distinct, ordered.span_days) == ("day", True, 100, 99.0)
    birthday = guess_time(frame.select("word", "born"), "x")
    assert birthday is not None
    assert (birthday.column, birthday.ordered) == ("born", False)
    assert guess_time(frame.select("word", "day"), "day") is None
    gappy = frame.select(pl.when(pl.int_range(100) < 90).then("iso").alias("iso"))
    assert guess_time(gappy, "x") is None
    assert guess_time(frame.select(iso=pl.lit("2024-13-45")), "x") is None


@pytest.mark.parametrize(
    ("name", "expected"), [("Bike Demand (2011)", "bike-demand-2011"), ("...", "model"), ("ÄÖ", "model"), ("a" * 99, "a" * 64)]
)
def test_names(name: str, expected: str) -> None:
    assert slug(name) == expected


columns = st.text(max_size=8).filter(lambda name: name not in {"", "target"} and not any(0xD800 <= ord(c) <= 0xDFFF for c in name))


@settings(max_examples=40, deadline=None)
@given(st.lists(columns, unique=True, max_size=4), columns, st.data())
def test_whatever_the_columns_are_called_the_charter_parses(names: list[str], target: str, data: st.DataObject) -> None:
    n = 60
    values = data.draw(st.sampled_from([[i % 2 for i in range(n)], [i * 0.5 for i in range(n)], ["yes", "no", "#: x"] * (n // 3)]))
    frame = pl.DataFrame({**{name: list(range(n)) for name in names if name != target}, target: values})
    charter = parse_charter(infer_charter(frame, target, f"{target}.csv", target), "homeostat.yaml")
    assert charter.task.target == target
    assert set(charter.task.leave_out) == {name for name in names if name != target}  # each is a row counter
