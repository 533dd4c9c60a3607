from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from homeostat.core import sections
from homeostat.core.targets import classes_of
from homeostat.errors import DataError, LearningError
from homeostat.graph.decode import decode_frame
from homeostat.graph.encode import dump_plan
from homeostat.graph.interpret import transform
from homeostat.graph.plan import Plan, Preparation
from homeostat.preparation.categories import target_means, vocabulary_of
from homeostat.preparation.fit import Flavour
from homeostat.preparation.fit import fit as fit_both
from homeostat.preparation.moments import telling_parts

BANK = Path(__file__).resolve().parents[2] / "examples/bank-marketing/data/bank_marketing.parquet"
BINARY = sections.Task(type="binary", target="y", positive="yes", time="contact_month", leave_out=("duration",))
NUMBER = sections.Task(type="regression", target="y")
SECTION = sections.Preparation()
FLAVOURS: tuple[Flavour, ...] = ("tree", "linear")


def fit(frame: pl.DataFrame, task: sections.Task, section: sections.Preparation, flavour: Flavour, classes: tuple[str, ...]) -> Preparation:
    """The preparation alone; its features of the training rows are those it trains on, where nothing is encoded by the target."""
    made, trained = fit_both(frame, task, section, flavour, classes)
    assert trained.shape == (frame.height, len(made.features))
    if not any(" mean" in name or " share of " in name for name in made.features):
        np.testing.assert_array_equal(trained, transform(made, *decode_frame(made.inputs, frame)))
    return made


def features(preparation: Preparation, frame: pl.DataFrame) -> dict[str, np.ndarray]:
    block = transform(preparation, *decode_frame(preparation.inputs, frame))
    assert block.shape == (frame.height, len(preparation.features))
    return dict(zip(preparation.features, block.T, strict=True))


def bank() -> pl.DataFrame:
    return pl.read_parquet(BANK).gather_every(8)


def small() -> pl.DataFrame:
    return pl.DataFrame(
        {
            "y": [1.0, 2.0, 3.0, 4.0, 5.0, 9.0],
            "size": [1.0, None, 3.0, 4.0, 5.0, 600.0],
            "open": [True, False, None, True, False, True],
            "shop": ["b", "a", None, "b", "b", "c"],
        }
    )


def test_tree_keeps_nulls_and_one_hot_gives_null_its_own_column() -> None:
    made = fit(small(), NUMBER, SECTION, "tree", ())
    found = features(made, small())
    np.testing.assert_array_equal(found["size"], [1.0, np.nan, 3.0, 4.0, 5.0, 600.0])
    np.testing.assert_array_equal(found["open"], [1, 0, np.nan, 1, 0, 1])
    np.testing.assert_array_equal(found["shop=b"], [1, 0, 0, 1, 1, 0])
    np.testing.assert_array_equal(found["shop is null"], [0, 0, 1, 0, 0, 0])
    unseen = features(made, small().with_columns(shop=pl.lit("never")))
    assert all((unseen[name] == 0).all() for name in made.features if name.startswith("shop"))


def test_linear_scales_fills_and_marks_nulls() -> None:
    made = fit(small(), NUMBER, SECTION, "linear", ())
    found = features(made, small())
    assert not np.isnan(np.column_stack(list(found.values()))).any()
    assert abs(found["size"].mean()) < 1e-12
    assert abs(found["size"].std() - 1) < 1e-12
    np.testing.assert_array_equal(found["size is null"], [0, 1, 0, 0, 0, 0])
    assert found["size"][1] == pytest.approx(found["size"][3]), "null takes the median, 4"
    wild = features(made, small().with_columns(size=pl.lit(1e12)))
    assert wild["size"][0] == pytest.approx(found["size"][5], rel=0.01), "clipped near the largest value seen"


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_bank_gives_finite_features_and_equal_frames_equal_nodes(flavour: Flavour) -> None:
    frame = bank()
    classes = classes_of(frame["y"], BINARY)
    made = fit(frame, BINARY, SECTION, flavour, classes)
    names = {each.name for each in made.inputs}
    assert "duration" not in names
    assert "y" not in names
    found = np.column_stack(list(features(made, frame).values()))
    assert np.isnan(found).any() == (flavour == "tree")
    again = fit(frame.clone(), BINARY, SECTION, flavour, classes)
    assert dump_plan(Plan("binary", "y", made.inputs, made.nodes)) == dump_plan(Plan("binary", "y", again.inputs, again.nodes))
    empty = features(made, frame.head(0))
    assert all(len(column) == 0 for column in empty.values())


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_nulls_and_unseen_texts_where_training_had_none_get_features(flavour: Flavour) -> None:
    frame = bank().drop_nulls("marital").with_columns(seen=pl.lit(datetime(2020, 1, 1)) + pl.duration(hours=pl.int_range(pl.len())))
    made = fit(frame, BINARY, SECTION, flavour, ("no", "yes"))
    blank = frame.head(2).with_columns(pl.lit(None).alias(each.name) for each in made.inputs)
    found = np.column_stack(list(features(made, blank).values()))
    assert np.isnan(found).any() == (flavour == "tree")


def test_many_texts_become_the_smoothed_mean_of_their_target() -> None:
    shops = [f"s{i % 12}" for i in range(240)] + ["rare"] * 2
    y = [float(i % 12) for i in range(240)] + [100.0] * 2
    frame = pl.DataFrame({"y": y, "shop": shops})
    made = fit(frame, NUMBER, sections.Preparation(max_categories=12), "tree", ())
    assert made.inputs[0].vocabulary == tuple(sorted({f"s{i}" for i in range(12)}))
    mean = float(np.mean(y))
    asked = pl.DataFrame({"shop": ["s3", "rare", "never", None]})
    got = features(made, asked)["shop mean"]
    np.testing.assert_allclose(got, [(60 + 10 * mean) / 30, (200 + 10 * mean) / 12, (200 + 10 * mean) / 12, mean], rtol=1e-12)
    scaled = features(fit(frame, NUMBER, sections.Preparation(max_categories=40), "linear", ()), frame)
    assert "shop=s3" in scaled, "up to 30 texts a linear learner gets one-hot"


def test_more_than_thirty_texts_are_a_scaled_mean_for_linear() -> None:
    frame = pl.DataFrame({"y": [float(i % 40) for i in range(400)], "shop": [f"s{i % 40}" for i in range(400)]})
    column = features(fit(frame, NUMBER, SECTION, "linear", ()), frame)["shop mean"]
    assert abs(column.mean()) < 1e-12
    assert abs(column.std() - 1) < 1e-12


def test_target_means_of_classes_are_shares() -> None:
    codes = np.array([1, 1, 2, 2, 2])
    binary = target_means("c", 2, codes, np.array([0.0, 1.0, 1.0, 1.0, -1.0]), ("no", "yes"))
    np.testing.assert_allclose(binary.values[:, 0], [0.6, (1 + 6) / 12, (2 + 6) / 13, 0.6])
    several = target_means("c", 2, codes, np.array([0.0, 1.0, 2.0, 2.0, 0.0]), ("a", "b", "c"))
    assert several.names == ("c share of a", "c share of b", "c share of c")
    np.testing.assert_allclose(several.values.sum(axis=1), 1.0)


def test_vocabulary_keeps_the_frequent_and_sorts_them() -> None:
    assert vocabulary_of(pl.Series(["b", "b", "z", "z", "a", "c", None]), 3) == ("a", "b", "z")
    assert vocabulary_of(pl.Series([2.0, 10.0, 2.0]), 3) == ("10", "2"), "numbers as the decoder's texts"


def seconds(step: timedelta, count: int) -> np.ndarray:
    start = datetime(2020, 1, 1, tzinfo=UTC)
    return np.array([(start + i * step).timestamp() for i in range(count)])


def test_only_calendar_parts_that_tell_something_are_used() -> None:
    assert telling_parts(seconds(timedelta(hours=5), 100)) == ("hour", "weekday")
    assert telling_parts(seconds(timedelta(days=1), 100)) == ("weekday",)
    assert telling_parts(seconds(timedelta(days=1), 700)) == ("weekday", "yearday")
    months = np.array([datetime(2020 + i // 12, i % 12 + 1, 1, tzinfo=UTC).timestamp() for i in range(30)])
    assert telling_parts(months) == ("month",)
    assert telling_parts(months[:12]) == ()
    assert telling_parts(np.array([np.nan])) == ()


def test_a_timestamp_is_never_a_feature_itself() -> None:
    at = pl.datetime_range(datetime(2020, 1, 1), datetime(2020, 3, 1), "6h", eager=True)
    frame = pl.DataFrame({"at": at, "y": np.arange(len(at), dtype=float), "x": np.arange(len(at)) % 7})
    task = sections.Task(type="regression", target="y", time="at")
    assert fit(frame, task, SECTION, "tree", ()).features == ("x", "at hour", "at weekday")
    cycles = features(fit(frame, task, SECTION, "linear", ()), frame)
    np.testing.assert_allclose(cycles["at hour sine"], np.sin(2 * np.pi * at.dt.hour().to_numpy() / 24), atol=1e-12)
    first_of_months = frame.with_columns(at=pl.lit(datetime(2020, 1, 1)))
    assert [each.name for each in fit(first_of_months, task, SECTION, "tree", ()).inputs] == ["x"]
    silent = frame.select("y", at=pl.Series([datetime(2020, 1 + i % 2, 1) for i in range(len(at))]))
    with pytest.raises(LearningError, match="HS304"):
        fit(silent, task, SECTION, "tree", ())


def test_a_value_its_kind_does_not_allow_names_the_column() -> None:
    with pytest.raises(DataError, match=r"HS205.*'shop'"):
        fit(small(), NUMBER, sections.Preparation(types={"shop": "number"}), "tree", ())
