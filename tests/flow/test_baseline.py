"""Baselines of every kind, against brute force; nothing that was not known by then is ever used."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeostat.charter.schema import Charter
from homeostat.errors import DataError
from homeostat.flow.baseline import baseline_answers, baseline_scores, lookback_s
from homeostat.stats.metrics import metric

START = date(2024, 1, 1)


def charter(kind: str, baseline: Any, **task: Any) -> Charter:
    raw = {
        "name": "a",
        "problem": dict.fromkeys(("statement", "objective", "decision", "business_metric"), "x"),
        "task": {"type": kind, "target": "y", "time": "t", **task},
        "success": {"metric": {"regression": "mae", "binary": "log_loss", "multiclass": "log_loss"}[kind], "baseline": baseline},
        "data": {"source": "d"},
    }
    return Charter.model_validate(raw)


def days(count: int, start: int = 0) -> list[date]:
    return [START + timedelta(days=start + day) for day in range(count)]


WEEKLY = {"kind": "seasonal", "period": "7d"}


def test_naive_and_none_are_the_best_constant() -> None:
    seen, asked = pl.DataFrame({"y": [1.0, 2.0, 9.0]}), pl.DataFrame({"y": [5.0, 5.0]})
    assert baseline_scores(charter("regression", "naive"), (), seen, asked).tolist() == [[2.0], [2.0]]
    assert baseline_scores(charter("regression", "none"), (), seen, asked).tolist() == [[2.0], [2.0]]


def test_the_season_before_of_the_same_entity_and_the_naive_answer_where_there_is_none() -> None:
    seen = pl.DataFrame({"t": days(14) * 2, "shop": ["a"] * 14 + ["b"] * 14, "y": [float(n) for n in range(28)]})
    asked = pl.DataFrame({"t": [*days(2, 14), *days(1, 14), START - timedelta(days=1)], "shop": ["a", "a", "b", "a"], "y": [0.0] * 4})
    found = baseline_answers(charter("regression", WEEKLY, entity=["shop", "t"]), (), seen, asked)
    assert found.scores[:3, 0].tolist() == [7.0, 8.0, 21.0]
    assert found.scores[3, 0] == np.median(np.arange(28.0))
    assert found.without == 1


def test_a_late_label_sends_the_baseline_further_back() -> None:
    for delay, periods in (("0d", 1), ("7d", 1), ("8d", 2), ("30d", 5)):
        assert lookback_s(charter("regression", WEEKLY, label_delay=delay)) == periods * 7 * 86_400
    seen = pl.DataFrame({"t": days(21), "y": [float(n) for n in range(21)]})
    asked = pl.DataFrame({"t": days(1, 21), "y": [0.0]})
    assert baseline_scores(charter("regression", WEEKLY, label_delay="8d"), (), seen, asked).tolist() == [[7.0]]


def test_an_asked_row_may_be_the_season_before_a_later_one() -> None:
    seen = pl.DataFrame({"t": days(7), "y": [1.0] * 7})
    asked = pl.DataFrame({"t": days(14, 7), "y": [float(n) for n in range(14)]})
    found = baseline_scores(charter("regression", WEEKLY), (), seen, asked)[:, 0]
    assert found.tolist() == [1.0] * 7 + [float(n) for n in range(7)]


rows = st.lists(
    st.tuples(st.integers(0, 30), st.sampled_from(["a", "b", None]), st.one_of(st.none(), st.floats(-9, 9))), min_size=3, max_size=40
)


@given(rows, rows, st.integers(1, 5), st.integers(0, 9))
def test_seasonal_equals_the_brute_force_on_any_rows(past: Any, new: Any, period: int, delay: int) -> None:
    past = [*past, (0, "a", 1.0)]
    frames = [
        pl.DataFrame(part, schema={"day": pl.Int64, "shop": pl.String, "y": pl.Float64}, orient="row").with_columns(
            (pl.lit(datetime(2024, 1, 1)) + pl.duration(days="day")).alias("t")
        )
        for part in (past, new)
    ]
    seen = frames[0].drop_nulls("y")
    told = charter("regression", {"kind": "seasonal", "period": f"{period}d"}, entity=["shop"], label_delay=f"{delay}d")
    found = baseline_answers(told, (), seen, frames[1])
    back = next(period * n for n in range(1, 99) if period * n >= delay)
    known = [(day, shop, y) for day, shop, y in [*seen.select("day", "shop", "y").rows(), *new] if y is not None]
    expected, silent = [], 0
    for day, shop, _ in new:
        before = [y for d, s, y in known if d == day - back and s == shop]
        silent += not before
        expected.append(np.mean(before) if before else np.median([y for _, _, y in seen.select("day", "shop", "y").rows()]))
    np.testing.assert_allclose(found.scores[:, 0], expected)
    assert found.without == silent


def test_seasonal_classes_are_answered_as_surely_as_they_were_right() -> None:
    seen = pl.DataFrame({"t": days(28), "y": ["a", "b", "b", "b", "b", "b", "b"] * 3 + ["b"] * 7})
    asked = pl.DataFrame({"t": days(7, 28), "y": ["b"] * 7})
    told = charter("binary", WEEKLY)
    scores = baseline_scores(told, ("a", "b"), seen, asked)
    sure = (20 + 1) / (21 + 2)  # of the 21 seen rows with a week before, one was wrong
    np.testing.assert_allclose(scores, [[1 - sure, sure]] * 7)


def test_a_column_of_numbers_with_nulls() -> None:
    seen = pl.DataFrame({"y": [1.0, 3.0], "forecast": [1.0, 3.0]})
    asked = pl.DataFrame({"y": [0.0] * 4, "forecast": [7.5, None, float("nan"), 8.0]})
    found = baseline_answers(charter("regression", {"kind": "column", "column": "forecast"}), (), seen, asked)
    assert found.scores[:, 0].tolist() == [7.5, 2.0, 2.0, 8.0]
    assert found.without == 2
    with pytest.raises(DataError, match=r"HS203\] success.baseline.column: column 'forecast' is missing"):
        baseline_scores(charter("regression", {"kind": "column", "column": "forecast"}), (), seen, asked.drop("forecast"))
    text = asked.with_columns(pl.lit("x").alias("forecast"))
    with pytest.raises(DataError, match=r"HS205.*allowed: numbers"):
        baseline_scores(charter("regression", {"kind": "column", "column": "forecast"}), (), seen, text)


def test_a_column_of_classes_keeps_log_loss_finite_and_its_own_decisions() -> None:
    rng = np.random.default_rng(0)
    y = rng.choice(["a", "b", "c"], 500)
    told = np.where(rng.random(500) < 0.7, y, rng.choice(["a", "b", "c"], 500))
    frame = pl.DataFrame({"y": y, "old": told})
    seen, asked = frame[:400], frame[400:].with_columns(pl.when(pl.int_range(100) < 3).then(None).otherwise("old").alias("old"))
    asked = asked.with_columns(pl.when(pl.int_range(100) == 5).then(pl.lit("never heard of")).otherwise("old").alias("old"))
    found = baseline_answers(charter("multiclass", {"kind": "column", "column": "old"}), ("a", "b", "c"), seen, asked)
    assert found.without == 4
    np.testing.assert_allclose(found.scores.sum(axis=1), 1.0)
    names = np.array(["a", "b", "c"])[found.scores.argmax(axis=1)]
    given_ = [at for at in range(100) if asked["old"][at] in ("a", "b", "c")]
    assert names[given_].tolist() == [asked["old"][at] for at in given_]
    right = (seen["y"] == seen["old"]).sum()
    assert found.scores[given_].max(axis=1).tolist() == pytest.approx([(right + 1) / 402] * len(given_))
    index = np.array([("a", "b", "c").index(value) for value in asked["y"]], dtype=float)
    assert np.isfinite(metric("log_loss").score(index, found.scores))


def test_a_number_in_a_binary_task_is_a_probability_unless_it_is_a_class() -> None:
    seen = pl.DataFrame({"y": ["no", "yes", "no"], "p": [0.2, 0.9, 0.1]})
    asked = pl.DataFrame({"y": ["no", "no"], "p": [0.25, None]})
    told = charter("binary", {"kind": "column", "column": "p"})
    found = baseline_answers(told, ("no", "yes"), seen, asked)
    np.testing.assert_allclose(found.scores, [[0.75, 0.25], [2 / 3, 1 / 3]])
    with pytest.raises(DataError, match=r"HS205.*got 25; allowed: the classes no, yes or a probability from 0 to 1"):
        baseline_scores(told, ("no", "yes"), seen, pl.DataFrame({"y": ["no"], "p": [25]}))
    coded = pl.DataFrame({"y": [0, 1, 1], "p": [0, 1, 0]})
    scores = baseline_scores(told, ("0", "1"), coded, coded)
    assert scores.argmax(axis=1).tolist() == [0, 1, 0]
    assert scores.max() == (2 + 1) / (3 + 2)


def test_a_rule_is_sql_over_the_row() -> None:
    frame = pl.DataFrame({"y": [10.0, 20.0, 30.0], "temp": [1.0, 25.0, None], "hr": [3, 4, 5]})
    told = charter("regression", {"kind": "rule", "rule": "CASE WHEN temp > 20 THEN 2 * hr WHEN temp <= 20 THEN hr END"})
    found = baseline_answers(told, (), frame, frame)
    assert found.scores[:, 0].tolist() == [3.0, 8.0, 20.0]
    assert found.without == 1
    constant = charter("regression", {"kind": "rule", "rule": "7"})
    assert baseline_scores(constant, (), frame, frame)[:, 0].tolist() == [7.0, 7.0, 7.0]


def test_a_rule_may_name_a_class_or_say_true() -> None:
    frame = pl.DataFrame({"y": ["no", "yes", "yes"], "age": [20, 70, 30]})
    for rule in ("CASE WHEN age > 60 THEN 'yes' ELSE 'no' END", "age > 60"):
        scores = baseline_scores(charter("binary", {"kind": "rule", "rule": rule}), ("no", "yes"), frame, frame)
        assert scores.argmax(axis=1).tolist() == [0, 1, 0], rule


def test_a_rule_that_cannot_be_computed_is_told_in_one_line() -> None:
    frame = pl.DataFrame({"y": [1.0], "temp": ["warm"]})
    with pytest.raises(DataError, match=r"HS203\] success.baseline.rule.*wind") as caught:
        baseline_scores(charter("regression", {"kind": "rule", "rule": "wind + 1"}), (), frame, frame)
    assert "\n" not in caught.value.line()
    with pytest.raises(DataError, match=r"HS205\] success.baseline.rule"):
        baseline_scores(charter("regression", {"kind": "rule", "rule": "temp - 1"}), (), frame, frame)
