"""Rules of thumb: a rule that made the data is found again, in words that say it; what they answer is what the words say."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest

from homeostat.graph.plan import Input
from homeostat.learning.learner import Goal
from homeostat.learning.rule_of_thumb import Rule, few_values, rule_of_thumb, tabulate
from homeostat.stats.metrics import metric

if TYPE_CHECKING:
    from homeostat.core.sections import TaskType
    from homeostat.stats.kernels import Floats

N = 2000
RNG = np.random.default_rng(0)
FRAME = pl.DataFrame(
    {
        "heat": RNG.uniform(0, 1, N),
        "size": RNG.integers(0, 40, N),
        "shop": RNG.choice(["north", "south", "west"], N),
        "at": [datetime(2024, 1, 1) + timedelta(hours=i) for i in range(N)],
        "open": RNG.random(N) < 0.5,
    }
)
INPUTS = (
    Input("heat", "number"),
    Input("size", "number"),
    Input("shop", "category", ("north", "south", "west")),
    Input("at", "timestamp"),
    Input("open", "boolean"),
)


def goal(task: TaskType, name: str, classes: tuple[str, ...] = ()) -> Goal:
    return Goal(task, classes, metric(name))


def fitted(y: Floats, aim: Goal) -> tuple[Rule, float]:
    values = few_values(INPUTS, FRAME)
    table = tabulate(INPUTS, FRAME, values)
    rule = rule_of_thumb(table, y, aim)
    assert rule is not None
    return rule, aim.metric.score(y, rule.predict(table))


def test_a_threshold_is_found_again() -> None:
    y = np.where(FRAME["heat"].to_numpy() <= 0.3, 12.0, 40.0) + RNG.normal(0, 0.1, N)
    rule, mae = fitted(y, goal("regression", "mae"))
    assert rule.words.startswith("12 if heat <= 0.3")
    assert mae < 0.1


def test_two_questions_the_one_that_ends_first_is_asked_first() -> None:
    heat, opened = FRAME["heat"].to_numpy(), FRAME["open"].to_numpy()
    y = np.where(heat > 0.5, 100.0, np.where(opened, 30.0, 10.0))
    rule, rmse = fitted(y, goal("regression", "rmse"))
    assert re.fullmatch(r"100 if heat > 0\.(4999|5\d*), else 10 if open <= 0.5, else 30", rule.words)
    assert rmse == pytest.approx(0, abs=1e-9)


def test_the_usual_answer_for_each_value_of_a_column() -> None:
    usual = RNG.permutation(40) * 10.0
    y = usual[FRAME["size"].to_numpy()]
    rule, mae = fitted(y, goal("regression", "mae"))
    assert rule.words == "the usual answer for each of 40 values of size"
    assert mae == 0
    unseen = FRAME.with_columns(size=pl.lit(99))
    asked = tabulate(INPUTS, unseen, few_values(INPUTS, FRAME))
    assert rule.predict(asked)[0, 0] == np.median(y)  # a value that was never seen gets the answer for all


def test_classes_are_told_as_shares() -> None:
    chance = np.where(FRAME["shop"].to_numpy() == "south", 0.9, 0.1)
    y = (RNG.random(N) < chance).astype(float)
    rule, auc = fitted(y, goal("binary", "auc", ("no", "yes")))
    assert "shop" in rule.words
    assert auc == pytest.approx(0.85, abs=0.06)
    three = np.where(FRAME["heat"].to_numpy() < 0.5, 2.0, np.where(FRAME["open"].to_numpy(), 1.0, 0.0))
    rule, loss = fitted(three, goal("multiclass", "log_loss", ("a", "b", "c")))
    assert rule.words.startswith("c in 100% if heat <= 0.5")
    assert loss < 0.05
    one_hot = (FRAME["shop"] == "west").to_numpy().astype(float)
    values = few_values(INPUTS[:1], FRAME)
    only = tabulate((Input("shop", "category", ("north", "south", "west")),), FRAME, values)
    told = rule_of_thumb(only, one_hot, goal("binary", "brier", ("no", "yes")))
    assert told is not None
    assert told.words in {"yes in 0% if shop is not west, else yes in 100%", "the usual answer for each of 3 values of shop"}


def test_the_calendar_and_nulls() -> None:
    hours = FRAME["at"].dt.hour().to_numpy()
    rule, mae = fitted(np.where(hours <= 6, 3.0, 50.0), goal("regression", "mae"))
    assert rule.words == "3 if hour of at <= 6.5, else 50"
    assert mae == 0
    holed = FRAME.with_columns(heat=pl.when(pl.int_range(N) % 3 > 0).then("heat"), size=pl.when(pl.int_range(N) % 5 > 0).then("size"))
    y = np.where(holed["size"].is_null().to_numpy(), 7.0, 1.0)
    table = tabulate(INPUTS, holed, few_values(INPUTS, holed))
    found = rule_of_thumb(table, y, goal("regression", "mae"))
    assert found is not None
    assert np.abs(found.predict(table)[:, 0] - y).max() == 0


def test_nothing_to_learn_and_nothing_to_learn_from() -> None:
    table, aim = tabulate(INPUTS, FRAME, few_values(INPUTS, FRAME)), goal("regression", "rmse")
    noise = [np.random.default_rng(seed).normal(size=N) for seed in range(20)]
    assert sum(rule_of_thumb(table, y, aim) is None for y in noise) > 10  # mostly no rule beats a constant
    y = noise[0]
    table = tabulate(INPUTS, FRAME.head(20), {})
    assert rule_of_thumb(table, y[:20], goal("regression", "rmse")) is None
    words = FRAME.with_columns(note=pl.lit("a long remark of many words"))
    assert tabulate((Input("note", "text"),), words, {}).names == ()
    unknown = np.where(np.arange(N) % 2 == 0, -1.0, (FRAME["heat"].to_numpy() > 0.5).astype(float))  # -1: a class nobody knows
    assert fitted(unknown, goal("binary", "accuracy", ("no", "yes")))[0].words


def test_numbers_beyond_float32_are_numbers_like_others() -> None:
    vast = np.where(np.arange(N) % 2, 1e100, -1e100)
    inputs, frame = (Input("vast", "number"),), pl.DataFrame({"vast": vast + RNG.uniform(0, 1e99, N)})
    table = tabulate(inputs, frame, few_values(inputs, frame))
    rule = rule_of_thumb(table, np.where(vast > 0, 5.0, 1.0), goal("regression", "mae"))
    assert rule is not None
    assert rule.words == "1 if vast <= 0, else 5"
