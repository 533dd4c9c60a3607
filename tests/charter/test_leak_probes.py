"""Leaks planted in the bundled data, each kind in each kind of task, are named; honest columns made of the same values are not."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest

import homeostat
from homeostat.charter.future import aggregates, later_values
from homeostat.charter.probes import target_of
from homeostat.charter.suspects import Suspect, find_suspects, row_order

if TYPE_CHECKING:
    from homeostat.core.sections import TaskType

BIKE = Path(homeostat.__file__).parent / "data" / "bike_hourly.csv"
BANK = Path(__file__).resolve().parents[2] / "examples/bank-marketing/data/bank_marketing.parquet"
TIME = {"regression": "dteday", "binary": "contact_month", "multiclass": "dteday"}
Make = Callable[[pl.DataFrame, np.random.Generator], pl.Series]


@cache
def rows(task: TaskType) -> pl.DataFrame:
    """A time column, a category, and the target ``y``, in the order of time."""
    if task == "binary":
        return pl.read_parquet(BANK).select("contact_month", "job", "y")
    frame = pl.read_csv(BIKE, try_parse_dates=True).sort("dteday", "hr")
    if task == "multiclass":
        size = pl.when(pl.col("cnt") < 150).then(pl.lit("low")).when(pl.col("cnt") < 320).then(pl.lit("mid")).otherwise(pl.lit("high"))
        return frame.select("dteday", job="hr", y=size)
    return frame.select("dteday", job="hr", y="cnt")


def accused(task: TaskType, column: pl.Series, **how: object) -> list[Suspect]:
    frame = rows(task).with_columns(column.alias("planted"))
    found = find_suspects(frame, "y", task, time=TIME[task], **how)  # type: ignore[arg-type]
    assert all("planted" in suspect.columns for suspect in found)  # nothing else is accused, whatever was planted beside it
    return list(found)


def kinds(task: TaskType, column: pl.Series) -> set[str]:
    return {suspect.kind for suspect in accused(task, column)}


def codes(frame: pl.DataFrame) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    """Four quarters of a quantity, or the place of each class among the sorted ones."""
    if frame["y"].dtype.is_numeric():
        return np.searchsorted(np.quantile(frame["y"], [0.25, 0.5, 0.75]), frame["y"].to_numpy())
    names = sorted(frame["y"].unique())
    return np.array([names.index(value) for value in frame["y"]])


def serial(frame: pl.DataFrame, rng: np.random.Generator) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    return rng.permutation(frame.height)


@pytest.mark.parametrize("noise", [0.05, 0.1, 0.3, 0.5, 1.0])
def test_a_quantity_copied_with_noise(noise: float) -> None:
    y = rows("regression")["y"]
    drawn = np.random.default_rng(0).normal(0, noise * float(y.std()), len(y))  # type: ignore[arg-type]
    (copy,) = [one for one in accused("regression", y + pl.Series(drawn)) if one.kind == "copy"]
    assert copy.sure
    assert copy.number == pytest.approx(1 / (1 + noise**2), abs=0.02)


@pytest.mark.parametrize("task", ["binary", "multiclass"])
@pytest.mark.parametrize("noise", [0.1, 0.3, 0.5, 1.0])
def test_a_class_code_copied_with_noise(task: TaskType, noise: float) -> None:
    code = codes(rows(task))
    found = kinds(task, pl.Series(code + np.random.default_rng(0).normal(0, noise, len(code))))
    assert found & {"leak", "copy"}


@pytest.mark.parametrize("task", ["binary", "multiclass"])
@pytest.mark.parametrize("share", [0.01, 0.05, 0.1, 0.2, 0.3])
def test_a_class_copied_with_some_values_exchanged(task: TaskType, share: float) -> None:
    frame, rng = rows(task), np.random.default_rng(0)
    names, code = sorted(frame["y"].unique()), codes(rows(task))
    other = np.where(rng.random(len(code)) < share, (code + rng.integers(1, len(names), len(code))) % len(names), code)
    found = accused(task, pl.Series([names[one] for one in other]))
    (copy,) = [one for one in found if one.kind == "copy"]
    assert copy.number == pytest.approx(1 - share, abs=0.02)


@pytest.mark.parametrize("task", ["regression", "binary", "multiclass"])
@pytest.mark.parametrize("ahead", [1, 3, 24])
def test_the_target_of_a_later_row(task: TaskType, ahead: int) -> None:
    (found,) = accused(task, rows(task)["y"].shift(-ahead))
    assert found.kind == "future"
    assert ("the next row" if ahead == 1 else f"{ahead} further on") in found.reason


@pytest.mark.parametrize("noise", [0.05, 0.2, 0.5])
def test_the_target_of_a_later_row_with_noise(noise: float) -> None:
    y = rows("regression")["y"]
    drawn = pl.Series(np.random.default_rng(0).normal(0, noise * float(y.std()), len(y)))  # type: ignore[arg-type]
    assert kinds("regression", y.shift(-1) + drawn) == {"future"}


def test_the_next_value_of_the_same_entity() -> None:
    rng = np.random.default_rng(0)
    frame = pl.DataFrame({"shop": rng.integers(0, 40, 3000), "y": rng.gamma(2, 10, 3000)})
    frame = frame.with_columns(x=pl.col("y").shift(-1).over("shop"), before=pl.col("y").shift(1).over("shop"))
    target = target_of(frame["y"], "regression")
    for entity in ((), ("shop",)):
        (found,) = later_values(frame, target, ["x", "before", "shop"], entity)
        assert found.columns == ("x",)
        assert "the next row with the same shop" in found.reason


@pytest.mark.parametrize("figure", ["mean", "sum", "max", "min"])
def test_a_figure_over_the_whole_period(figure: str) -> None:
    rng = np.random.default_rng(1)
    frame = pl.DataFrame({"day": np.repeat(np.arange(300), 10), "y": rng.gamma(2, 100, 3000)})
    frame = frame.with_columns(x=getattr(pl.col("y"), figure)().over("day"))
    (found,) = aggregates(frame, target_of(frame["y"], "regression"), ["day", "x"])
    assert found.columns == ("x",)
    assert {"mean": "mean", "sum": "sum", "max": "largest", "min": "smallest"}[figure] in found.reason


@pytest.mark.parametrize("task", ["binary", "multiclass"])
def test_the_share_of_a_class_over_the_whole_period(task: TaskType) -> None:
    frame = rows(task)
    share = frame.select((pl.col("y") == frame["y"][0]).cast(pl.Float64).mean().over("job")).to_series()
    assert kinds(task, share) == {"aggregate"}


IDS: dict[str, Make] = {
    "remainder": lambda frame, rng: pl.Series(serial(frame, rng) * 4 + codes(frame)),
    "ranges": lambda frame, rng: pl.Series(codes(frame) * 10 * frame.height + serial(frame, rng)),
    "prefix": lambda frame, rng: pl.Series([f"{'ABCD'[c]}{i:06d}" for c, i in zip(codes(frame), serial(frame, rng), strict=True)]),
    "suffix": lambda frame, rng: pl.Series([f"{i:06d}-{'wxyz'[c]}" for c, i in zip(codes(frame), serial(frame, rng), strict=True)]),
    "letter": lambda frame, rng: pl.Series(
        [f"{i * 2654435761 % 2**40:010x}{'ghij'[c]}{i:05d}" for c, i in zip(codes(frame), serial(frame, rng), strict=True)]
    ),
}


@pytest.mark.parametrize("task", ["regression", "binary", "multiclass"])
@pytest.mark.parametrize("make", IDS.values(), ids=IDS.keys())
def test_an_identifier_that_encodes_the_target(task: TaskType, make: Make) -> None:
    assert kinds(task, make(rows(task), np.random.default_rng(0))) & {"id_code", "leak"}


HONEST: dict[str, Make] = {
    "the row before": lambda frame, rng: frame["y"].shift(1),
    "a day before": lambda frame, rng: frame["y"].shift(24),
    "another order": lambda frame, rng: pl.Series(rng.permutation(frame["y"].to_list())),
    "noise": lambda frame, rng: pl.Series(rng.normal(size=frame.height)),
    "whole numbers": lambda frame, rng: pl.Series(rng.integers(0, 1000, frame.height)),
    "an id": lambda frame, rng: pl.Series(serial(frame, rng) * 7 + 5),
    "a mean of the past": lambda frame, rng: pl.Series(codes(frame).astype(float)).shift(1).rolling_mean(24),
    "a sum of the past": lambda frame, rng: pl.Series(codes(frame)).shift(1).rolling_sum(7),
    "a smoothed past": lambda frame, rng: pl.Series(codes(frame).astype(float)).shift(1).fill_null(0.0).ewm_mean(alpha=0.2),
}


@pytest.mark.parametrize("task", ["regression", "binary", "multiclass"])
@pytest.mark.parametrize("make", HONEST.values(), ids=HONEST.keys())
def test_honest_columns(task: TaskType, make: Make) -> None:
    assert accused(task, make(rows(task), np.random.default_rng(0))) == []


def test_a_calibrated_forecast_is_no_copy() -> None:
    y = rows("regression")["y"].to_numpy().astype(float)
    noisy = y + np.random.default_rng(0).normal(0, y.std(), len(y))
    forecast = y.mean() + 0.5 * (noisy - y.mean())  # as good as a copy with so much noise, but regressed to the mean
    assert accused("regression", pl.Series(forecast)) == []


def test_bike_names_each_of_the_counts_that_make_up_the_target() -> None:
    frame = pl.read_csv(BIKE, try_parse_dates=True)
    for skip, kind, names in (
        ((), "combination", ("casual", "registered")),
        (("casual",), "leak", ("registered",)),
        (("registered",), "part", ("casual",)),
    ):
        found = find_suspects(frame, "cnt", "regression", time="dteday", entity=("dteday", "hr"), skip=("instant", "yr", *skip))
        assert (kind, names) in {(one.kind, one.columns) for one in found}
        assert {name for one in found for name in one.columns} <= {"casual", "registered"}
    (part,) = find_suspects(frame, "cnt", "regression", time="dteday", skip=("instant", "yr", "registered"))
    assert not part.sure
    assert part.reason.endswith("known when you predict?")


def test_no_column_of_bank_is_accused() -> None:
    assert find_suspects(pl.read_parquet(BANK), "y", "binary", time="contact_month") == ()


def test_rows_in_order_of_the_target_are_told_from_rows_in_order_of_time() -> None:
    frame = rows("binary")
    assert row_order(frame.sort("y"), "y", "binary")[0] > 0.99
    assert row_order(frame, "y", "binary")[0] < 0.9  # a drifting share is no order
    assert row_order(frame.sample(fraction=1, shuffle=True, seed=0), "y", "binary")[0] == pytest.approx(0.5, abs=0.02)
    assert row_order(frame.head(10), "y", "binary") == (0.0, "")
