"""The whole analysis: what it may look at, what it says of planted flaws, and frames that are nothing like data."""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest

from homeostat.core import sections
from homeostat.core.ids import canonical
from homeostat.core.records import Decision
from homeostat.preparation.analysis import analyse as module
from homeostat.preparation.analysis.analyse import Known
from homeostat.preparation.analysis.records import Remark, Suspicion

if TYPE_CHECKING:
    from collections.abc import Callable

    from homeostat.preparation.analysis.records import Analysis

    Analyse = Callable[..., Analysis]

N = 600


def plain(rows: int = N, seed: int = 0) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=rows)
    return pl.DataFrame(
        {
            "x": x,
            "twin": x * 2,
            "gaps": pl.Series(rng.normal(size=rows)).set(pl.Series(rng.random(rows) < 0.6), None),
            "colour": rng.choice(["red", "green", "blue"], rows),
            "same": ["a"] * rows,
            "y": x + rng.normal(size=rows),
        }
    )


def test_planted_flaws_are_remarked_with_their_numbers(analysed: Analyse) -> None:
    suspect = Suspicion(("x",), "leak", 0.97, "gives the target away")
    found = analysed(plain(), "y", known=Known(suspects=(suspect,), problems=(Remark("high", "preparation.holdout", "told before", 1.0),)))
    told = {each.message.split(":")[0].split(" (")[0]: each for each in found.remarks}
    assert [each.severity for each in found.remarks] == sorted(
        (each.severity for each in found.remarks), key=["high", "medium", "low"].index
    )
    assert told["told before"].clause == "preparation.holdout"
    assert (told["x"].severity, told["x"].clause, told["x"].number) == ("high", "task.leave_out", 0.97)
    assert told["empty in many rows"].columns == ("gaps",)
    assert told["empty in many rows"].number == pytest.approx(0.6, abs=0.05)
    assert set(
        told["x and twin say nearly the same" if "x and twin say nearly the same" in told else "twin and x say nearly the same"].columns
    ) == {"x", "twin"}
    assert told["one value in every row, or none"].columns == ("same",)
    assert found.verdict.startswith("2 things to settle before training, the first: told before")


def test_what_the_charter_leaves_out_is_not_remarked_again(analysed: Analyse) -> None:
    suspect = Suspicion(("x", "twin"), "combination", 1.0, "their sum is the target")
    both = analysed(plain(), "y", known=Known(suspects=(suspect,)), leave_out=("x", "twin"))
    one = analysed(plain(), "y", known=Known(suspects=(suspect,)), leave_out=("twin",))
    assert not [each for each in both.remarks if "target" in each.message]
    assert [each.severity for each in one.remarks if "their sum" in each.message] == ["high"]
    assert both.suspects == (suspect,)


def test_the_target_of_rows_outside_training_changes_nothing_said_of_the_target(analysed: Analyse) -> None:
    frame = plain().with_columns(pl.Series("at", [datetime(2024, 1, 1) + timedelta(hours=i) for i in range(N)]))
    spoilt = frame.with_columns(pl.when(pl.int_range(N) < 400).then("y").otherwise(1e6).alias("y"))
    one, two = (analysed(each, "y", train=400, time="at") for each in (frame, spoilt))
    for part in ("relations", "correlations", "over_time", "classes", "duplicates"):
        assert getattr(one, part) == getattr(two, part), part
    related = [(each.name, each.association) for each in one.columns]
    assert related == [(each.name, each.association) for each in two.columns]
    assert sum(group.rows for group in one.relations[0].groups) == 400
    assert one.over_time is not None
    assert (sum(one.over_time.rows), sum(group.rows for group in one.over_time.target)) == (600, 400)
    assert "y" not in {each.column for each in one.over_time.columns}


def test_without_training_rows_nothing_is_said_of_the_target(analysed: Analyse) -> None:
    found = analysed(plain(), "y", train=0)
    assert (found.relations, found.classes, found.correlations.names) == ((), (), ())
    assert {each.association for each in found.columns} == {None}
    assert found.over_time is not None
    assert found.over_time.target == ()


def test_values_of_private_columns_are_nowhere(analysed: Analyse) -> None:
    frame = plain().with_columns(pl.Series("name", [f"secret-{i % 7}" for i in range(N)]), pl.Series("pay", np.arange(N) + 0.123456))
    found = analysed(frame, "y", known=Known(hidden={"name", "pay"}))
    text = canonical(asdict(found)).decode()
    assert "secret" not in text
    assert "0.123456" not in text
    hidden = {each.name: each for each in found.columns if each.hidden}
    assert (hidden["name"].distinct, hidden["name"].top, hidden["pay"].maximum, hidden["pay"].bins) == (7, None, None, None)


def test_decisions_are_told_in_words(analysed: Analyse) -> None:
    decisions = (
        Decision("x", "number", impute="median", reason="numbers", number=0.5),
        Decision("colour", None, drop=True, reason="no use", by="charter"),
    )
    by_name = {each.name: each for each in analysed(plain(), "y", known=Known(decisions)).columns}
    assert by_name["x"].treatment == "number; null becomes the median"
    assert (by_name["colour"].treatment, by_name["colour"].decision) == ("dropped", decisions[1])
    assert by_name["gaps"].decision is None


def test_a_sample_is_drawn_from_large_data_and_counts_stay_whole(analysed: Analyse, monkeypatch: pytest.MonkeyPatch) -> None:
    frame = pl.concat([plain(5_000), plain(5_000)])
    whole = analysed(frame, "y")
    monkeypatch.setattr(module, "MOST_ROWS", 2_000)
    one, two = analysed(frame, "y"), analysed(frame, "y")
    assert one == two
    assert (one.rows.seen, one.rows.seen_sample, one.rows.train_sample) == (10_000, 2_000, 2_000)
    for name in ("nulls", "distinct", "minimum", "mean", "quantiles", "top"):
        assert [getattr(each, name) for each in one.columns] == [getattr(each, name) for each in whole.columns]
    assert one.duplicates == whole.duplicates
    assert one.duplicates.exact == 5_000
    strength = {each.name: each.association for each in one.columns}
    assert strength["x"] == pytest.approx({each.name: each.association for each in whole.columns}["x"], abs=0.05)


HOSTILE: dict[str, pl.DataFrame] = {
    "no column but the target": pl.DataFrame({"y": [1.0, 2.0] * 50}),
    "no target": pl.DataFrame({"x": [1.0, 2.0] * 50}),
    "no row": plain().clear(),
    "one row": plain().head(1),
    "all null": pl.DataFrame(
        {"x": [None] * 100, "t": pl.Series([None] * 100, dtype=pl.String), "y": pl.Series([None] * 100, dtype=pl.Float64)}
    ),
    "300 columns": pl.DataFrame({f"c{i}": np.random.default_rng(i).normal(size=80) for i in range(300)} | {"y": np.arange(80.0)}),
    "huge integers": pl.DataFrame(
        {"x": [2**63 - 1, -(2**63), 0, 7] * 30, "u": pl.Series([2**64 - 1, 1] * 60, dtype=pl.UInt64), "y": [2**62, 1] * 60}
    ),
    "not finite": pl.DataFrame({"x": [np.inf, -np.inf, np.nan, 1.0] * 30, "z": [np.nan] * 120, "y": [np.inf, 1.0, 2.0, np.nan] * 30}),
    "edges of float64": pl.DataFrame(
        {"x": [1.7e308, -1.7e308, 5e-324, 0.0, 1e300] * 30, "tiny": [5e-324, 1e-323, 0.0] * 50, "y": [1.7e308, -1.7e308] * 75}
    ),
    "names alike": pl.DataFrame(
        {
            "a": [1.0, 2.0] * 50,
            "A": ["p", "q"] * 50,
            "a ": [1, 2] * 50,
            "": [3, 4] * 50,
            "a.b[0]": [1, 2] * 50,
            "y": [1.0, 2.0] * 50,
        }
    ),
    "a megabyte in a cell": pl.DataFrame({"t": ["x" * 1_000_000, "a b c d e f g h " * 60_000, "short"] * 20, "y": [1.0, 2.0, 3.0] * 20}),
    "every type": pl.DataFrame(
        {
            "list": [[1], None] * 40,
            "struct": [{"a": 1}, None] * 40,
            "bytes": [b"\xff", None] * 40,
            "nested bytes": [[b"\xff"], None] * 40,
            "duration": [timedelta(1), None] * 40,
            "time": [time(1), None] * 40,
            "zoned": [datetime(2024, 1, 1, tzinfo=UTC), None] * 40,
            "far": [date(1, 1, 1), date(9999, 12, 31)] * 40,
            "decimal": pl.Series(["1.5", None] * 40).cast(pl.Decimal(10, 2)),
            "cat": pl.Series(["a", None] * 40, dtype=pl.Categorical),
            "bool": [True, None] * 40,
            "wide": pl.Series([2**100, None] * 40, dtype=pl.Int128),
            "y": [1.0, 2.0] * 40,
        }
    ),
}


@pytest.mark.parametrize("kind", ["regression", "binary", "multiclass"])
@pytest.mark.parametrize("case", HOSTILE)
def test_no_frame_is_too_odd_and_all_of_it_is_json(case: str, kind: str, analysed: Analyse) -> None:
    frame = HOSTILE[case]
    found = analysed(frame, "y", kind, known=Known(tuple(Decision(name, None, drop=True) for name in frame.columns if name != "y")))
    assert [each.name for each in found.columns] == frame.columns
    assert [each.rows for each in found.columns] == [frame.height] * frame.width
    assert len(canonical(asdict(found))) < 3_000_000
    assert found.verdict


@pytest.mark.parametrize("column", ["list", "zoned", "far", "bool"])
def test_an_odd_time_column_is_no_fault(column: str, analysed: Analyse) -> None:
    frame = HOSTILE["every type"]
    found = analysed(frame, "y", time=column, known=Known())
    assert (found.over_time is not None) == (column == "far")


def test_order_stands_for_time_unless_the_split_says_otherwise(analysed: Analyse) -> None:
    frame = plain().with_columns(pl.Series("rising", np.arange(N)))
    ordered = analysed(frame, "y")
    assert ordered.over_time is not None
    assert (ordered.over_time.time, ordered.over_time.unit) == ("", "tenth of the rows")
    assert (ordered.over_time.columns[0].column, ordered.over_time.columns[0].drift) == ("rising", 1.0)
    shuffled = sections.Preparation(split=sections.SplitPlan(kind="random"))
    assert analysed(frame, "y", section=shuffled).over_time is None


def test_records_are_frozen(analysed: Analyse) -> None:
    found = analysed(plain(), "y")
    assert replace(found, verdict="x").verdict == "x"
    with pytest.raises(AttributeError):
        found.verdict = "y"  # type: ignore[misc]
