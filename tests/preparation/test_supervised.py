"""The supervised view: what each column is, no look ahead, and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from homeostat.core.sections import Task
from homeostat.errors import DataError
from homeostat.preparation.supervised import latest_view, training_view

START = datetime(2024, 3, 1)
HOUR = timedelta(hours=1)


def task(**forecast: Any) -> Task:
    more = {name: forecast.pop(name) for name in ("entity", "label_delay") if name in forecast}
    told = {"step": "1h", "horizon": 3, "lags": (0, 2), "windows": (3,), "season": (4,), "known": ("open",), "every": 1, **forecast}
    return Task.model_validate({"type": "regression", "target": "y", "time": "at", "forecast": told, **more})


def series(hours: list[int], values: list[float | None], name: str = "a") -> pl.DataFrame:
    return pl.DataFrame(
        {
            "shop": [name] * len(hours),
            "at": [START + hour * HOUR for hour in hours],
            "y": pl.Series(values, dtype=pl.Float64),
            "open": [hour % 5 for hour in hours],
            "rain": [float(hour) for hour in hours],
            "_source": ["s.csv"] * len(hours),
            "_line": [hour + 2 for hour in hours],
        }
    )


@st.composite
def shops(draw: st.DrawFn) -> pl.DataFrame:
    """One to three series with gaps, nulls and different ends."""
    parts = []
    for name in ("a", "b", "c")[: draw(st.integers(1, 3))]:
        hours = sorted(draw(st.sets(st.integers(0, 40), min_size=2, max_size=40)))
        value = st.one_of(st.none(), st.integers(-50, 50).map(float))
        parts.append(series(hours, draw(st.lists(value, min_size=len(hours), max_size=len(hours))), name))
    return pl.concat(parts)


delays = st.sampled_from(["0s", "1h", "90m", "5h"])
FEATURES = ["y_lag_0", "y_lag_2", "y_mean_3", "y_std_3", "y_min_3", "y_max_3", "y_change_4", "y_season_4", "y_season_4_mean", "rain"]
PLACE = ["shop", "_origin", "horizon"]


@settings(max_examples=10)
@given(frame=shops(), delay=delays)
def test_each_column_is_what_the_table_says(frame: pl.DataFrame, delay: str) -> None:
    asked = task(entity=("shop",), label_delay=delay)
    late = {"0s": 0, "1h": 1, "90m": 2, "5h": 5}[delay]
    rows = {(row["shop"], row["at"]): row for row in frame.to_dicts()}

    def value(shop: str, at: datetime, name: str = "y") -> Any:
        return rows.get((shop, at), {}).get(name)

    def spread(known: list[float]) -> float | None:
        return float(np.std(known, ddof=1)) if len(known) > 1 else None

    expected = []
    for shop, origin in rows:
        newest = origin - late * HOUR
        window = [each for n in range(3) if (each := value(shop, newest - n * HOUR)) is not None]
        for step in (1, 2, 3):
            at = origin + step * HOUR
            if value(shop, at) is None:
                continue
            back = next(n for n in range(1, 9) if at - 4 * n * HOUR <= newest)
            seasons = [value(shop, at - 4 * (back + n) * HOUR) for n in range(4)]
            known = [each for each in seasons if each is not None]
            now, before = value(shop, newest), value(shop, newest - 4 * HOUR)
            expected.append(
                {
                    "shop": shop,
                    "at": at,
                    "horizon": step,
                    "y_lag_0": now,
                    "y_lag_2": value(shop, newest - 2 * HOUR),
                    "y_mean_3": float(np.mean(window)) if window else None,
                    "y_std_3": spread(window),
                    "y_min_3": min(window, default=None),
                    "y_max_3": max(window, default=None),
                    "y_change_4": None if now is None or before is None else now - before,
                    "y_season_4": seasons[0],
                    "y_season_4_mean": float(np.mean(known)) if known else None,
                    "open": value(shop, at, "open"),
                    "rain": value(shop, origin, "rain"),
                    "y": value(shop, at),
                    "_origin": origin,
                    "_source": "s.csv",
                    "_line": value(shop, at, "_line"),
                }
            )
    found = training_view(frame, asked)
    wanted = pl.DataFrame(expected, schema=found.schema).sort("at", "shop", "horizon")
    assert_frame_equal(found, wanted, abs_tol=1e-9)


@settings(max_examples=10)
@given(frame=shops(), delay=delays, cut=st.integers(1, 40), data=st.data())
def test_nothing_after_the_origin_is_in_an_input(frame: pl.DataFrame, delay: str, cut: int, data: st.DataObject) -> None:
    asked, moment = task(entity=("shop",), label_delay=delay), START + cut * HOUR
    # what is not known at the origin: all values that come later, and those whose labels are still on their way
    unknown = pl.col("at") > moment - asked.label_delay
    noise = pl.Series(data.draw(st.lists(st.floats(-1e6, 1e6), min_size=frame.height, max_size=frame.height)))
    changed = frame.with_columns(
        pl.when(unknown).then(noise).otherwise("y").alias("y"),
        pl.when(pl.col("at") > moment).then(noise).otherwise("rain").alias("rain"),
    )
    before, after = (training_view(each, asked).filter(pl.col("_origin") == moment) for each in (frame, changed))
    both = before.select(PLACE).join(after.select(PLACE), on=PLACE)
    assert_frame_equal(*(each.join(both, on=PLACE, how="semi").select(PLACE + FEATURES) for each in (before, after)))


@settings(max_examples=10)
@given(frame=shops(), delay=delays, cut=st.integers(1, 40))
def test_a_series_cut_off_at_the_origin_gives_the_same_inputs(frame: pl.DataFrame, delay: str, cut: int) -> None:
    asked, moment = task(entity=("shop",), label_delay=delay), START + cut * HOUR
    batch = training_view(frame, asked).filter(pl.col("_origin") == moment)
    streamed = latest_view(frame.filter(pl.col("at") <= moment), asked, moment)
    known = streamed.join(batch, on=PLACE, how="semi")
    assert_frame_equal(known.select(PLACE + FEATURES), batch.join(known, on=PLACE, how="semi").select(PLACE + FEATURES))
    assert known.height == batch.join(streamed, on=PLACE, how="semi").height


@settings(max_examples=10)
@given(frame=shops(), seed=st.integers(0, 1000))
def test_the_order_of_the_rows_says_nothing(frame: pl.DataFrame, seed: int) -> None:
    asked = task(entity=("shop",))
    shuffled = frame.sample(fraction=1.0, shuffle=True, seed=seed)
    assert_frame_equal(training_view(frame, asked), training_view(shuffled, asked))
    assert_frame_equal(latest_view(frame, asked), latest_view(shuffled, asked))


def test_the_newest_origin_of_each_series_and_what_is_known_ahead() -> None:
    frame = pl.concat([series([0, 1, 2, 3, 4], [1.0, 2.0, 3.0, None, None]), series([0, 1, 2, 3, 4], [5.0, 6.0, 7.0, 8.0, None], "b")])
    found = latest_view(frame, task(entity=("shop",), horizon=(1, 2)))
    assert found.select("shop", "horizon", "at", "y_lag_0", "open").rows() == [
        ("a", 1, START + 3 * HOUR, 3.0, 3),
        ("a", 2, START + 4 * HOUR, 3.0, 4),
        ("b", 1, START + 4 * HOUR, 8.0, 4),
        ("b", 2, START + 5 * HOUR, 8.0, None),
    ]
    assert found["y"].to_list() == [None] * 4
    late = latest_view(frame, task(entity=("shop",), horizon=(1,), label_delay="2h"))
    assert late["_origin"].to_list() == [START + 4 * HOUR, START + 5 * HOUR], "the newest value was known two hours later"
    assert late["y_lag_0"].to_list() == [3.0, 8.0]


def test_a_moment_asked_for_is_the_last_step_before_it_in_any_zone() -> None:
    frame = series(list(range(10)), [float(n) for n in range(10)])
    for at in (START + timedelta(hours=4, minutes=20), (START + timedelta(hours=4)).replace(tzinfo=UTC)):
        found = latest_view(frame, task(horizon=(1,)), at)
        assert found.select("_origin", "y_lag_0", "y").rows() == [(START + 4 * HOUR, 4.0, 5.0)]
    assert latest_view(frame, task(), START - HOUR).is_empty()
    zoned = frame.with_columns(pl.col("at").dt.replace_time_zone("Europe/Berlin"))
    assert training_view(zoned, task()).schema["at"] == pl.Datetime("us", "UTC")


def test_origins_are_thinned_on_one_grid_for_all_series() -> None:
    frame = series(list(range(20)), [float(n) for n in range(20)])
    found = training_view(frame, task(every=6))
    assert sorted({each.hour for each in found["_origin"].to_list()}) == [0, 6, 12, 18]


def test_times_may_be_dates_texts_or_seconds_and_a_row_without_one_is_in_no_series() -> None:
    daily = pl.DataFrame({"at": [START.date() + timedelta(days=n) for n in range(30)], "y": range(30), "open": 0})
    asked = task(step="1d")
    found = training_view(daily, asked)
    as_text = daily.with_columns(pl.col("at").cast(pl.String))
    as_seconds = daily.with_columns(pl.col("at").cast(pl.Datetime("us")).dt.epoch("s"))
    assert_frame_equal(found, training_view(as_text, asked))
    assert_frame_equal(found, training_view(as_seconds, asked))
    with_null = pl.concat([daily, daily.head(1).with_columns(at=pl.lit(None, pl.Date))])
    assert_frame_equal(found, training_view(with_null, asked))


@pytest.mark.parametrize(
    ("frame", "code", "words"),
    [
        (pl.concat([series([0, 1], [1.0, 2.0]), series([1], [3.0])]), "HS357", ["2 rows", "01:00:00", "s.csv:3"]),
        (
            series([0, 1, 2], [1.0, 2.0, 3.0]).with_columns(pl.col("at") + pl.duration(minutes=pl.col("rain") // 2)),
            "HS356",
            ["1h", "s.csv:4"],
        ),
        (series([0, 1], [1.0, 2.0]).rename({"rain": "y_lag_2"}), "HS358", ["y_lag_2"]),
        (series([0, 1], [1.0, 2.0]).drop("open"), "HS203", ["open"]),
        (series([0, 1], [1.0, 2.0]).drop("y"), "HS204", ["y"]),
    ],
)
def test_what_cannot_be_a_series_is_refused_with_its_place(frame: pl.DataFrame, code: str, words: list[str]) -> None:
    with pytest.raises(DataError) as error:
        training_view(frame, task())
    assert error.value.code == code
    assert all(word in error.value.line() for word in words), error.value.line()


def test_a_task_without_a_forecast_has_no_view() -> None:
    with pytest.raises(ValueError, match="forecast"):
        training_view(series([0, 1], [1.0, 2.0]), Task(type="regression", target="y", time="at"))
