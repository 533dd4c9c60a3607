"""Conformal intervals hold what they promise on rows that are exchangeable, and mean the same in the graph."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homeostat.core.sections import Intervals
from homeostat.errors import LearningError
from homeostat.graph.interpret import bounds, run
from homeostat.graph.onnx import compile_plan
from homeostat.graph.plan import Constant, Decoded, Input, Interval, Linear, Numbers, Plan
from homeostat.learning.conformal import conformal
from homeostat.stats.coverage import inside, interval_score

INPUTS = (Input("x", "number"), Input("shop", "category", ("a", "b", "c")), Input("horizon", "number"), Input("said", "text", ("w",)))
PLAN = Plan("regression", "y", INPUTS, (Numbers("n", (0,)), Linear("score", "n", np.ones((1, 1)), np.zeros(1))))
Drawn = tuple[np.ndarray, np.ndarray, Decoded]


def draw(rows: int, noise: str, rng: np.random.Generator) -> Drawn:
    """Scores (n, 1), truths (n,) and decoded rows; the noise is as named."""
    x, shop, horizon = rng.uniform(1, 10, rows), rng.integers(1, 4, rows), rng.integers(1, 25, rows).astype(np.float64)
    kinds: dict[str, Any] = {
        "even": lambda: rng.standard_t(3, rows),
        "wider upwards": lambda: rng.standard_t(3, rows) * x,
        "to one side": lambda: rng.exponential(size=rows) * x,
        "by shop": lambda: rng.normal(size=rows) * np.where(shop == 1, 5.0, 1.0),
        "by horizon": lambda: rng.normal(size=rows) * np.sqrt(horizon),
    }
    return x[:, None], x + kinds[noise](), Decoded(np.column_stack([x, horizon]), shop[:, None], np.zeros((rows, 1)))


def made(drawn: Drawn, asked: Intervals, seed: int = 0) -> Interval:
    return conformal(PLAN, *drawn, asked, seed)


def ends(interval: Interval, drawn: Drawn) -> np.ndarray:
    return bounds(interval, PLAN.out, drawn[0], drawn[2])


@pytest.mark.parametrize("coverage", [0.8, 0.9])
@pytest.mark.parametrize(
    ("noise", "method", "by"),
    [
        ("even", "absolute", None),
        ("to one side", "absolute", None),
        ("wider upwards", "scaled", None),
        ("to one side", "scaled", None),
        ("by shop", "absolute", "shop"),
        ("by horizon", "scaled", "horizon"),
    ],
)
def test_at_least_the_asked_share_lies_inside(noise: str, method: Any, by: str | None, coverage: float) -> None:
    """The law, over 150 draws of 199 rows to learn from: the mean of the covered shares is not below what is asked."""
    rng = np.random.default_rng(7)
    shares = []
    for seed in range(150):
        interval = made(draw(199, noise, rng), Intervals(coverage=coverage, method=method, by=by), seed)
        fresh = draw(400, noise, rng)
        shares.append(inside(fresh[1], ends(interval, fresh)).mean())
    error = 3 * np.std(shares) / math.sqrt(len(shares))
    assert np.mean(shares) > coverage - error
    if by is None:
        assert np.mean(shares) < coverage + 1 / 100 + error, "and not by much more than one row in so many"


def test_each_group_is_covered_by_itself() -> None:
    rng = np.random.default_rng(1)
    shop, horizon = draw(4_000, "by shop", rng), draw(4_000, "by horizon", rng)
    fresh = {"by shop": draw(30_000, "by shop", rng), "by horizon": draw(30_000, "by horizon", rng)}

    def shares(drawn: Drawn, asked: Intervals, noise: str, group: Any) -> list[float]:
        held = inside(fresh[noise][1], ends(made(drawn, asked), fresh[noise]))
        of = group(fresh[noise][2])
        return [float(held[of == each].mean()) for each in np.unique(of)]

    alike = shares(shop, Intervals(method="absolute"), "by shop", lambda rows: rows.codes[:, 0])
    assert alike[0] < 0.8, "without groups the wild shop pays for the calm ones"
    np.testing.assert_allclose(
        shares(shop, Intervals(method="absolute", by="shop"), "by shop", lambda rows: rows.codes[:, 0]), 0.9, atol=0.03
    )
    by = shares(horizon, Intervals(method="absolute", by="horizon"), "by horizon", lambda rows: rows.numbers[:, 1])
    np.testing.assert_allclose(by, 0.9, atol=0.07)
    assert min(shares(horizon, Intervals(method="absolute"), "by horizon", lambda rows: rows.numbers[:, 1])) < 0.8


def test_auto_takes_what_has_the_better_interval_score() -> None:
    rng = np.random.default_rng(2)
    for noise, wanted in (("even", "absolute"), ("wider upwards", "scaled"), ("to one side", "scaled")):
        drawn, fresh = draw(1_500, noise, rng), draw(20_000, noise, rng)
        assert made(drawn, Intervals()).method == wanted
        score = {
            method: interval_score(fresh[1], ends(made(drawn, Intervals(method=method)), fresh), 0.9).mean()
            for method in ("absolute", "scaled")
        }
        assert min(score, key=lambda method: score[method]) == wanted
    assert made(draw(150, "wider upwards", rng), Intervals()).method == "absolute", "few rows do not say how noise grows"


def test_absolute_residuals_are_the_textbooks() -> None:
    drawn = draw(99, "even", np.random.default_rng(4))
    reach = np.sort(np.abs(drawn[1] - drawn[0][:, 0]))[90 - 1]  # 90 % of 100
    found = ends(made(drawn, Intervals(coverage=0.9, method="absolute")), drawn)
    np.testing.assert_array_equal(found, np.column_stack([drawn[0][:, 0] - reach, drawn[0][:, 0] + reach]))


@settings(max_examples=40)
@given(
    st.integers(0, 10_000),
    st.sampled_from(["absolute", "scaled", "auto"]),
    st.sampled_from([None, "shop", "horizon"]),
    st.integers(20, 300),
)
def test_the_score_lies_between_its_ends_whatever_the_rows(seed: int, method: Any, by: str | None, rows: int) -> None:
    rng = np.random.default_rng(seed)
    scores, y, decoded = draw(rows, "wider upwards", rng)
    scores = np.round(scores * rng.choice([0.0, 1.0, 1e6]), int(rng.integers(0, 3)))  # ties, one value, or far apart
    y = np.where(rng.random(rows) < 0.3, scores[:, 0], y)
    drawn = (scores, y, odd(decoded, rng))
    found = ends(made(drawn, Intervals(method=method, by=by), seed), drawn)
    assert np.isfinite(found).all()
    assert (found[:, 0] <= scores[:, 0]).all()
    assert (scores[:, 0] <= found[:, 1]).all()


def odd(rows: Decoded, rng: np.random.Generator) -> Decoded:
    """Rows with nulls, unseen categories and numbers far from any seen."""
    numbers, codes = rows.numbers.copy(), rows.codes.copy()
    numbers[rng.random(len(numbers)) < 0.1, 1] = np.nan
    numbers[rng.random(len(numbers)) < 0.05, 1] = 1e12
    codes[rng.random(len(codes)) < 0.1] = 0
    codes[rng.random(len(codes)) < 0.1] = 4
    return Decoded(numbers, codes, rows.terms)


@pytest.mark.parametrize("by", [None, "shop", "horizon"])
@pytest.mark.parametrize("method", ["absolute", "scaled"])
def test_the_graph_means_the_same(method: Any, by: str | None) -> None:
    rng = np.random.default_rng(5)
    drawn = draw(2_000, "to one side", rng)
    interval = made(drawn, Intervals(method=method, by=by))
    plan = Plan(PLAN.task, PLAN.target, PLAN.inputs, PLAN.nodes, interval=interval)
    _, _, rows = draw(3_000, "to one side", rng)
    rows = odd(rows, rng)
    session = onnxruntime.InferenceSession(compile_plan(plan), providers=["CPUExecutionProvider"])
    given_ = rows._asdict()
    score, lower, upper = session.run(None, {each.name: given_[each.name] for each in session.get_inputs()})
    scores = run(plan, *rows)
    np.testing.assert_array_equal(score, scores)
    np.testing.assert_allclose(np.column_stack([lower, upper]), bounds(interval, plan.out, scores, rows), rtol=1e-13, atol=1e-12)


def test_blocks_of_that_name_are_left_alone() -> None:
    plan = Plan("regression", "y", INPUTS, (Constant("interval", np.array([3.0])),))
    rows = draw(40, "even", np.random.default_rng(0))[2]
    found = conformal(plan, np.full((40, 1), 3.0), np.arange(40.0), rows, Intervals(method="scaled"), 0)
    assert len({node.out for node in (*plan.nodes, *found.nodes)}) == 1 + len(found.nodes)
    assert bounds(found, plan.out, np.full((40, 1), 3.0), rows)[0].tolist() == pytest.approx([3 - 2.8, 39], abs=3)


def test_truths_that_are_not_known_say_nothing() -> None:
    drawn = draw(300, "even", np.random.default_rng(6))
    y = np.append(drawn[1], [np.nan, np.nan])
    more = (np.vstack([drawn[0], [[1.0], [2.0]]]), y, Decoded(*(np.vstack([each, each[:2]]) for each in drawn[2])))
    np.testing.assert_array_equal(ends(made(more, Intervals()), drawn), ends(made(drawn, Intervals()), drawn))


@pytest.mark.parametrize(
    ("rows", "asked", "code", "says"),
    [
        (8, {"coverage": 0.9}, "HS352", "at least 9 validation rows whose truth is known; got 8"),
        (18, {"coverage": 0.95, "method": "absolute"}, "HS352", "at least 19"),
        (17, {"coverage": 0.9, "method": "scaled"}, "HS352", "at least 18"),
        (90, {"by": "gone"}, "HS351", "'gone' is no input of the model, which has x, shop, horizon, said"),
        (90, {"by": "said"}, "HS351", "'said' is a text; allowed: a category, a number or a boolean"),
    ],
)
def test_what_cannot_be_done_is_said(rows: int, asked: dict[str, Any], code: str, says: str) -> None:
    with pytest.raises(LearningError, match=says) as caught:
        made(draw(rows, "even", np.random.default_rng(0)), Intervals(**asked))
    assert caught.value.code == code


def test_just_enough_rows_are_enough() -> None:
    for method, rows in (("absolute", 9), ("scaled", 18), ("auto", 9)):
        drawn = draw(rows, "even", np.random.default_rng(0))
        assert np.isfinite(ends(made(drawn, Intervals(coverage=0.9, method=method)), drawn)).all()
