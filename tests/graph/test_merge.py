"""Several plans in one: each member says what it said alone, whatever the others read, and the graph agrees."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homeostat.core import sections
from homeostat.core.records import Split
from homeostat.graph.decode import decode_frame
from homeostat.graph.interpret import run
from homeostat.graph.merge import averaged, joined_inputs, members_of, reweighted, weighted_sum
from homeostat.graph.plan import Constant, Input, Linear, Link, Lookup, Numbers, Plan
from homeostat.learning.search import search
from homeostat.learning.trials import Stages
from homeostat.preparation.decide import decide
from homeostat.preparation.fit import fit
from homeostat.stats.metrics import metric

if TYPE_CHECKING:
    from homeostat.learning.candidate import Candidate

RunOnnx = Callable[..., dict[str, np.ndarray]]
RNG = np.random.default_rng(8)
ROWS = 240
FRAME = pl.DataFrame(
    {
        "size": RNG.normal(size=ROWS),
        "age": pl.Series([None if n % 17 == 0 else float(n % 40) for n in range(ROWS)], dtype=pl.Float64),
        "town": [("ulm", "bonn", "jena", None)[n % 4] for n in range(ROWS)],
        "shop": [f"s{n % 30}" for n in range(ROWS)],
        "words": [("cheap and good", "good service", "dear", "late and dear service")[n % 4] + f" item{n % 9}" for n in range(ROWS)],
    }
).with_columns(
    amount=pl.Series(RNG.normal(size=ROWS) + np.arange(ROWS) % 4),
    bought=pl.Series(RNG.random(ROWS) < np.where(np.arange(ROWS) % 4 == 1, 0.9, 0.2)).replace_strict({True: "yes", False: "no"}),
)
OTHERS = {"amount": "bought", "bought": "amount"}


def learned(target: str, kind: Any, learner: Any, rows: pl.DataFrame) -> Candidate:
    task = sections.Task(type=kind, target=target, positive="yes" if kind == "binary" else None, leave_out=(OTHERS[target],))
    section = sections.Preparation(types={"words": "text", "shop": "category"}, max_categories=12, text_terms=6)
    classes = ("no", "yes") if kind == "binary" else ()
    decisions = decide(rows, task, section)
    stages = Stages(
        lambda frame, flavour, categories: fit(frame, task, section, flavour, classes, decisions), lambda frame, window: (frame, None)
    )
    learning = sections.Learning(learners=(learner,), budget=sections.Budget(seconds=None))
    name = "log_loss" if kind == "binary" else "rmse"
    split = Split(rows[:-60], rows[-60:], rows[:0])
    return search(split, task, learning, metric(name), stages, clock=lambda: 0.0)


@pytest.fixture(scope="module")
def members() -> dict[str, Candidate]:
    """Models of different kinds, fitted on different rows, so that vocabularies, terms and inputs differ."""
    return {
        "amount": learned("amount", "regression", "lightgbm", FRAME[:160]),
        "bought": learned("bought", "binary", "linear", FRAME[80:]),
        "again": learned("amount", "regression", "linear", FRAME[40:140]),
        "mean": learned("amount", "regression", "naive", FRAME),
    }


def alone(member: Candidate) -> np.ndarray:
    scores = run(member.plan, *decode_frame(member.plan.inputs, FRAME))
    return scores[:, -1]


def test_each_member_says_what_it_said_alone_to_the_last_bit(members: dict[str, Candidate]) -> None:
    plans = {name: member.plan for name, member in members.items()}
    assert plans["amount"].inputs != plans["bought"].inputs
    whole = weighted_sum(plans, dict.fromkeys(plans, 1.0), "worth")
    said = run(members_of(whole), *decode_frame(whole.inputs, FRAME))
    assert said.shape == (ROWS, 4)
    for at, member in enumerate(members.values()):
        np.testing.assert_array_equal(said[:, at], alone(member))


@settings(max_examples=15, deadline=None)
@given(weights=st.lists(st.floats(-100, 100), min_size=4, max_size=4))
def test_the_score_is_the_weighted_sum_in_numpy_and_in_the_graph(
    members: dict[str, Candidate], run_onnx: RunOnnx, weights: list[float]
) -> None:
    plans = {name: member.plan for name, member in members.items()}
    built = weighted_sum(plans, dict(zip(plans, weights, strict=True)), "worth")
    other = reweighted(weighted_sum(plans, dict.fromkeys(plans, 1.0), "worth"), weights)
    decoded = decode_frame(built.inputs, FRAME)
    wanted = sum(weight * alone(member) for weight, member in zip(weights, members.values(), strict=True))
    for plan in (built, other):
        np.testing.assert_allclose(run(plan, *decoded)[:, 0], wanted, rtol=1e-12, atol=1e-9)
        np.testing.assert_allclose(run_onnx(plan, *decoded)["score"][:, 0], wanted, rtol=1e-12, atol=1e-9)


def test_a_word_one_member_never_saw_is_never_seen_to_it_alone() -> None:
    one = Plan("regression", "y", (Input("c", "category", ("a", "b")),), (Lookup("v", 0, np.array([[0.0], [1.0], [2.0], [9.0]])),))
    two = Plan("regression", "y", (Input("c", "category", ("b", "d")),), (Lookup("v", 0, np.array([[0.0], [10.0], [20.0], [90.0]])),))
    whole = weighted_sum({"one": one, "two": two}, {"one": 1.0, "two": 1.0}, "y")
    assert whole.inputs == (Input("c", "category", ("a", "b", "d")),)
    frame = pl.DataFrame({"c": [None, "a", "b", "d", "e"]})
    said = run(members_of(whole), *decode_frame(whole.inputs, frame))
    assert said.tolist() == [[0.0, 0.0], [1.0, 90.0], [2.0, 10.0], [9.0, 20.0], [9.0, 90.0]]


def test_a_column_of_two_kinds_and_a_member_of_several_classes_are_refused() -> None:
    with pytest.raises(ValueError, match="a is read as number and as boolean"):
        joined_inputs([(Input("a", "number"),), (Input("a", "boolean"),)])
    three = Plan("multiclass", "y", (Input("a", "number"),), (Constant("o", np.ones(3)),), ("a", "b", "c"))
    with pytest.raises(ValueError, match="one per class"):
        weighted_sum({"m": three}, {"m": 1.0}, "y")


def test_blocks_of_one_name_in_two_members_stay_apart() -> None:
    def plan(slope: float, kind: Any = "identity") -> Plan:
        nodes = (Numbers("x", (0,)), Linear("s", "x", np.array([[slope]]), np.zeros(1)), Link("o", "s", kind))
        return Plan("regression", "y", (Input("a", "number"),), nodes)

    whole = weighted_sum({"one": plan(2.0), "two": plan(1.0, "exp")}, {"one": 1.0, "two": -1.0}, "y")
    np.testing.assert_array_equal(run(whole, np.array([[0.0], [3.0]]), np.zeros((2, 0), dtype=np.int64)), [[-1.0], [6.0 - np.exp(3.0)]])


def test_the_mean_of_models_that_share_their_preparation_prepares_once(run_onnx: RunOnnx) -> None:
    trees = [learned("bought", "binary", name, FRAME[:180]) for name in ("lightgbm", "extra_trees", "random_forest")]
    linear = learned("bought", "binary", "linear", FRAME[:180])
    plans = {f"{at} {member.learner}": member.plan for at, member in enumerate([*trees, linear])}
    whole = averaged(plans, dict(zip(plans, (1.0, 2.0, 0.5, 0.5), strict=True)))
    shared = len(trees[0].plan.nodes) - 2  # all but trees and link
    assert len(whole.nodes) < sum(len(plan.nodes) for plan in plans.values()) - 2 * shared + 3
    wanted = sum(
        w * run(plan, *decode_frame(plan.inputs, FRAME)) for w, plan in zip((0.25, 0.5, 0.125, 0.125), plans.values(), strict=True)
    )
    decoded = decode_frame(whole.inputs, FRAME)
    np.testing.assert_allclose(run(whole, *decoded), wanted, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(run_onnx(whole, *decoded)["score"], wanted, rtol=1e-9, atol=1e-12)
    assert (whole.task, whole.classes) == ("binary", ("no", "yes"))


def test_only_models_of_one_thing_have_a_mean(members: dict[str, Candidate]) -> None:
    with pytest.raises(ValueError, match="one target"):
        averaged({name: member.plan for name, member in members.items()}, dict.fromkeys(members, 1.0))
