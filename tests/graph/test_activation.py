"""A network's nodes without the library that fits one: an activation, and layers of random weights in every target."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit

from homeostat.graph.encode import dump_plan, load_plan
from homeostat.graph.explain import explain, reference_of
from homeostat.graph.interpret import run
from homeostat.graph.merge import averaged
from homeostat.graph.ownership import MIXED, Ownership
from homeostat.graph.plan import Activation, Decoded, Impute, Input, Link, Numbers, Plan
from homeostat.learning.learners.network import Steps, nodes_of

INPUTS = tuple(Input(name, "number") for name in "abc")
RunOnnx = Callable[..., dict[str, np.ndarray]]
NO_CODES = np.zeros((0, 0), dtype=np.int64)


def network(seed: int = 0) -> Plan:
    """Nulls filled, steps between the quantiles of some rows, two layers of random weights, two classes."""
    draw = np.random.default_rng(seed)
    steps = Steps.of(draw.normal(size=(200, 3)), 5)
    widths = [len(steps.columns), 7, 4, 1]
    layers = [(draw.normal(size=(a, b)), draw.normal(size=b)) for a, b in pairwise(widths)]
    nodes = (Numbers("n", (0, 1, 2)), Impute("features", "n", np.zeros(3)), *nodes_of(steps, layers, "features", "raw"))
    return Plan("binary", "y", INPUTS, (*nodes, Link("score", "raw", "sigmoid")), ("no", "yes"))


def rows(count: int = 40) -> np.ndarray:
    x = np.random.default_rng(5).normal(size=(count, 3)) * 2
    x[0] = np.nan
    x[1] = [1e300, -1e300, 0.0]
    x[2] = [np.inf, -np.inf, np.nan]
    return x


@pytest.mark.parametrize("kind", ["relu", "silu"])
def test_an_activation_is_the_textbook_one(kind: str, run_onnx: RunOnnx) -> None:
    x = np.array([[-800.0], [-1.5], [-0.0], [0.3], [800.0]])
    plan = Plan("regression", "y", INPUTS[:1], (Numbers("n", (0,)), Activation("score", "n", kind)))  # type: ignore[arg-type]
    expected = np.maximum(x, 0.0) if kind == "relu" else x * expit(x)
    np.testing.assert_allclose(run(plan, x, NO_CODES), expected, rtol=1e-15, atol=0)
    np.testing.assert_allclose(run_onnx(plan, x, NO_CODES)["score"], expected, rtol=1e-14, atol=1e-300)


def test_a_network_means_the_same_in_every_target(run_onnx: RunOnnx) -> None:
    plan, x = network(), rows()
    scores = run(plan, x, NO_CODES)
    assert np.isfinite(scores).all()
    found = run_onnx(plan, x, NO_CODES)
    np.testing.assert_allclose(found["score"], scores, rtol=0, atol=1e-13)
    assert found["decision"].tolist() == (scores[:, 1] >= 0.5).astype(int).tolist()
    np.testing.assert_array_equal(run(load_plan(dump_plan(plan)), x, NO_CODES), scores)


def test_two_networks_in_one_graph_are_their_mean(run_onnx: RunOnnx) -> None:
    plans, x = {"one": network(1), "two": network(2)}, rows()
    merged = averaged(plans, {"one": 1.0, "two": 3.0})
    expected = 0.25 * run(plans["one"], x, NO_CODES) + 0.75 * run(plans["two"], x, NO_CODES)
    np.testing.assert_allclose(run_onnx(merged, x, NO_CODES)["score"], expected, rtol=0, atol=1e-13)


def test_a_network_is_explained_as_it_is_served() -> None:
    plan, x = network(), np.random.default_rng(7).normal(size=(60, 3))
    assert MIXED in Ownership(plan).whose["network block 1"]
    decoded = Decoded(x, np.zeros((60, 0), dtype=np.int64), np.zeros((60, 0)))
    few = decoded.take(np.arange(5))
    found = explain(plan, few, reference_of(plan, decoded, 0), lambda each: run(plan, *each))
    assert (found.method, found.scale) == ("sampled", "probability")
    np.testing.assert_allclose(found.base + found.values.sum(axis=1), run(plan, *few)[:, 1:], atol=1e-12)


@given(values=st.lists(st.integers(-4, 4).map(float), min_size=1, max_size=30), most=st.integers(1, 6), asked=st.floats(-6, 6))
def test_steps_rise_one_after_the_other_from_the_least_to_the_largest(values: list[float], most: int, asked: float) -> None:
    steps = Steps.of(np.array(values)[:, None], most)
    assert len(steps.columns) <= most
    assert (len(steps.columns) == 0) == (len(set(values)) == 1)
    if len(steps.columns):
        assert (steps.start[0], steps.start[-1] + steps.length[-1]) == (min(values), pytest.approx(max(values)))
        seen = np.clip((asked - steps.start) / steps.length, 0.0, 1.0)
        inside = min(max(asked, min(values)), max(values))
        assert (seen * steps.length).sum() == pytest.approx(inside - min(values), abs=1e-9), "together they are the number itself"
        assert (np.diff(seen) <= 1e-12).all()
