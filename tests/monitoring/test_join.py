"""Joining labels: by id or entity, late, repeated, corrected, unknown."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path

import polars as pl
import pytest

from homeostat.errors import DataError
from homeostat.monitoring.join import join_labels

BANK = Path(__file__).resolve().parents[2] / "examples" / "bank-marketing" / "data" / "bank_marketing.parquet"
PREDICTIONS = pl.DataFrame({"prediction_id": ["a", "b", "c", "d"], "customer": [1, 2, 1, None], "score": [0.1, 0.2, 0.3, 0.4]})


def test_by_prediction_id() -> None:
    labels = pl.DataFrame({"prediction_id": ["c", "a", "x"], "y": ["yes", "no", "yes"], "note": ["", "", ""]})
    report = join_labels(PREDICTIONS, labels, "y", ())
    assert report.joined.to_dict(as_series=False) == {
        "prediction_id": ["a", "c"],
        "customer": [1, 1],
        "score": [0.1, 0.3],
        "y": ["no", "yes"],
    }
    assert (report.matched, report.unknown, report.duplicates, report.conflicting, report.empty) == (2, 1, 0, 0, 0)


def test_by_entity_a_label_reaches_every_prediction_of_it() -> None:
    labels = pl.DataFrame({"customer": ["1", "2.0", None], "y": [10.0, 20.0, 30.0]})
    report = join_labels(PREDICTIONS, labels.with_columns(customer=pl.col("customer").cast(pl.Float64)), "y", ("customer",))
    assert report.joined["y"].to_list() == [10.0, 20.0, 10.0]
    assert (report.matched, report.unknown) == (3, 1)


def test_repeats_corrections_and_empty_labels_are_counted() -> None:
    labels = pl.DataFrame({"prediction_id": ["a", "a", "b", "b", "c", "d"], "y": [1.0, 2.0, 5.0, 5.0, None, float("nan")]})
    report = join_labels(PREDICTIONS, labels, "y", ())
    assert report.joined.select("prediction_id", "y").rows() == [("a", 2.0), ("b", 5.0)]
    assert (report.duplicates, report.conflicting, report.empty, report.unknown) == (2, 1, 2, 0)


def test_joining_again_changes_nothing() -> None:
    labels = pl.DataFrame({"prediction_id": ["c", "a"], "y": ["yes", "no"]})
    first = join_labels(PREDICTIONS, labels, "y", ())
    again = join_labels(first.joined, labels, "y", ())
    assert again.joined.equals(first.joined)
    assert join_labels(PREDICTIONS, pl.concat([labels, labels]), "y", ()).joined.equals(first.joined)


def test_days_and_hours_match_however_they_are_written() -> None:
    predictions = pl.DataFrame({"day": [date(2011, 1, 1), date(2011, 1, 2)], "hr": [0, 1]})
    labels = pl.DataFrame({"day": ["2011-01-02", "2011-01-01", "soon"], "hr": ["1", "0", "2"], "cnt": [7, 8, 9]})
    report = join_labels(predictions, labels, "cnt", ("day", "hr"))
    assert report.joined["cnt"].to_list() == [8, 7]
    assert report.unknown == 1
    at = pl.DataFrame({"at": [datetime(2011, 1, 1, 5)]})
    assert join_labels(at, pl.DataFrame({"at": ["2011-01-01T05:00:00Z"], "cnt": [3]}), "cnt", ("at",)).matched == 1


def test_a_million_is_one_key_as_int_float_and_text() -> None:
    predictions = pl.DataFrame({"k": [1_000_000, 2]})
    for key in (pl.Series([1_000_000.0]), pl.Series(["1000000"]), pl.Series([1_000_000], dtype=pl.Int32)):
        assert join_labels(predictions, pl.DataFrame({"k": key, "y": [1]}), "y", ("k",)).matched == 1


def test_bank_labels_come_back_whole() -> None:
    bank = pl.read_parquet(BANK).head(5_000).with_row_index("prediction_id")
    target = bank.columns[-1]
    labels = bank.select("prediction_id", target).sample(fraction=1.0, shuffle=True, seed=1)
    report = join_labels(bank.drop(target), labels, target, ())
    assert report.joined.equals(bank)


def test_empty_frames() -> None:
    none = PREDICTIONS.clear()
    labels = pl.DataFrame({"prediction_id": ["a"], "y": [1]})
    assert join_labels(none, labels, "y", ()).unknown == 1
    report = join_labels(PREDICTIONS, labels.clear(), "y", ())
    assert (report.joined.height, report.unknown) == (0, 0)
    assert "y" in report.joined.columns


@pytest.mark.parametrize(
    ("labels", "entity", "said"),
    [
        ({"prediction_id": ["a"]}, (), r"HS204.*'y'.*got prediction_id"),
        ({"y": [1]}, (), r"HS210.*needed: prediction_id.*task\.entity"),
        ({"y": [1], "customer": [1]}, ("customer", "day"), r"HS210.*prediction_id, or all of customer, day"),
        ({"y": [1], "account": [1]}, ("account",), r"HS210.*predictions hold no account"),
    ],
)
def test_what_cannot_be_joined_is_said(labels: dict[str, list[object]], entity: tuple[str, ...], said: str) -> None:
    with pytest.raises(DataError, match=said):
        join_labels(PREDICTIONS, pl.DataFrame(labels), "y", entity)
