"""The nodes that straighten, weigh terms, pick and move priors: against SciPy, scikit-learn and their formulas, in NumPy and in ONNX."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import yeojohnson
from sklearn.feature_extraction.text import TfidfTransformer

from homeostat.graph.encode import dump_plan, load_plan
from homeostat.graph.interpret import moved_prior, powered, run
from homeostat.graph.plan import Concat, Constant, Indicator, Input, Linear, Link, Node, Numbers, Pick, Plan, Power, Prior, Tfidf

RunOnnx = Callable[..., dict[str, np.ndarray]]
INPUTS = (Input("a", "number"), Input("b", "number"), Input("said", "text", ("x", "y", "z")), Input("title", "text", ("u", "v")))
LAMBDAS = np.array([0.0, 2.0, 1.0, -0.7, 3.4])


def arrays(rows: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Random decoded rows: numbers of all sizes, some NaN; counts of terms, some rows without any, some texts null."""
    rng = np.random.default_rng(seed)
    numbers = rng.normal(size=(rows, 2)) * 10.0 ** rng.integers(-3, 4, (rows, 2))
    numbers[rng.random(numbers.shape) < 0.1] = np.nan
    terms = rng.poisson(0.6, (rows, 5)).astype(float)
    terms[rng.random(rows) < 0.1, :3] = np.nan
    terms[rng.random(rows) < 0.1, 3:] = np.nan
    return numbers, np.zeros((rows, 0), dtype=np.int64), terms


FIVE = (Numbers("n", (0, 1, 0, 1, 0)),)
CASES: dict[str, tuple[Node, ...]] = {
    "pick": (Pick("o", "terms", (4, 0)),),
    "pick of a block": (*FIVE, Pick("o", "n", (1, 1, 0))),
    "power": (*FIVE, Power("o", "n", LAMBDAS)),
    "tfidf": (Pick("t", "terms", (0, 1, 2)), Tfidf("o", "t", np.array([1.0, 2.5, 1.3]))),
    "tfidf of all terms": (Tfidf("o", "terms", np.array([1.0, 2.5, 1.3, 0.4, 1.0])),),
    "null texts": (Pick("t", "terms", (3,)), Indicator("o", "t")),
    "texts and numbers": (Tfidf("w", "terms", np.ones(5)), Indicator("g", "numbers"), Concat("o", ("w", "g"))),
    "prior": (Tfidf("w", "terms", np.ones(5)), Linear("l", "w", np.eye(5)[:, :3] * 4, np.zeros(3)), Link("p", "l", "softmax"),
              Prior("o", "p", np.array([0.2, 1.0, 5.0]))),
}  # fmt: skip


@pytest.mark.parametrize("rows", [0, 1, 500])
@pytest.mark.parametrize("case", CASES)
def test_every_node_computes_what_the_interpreter_defines(case: str, rows: int, run_onnx: RunOnnx) -> None:
    width = run(Plan("regression", "y", INPUTS, CASES[case]), *arrays(1)).shape[1]
    plan = Plan("multiclass", "y", INPUTS, CASES[case], classes=tuple(map(str, range(width))))
    decoded = arrays(rows, seed=rows)
    expected, found = run(plan, *decoded), run_onnx(plan, *decoded)["score"]
    assert found.shape == expected.shape == (rows, width)
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-13)
    again = load_plan(dump_plan(plan))
    np.testing.assert_array_equal(run(again, *decoded), expected)


@given(st.lists(st.floats(-1e4, 1e4), min_size=1, max_size=20), st.sampled_from([0.0, 2.0, 1.0, 0.5, -1.3, 3.0]))
def test_power_is_the_yeo_johnson_of_scipy(values: list[float], power: float) -> None:
    x = np.array(values)
    np.testing.assert_allclose(powered(x[:, None], np.array([power]))[:, 0], yeojohnson(x, power), rtol=1e-9, atol=1e-9)


def test_power_of_lambda_zero_is_the_logarithm_and_of_one_nothing() -> None:
    x = np.array([[0.0, 0.0], [9.0, 9.0], [np.nan, -4.0]])
    np.testing.assert_allclose(powered(x, np.array([0.0, 1.0])), [[0.0, 0.0], [np.log(10), 9.0], [np.nan, -4.0]])


def test_tfidf_is_that_of_scikit_learn() -> None:
    _, _, counts = arrays(300, seed=3)
    counts = np.nan_to_num(counts)
    theirs = TfidfTransformer(sublinear_tf=True, norm="l2").fit(counts)
    plan = Plan("regression", "y", INPUTS, (Tfidf("o", "terms", theirs.idf_),))
    found = run(plan, np.zeros((300, 2)), np.zeros((300, 0), dtype=np.int64), counts)
    np.testing.assert_allclose(found, theirs.transform(counts).toarray(), atol=1e-15)
    assert not found[counts.sum(axis=1) == 0].any()


def test_a_moved_prior_is_bayes_rule() -> None:
    """Class densities known exactly: the posterior at one prior, moved, is the posterior at the other."""
    densities = np.random.default_rng(0).random((50, 3))
    old, new = np.array([1 / 3, 1 / 3, 1 / 3]), np.array([0.7, 0.25, 0.05])

    def posterior(prior: np.ndarray) -> np.ndarray:
        joint = densities * prior
        return np.asarray(joint / joint.sum(axis=1, keepdims=True))

    np.testing.assert_allclose(moved_prior(posterior(old), new / old), posterior(new), rtol=1e-12)


def test_a_plan_of_texts_alone_has_one_input(run_onnx: RunOnnx) -> None:
    plan = Plan("regression", "y", (Input("said", "text", ("x",)),), (Constant("o", np.array([4.5])),))
    found = run_onnx(plan, np.zeros((2, 0)), np.zeros((2, 0), dtype=np.int64), np.zeros((2, 1)))
    assert found["score"].tolist() == [[4.5], [4.5]]
