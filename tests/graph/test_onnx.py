from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import pytest

from homeostat.errors import LearningError
from homeostat.graph.interpret import decide, run
from homeostat.graph.onnx import compile_plan
from homeostat.graph.plan import (
    Clip,
    Concat,
    Constant,
    Cycle,
    DatePart,
    Impute,
    Indicator,
    Input,
    Interpolate,
    Linear,
    Link,
    Log,
    Lookup,
    Node,
    Numbers,
    Plan,
    Scale,
    Single,
    Trees,
)  # fmt: skip

RunOnnx = Callable[[Plan, np.ndarray, np.ndarray], dict[str, np.ndarray]]
INPUTS = (Input("t", "timestamp"), Input("a", "number"), Input("c", "category", ("x", "y", "z")), Input("b", "boolean"))
RNG = np.random.default_rng(11)


def block(rows: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Random decoded rows: timestamps of 1900-2100, normal numbers, booleans; a sixth of the numbers is NaN."""
    rng = np.random.default_rng(seed)
    numbers = np.column_stack([rng.uniform(-2.2e9, 4.1e9, rows), rng.normal(size=rows) * 3, rng.integers(0, 2, rows).astype(float)])
    numbers[rng.random(numbers.shape) < 1 / 6] = np.nan
    return numbers, rng.integers(0, 5, (rows, 1))


def random_trees(count: int, features: int, outputs: int, seed: int = 5) -> Trees:
    """Random trees of up to 7 splits, each third one a lone leaf; children of a split may be splits or leaves in any order."""
    rng = np.random.default_rng(seed)
    roots, feature, threshold, nan_true, true_child, false_child, value, target = [[] for _ in range(8)]

    def leaf() -> int:
        value.append(rng.normal())
        target.append(int(rng.integers(0, outputs)))
        return -len(value)

    def grow(depth: int) -> int:
        if depth == 0 or rng.random() < 0.2:
            return leaf()
        at = len(feature)
        feature.append(int(rng.integers(0, features)))
        threshold.append(rng.normal())
        nan_true.append(bool(rng.integers(0, 2)))
        true_child.append(0)
        false_child.append(0)
        true_child[at] = grow(depth - 1)
        false_child[at] = grow(depth - 1)
        return at

    for number in range(count):
        roots.append(leaf() if number % 3 == 2 else grow(3))
    return Trees(
        "trees", "clean",
        np.array(roots), np.array(feature), np.array(threshold), np.array(nan_true),
        np.array(true_child), np.array(false_child), np.array(value), np.array(target), rng.normal(size=outputs),
    )  # fmt: skip


NO_INTS = np.zeros(0, dtype=np.int64)
CLEAN = (Numbers("n", (1, 2)), Impute("clean", "n", np.array([0.5, 0.0])))
MIXED = (Numbers("clean", (1, 2)),)  # with NaN
TABLE = RNG.normal(size=(5, 3))
NARROW = (*MIXED, *(Lookup(name, 0, RNG.normal(size=(5, width))) for name, width in (("a", 1), ("b", 2), ("c", 4))))
WIDE = (NARROW[0], *(Lookup(name, 0, RNG.normal(size=(5, width))) for name, width in (("w", 9), ("v", 40))), NARROW[1])
WEIGHTS = RNG.normal(size=(2, 3))
CASES: dict[str, tuple[Node, ...]] = {
    "numbers": (Numbers("o", (2, 0)),),
    "lookup": (Lookup("o", 0, TABLE),),
    "hour": (Numbers("n", (0,)), DatePart("o", "n", "hour")),
    "weekday": (Numbers("n", (0,)), DatePart("o", "n", "weekday")),
    "day": (Numbers("n", (0,)), DatePart("o", "n", "day")),
    "month": (Numbers("n", (0,)), DatePart("o", "n", "month")),
    "yearday": (Numbers("n", (0,)), DatePart("o", "n", "yearday")),
    "cycle": (*MIXED, Cycle("o", "clean", 12.0)),
    "impute": CLEAN,
    "indicator": (Indicator("o", "numbers"),),
    "scale": (*MIXED, Scale("o", "clean", np.array([1.0, 2.0]), np.array([0.3, 7.0]))),
    "clip": (*MIXED, Clip("o", "clean", np.array([-1.0, 0.5]), np.array([1.0, 0.75]))),
    "single": (Numbers("n", (0, 1)), Scale("s", "n", np.zeros(2), np.array([1.0, 1e-39])), Single("o", "s")),
    "concat": (*MIXED, Lookup("l", 0, TABLE), Concat("o", ("clean", "l", "clean"))),
    "narrow lookups side by side": (*NARROW, Concat("o", ("a", "b", "c"))),
    "wide lookups side by side": (*WIDE, Concat("o", ("a", "w", "v", "clean"))),
    "lookups between others": (*NARROW, *WIDE[1:], Concat("o", ("a", "b", "clean", "c", "a", "clean", "w", "v"))),
    "lookups in two blocks": (*NARROW, *WIDE[1:3], Concat("one", ("a", "w", "b")), Concat("o", ("b", "a", "one", "w", "clean"))),
    "a lookup that is read alone too": (*NARROW, Indicator("i", "a"), Concat("o", ("a", "b", "i", "c", "clean"))),
    "linear": (*CLEAN, Linear("o", "clean", WEIGHTS, RNG.normal(size=3))),
    "trees": (*MIXED, random_trees(30, 2, 1)),
    "trees of many outputs": (*MIXED, random_trees(30, 2, 3)),
    "trees that are lone leaves": (*MIXED, Trees(
        "o", "clean", np.array([-1, -2]), NO_INTS, np.zeros(0), np.zeros(0, dtype=bool), NO_INTS, NO_INTS,
        np.array([1.5, 2.0]), np.array([1, 0]), np.array([0.0, 0.25]))),
    "constant": (Constant("o", np.array([3.0, -1.0])),),
    "log": (*MIXED, Log("o", "clean", 0.5)),
    "interpolate": (*MIXED, Interpolate("o", "clean", np.array([-1.0, 0.0, 0.25, 2.0]), np.array([3.0, -1.0, -1.0, 5.5]))),
    "interpolate one point": (*MIXED, Interpolate("o", "clean", np.array([0.5]), np.array([3.0]))),
    "identity": (*MIXED, Link("o", "clean", "identity")),
    "exp": (*MIXED, Link("o", "clean", "exp")),
    "softmax": (*CLEAN, Linear("l", "clean", WEIGHTS * 100, np.zeros(3)), Link("o", "l", "softmax")),
    "sigmoid": (Numbers("n", (1,)), Scale("s", "n", np.zeros(1), np.array([0.004])), Link("o", "s", "sigmoid")),
}  # fmt: skip


@pytest.mark.parametrize("rows", [0, 1, 700])
@pytest.mark.parametrize("case", CASES)
def test_every_node_computes_what_the_interpreter_defines(case: str, rows: int, run_onnx: RunOnnx) -> None:
    width = run(Plan("regression", "y", INPUTS, CASES[case]), *block(1)).shape[1]
    plan = Plan("multiclass", "y", INPUTS, CASES[case], classes=tuple(map(str, range(width))))
    numbers, codes = block(rows, seed=rows)
    expected, found = run(plan, numbers, codes), run_onnx(plan, numbers, codes)
    assert found["score"].dtype == np.float64
    assert found["score"].shape == expected.shape == (rows, width)
    np.testing.assert_allclose(found["score"], expected, rtol=1e-12, atol=1e-13)
    if not np.isnan(expected).any():
        assert found["decision"].tolist() == decide(plan, expected).tolist()


@pytest.mark.parametrize("case", ["hour", "weekday", "day", "month", "yearday", "clip", "lookup", "lookups between others"])
def test_calendar_tables_and_limits_are_equal_to_the_last_bit(case: str, run_onnx: RunOnnx) -> None:
    width = run(Plan("regression", "y", INPUTS, CASES[case]), *block(1)).shape[1]
    plan = Plan("multiclass", "y", INPUTS, CASES[case], tuple(map(str, range(width))))
    numbers, codes = block(5_000, seed=2)
    np.testing.assert_array_equal(run_onnx(plan, numbers, codes)["score"], run(plan, numbers, codes))


@pytest.mark.parametrize("threshold", [0.0, 0.5, 0.625, 1.0])
def test_binary_decision_is_positive_from_the_threshold_on(threshold: float, run_onnx: RunOnnx) -> None:
    nodes = (Numbers("p", (1,)), Scale("q", "p", np.ones(1), -np.ones(1)), Concat("o", ("q", "p")))
    plan = Plan("binary", "y", INPUTS, nodes, ("no", "yes"), threshold)
    numbers = np.column_stack([np.zeros(9), np.arange(9) / 8, np.zeros(9)])
    found = run_onnx(plan, numbers, np.zeros((9, 1), dtype=np.int64))
    assert found["decision"].dtype == np.int64
    assert found["decision"].tolist() == [int(p / 8 >= threshold) for p in range(9)]


def test_multiclass_decision_is_the_first_largest(run_onnx: RunOnnx) -> None:
    plan = Plan("multiclass", "y", INPUTS, (Constant("o", np.array([0.2, 0.4, 0.4])),), ("a", "b", "c"))
    assert run_onnx(plan, *block(3))["decision"].tolist() == [1, 1, 1]


@pytest.mark.parametrize("classes", [2, 3, 7])
def test_costs_decide_for_the_class_of_least_expected_cost_to_the_last_bit(classes: int, run_onnx: RunOnnx) -> None:
    rng = np.random.default_rng(classes)
    costs = rng.integers(-3, 4, (classes, classes)).astype(np.float64)  # whole numbers: ties happen, and the first of equals decides
    weights = np.round(rng.normal(size=(2, classes)), 1)
    nodes = (*CLEAN, Linear("l", "clean", weights, np.zeros(classes)), Link("o", "l", "softmax"))
    plan = Plan("multiclass", "y", INPUTS, nodes, tuple(map(str, range(classes))), costs=costs)
    numbers, codes = block(3_000, seed=classes)
    found = run_onnx(plan, numbers, codes)
    assert found["decision"].dtype == np.int64
    assert found["decision"].tolist() == decide(plan, found["score"]).tolist()
    even = Plan("multiclass", "y", INPUTS, (Constant("o", np.full(classes, 1 / classes)),), plan.classes, costs=np.ones((classes, classes)))
    assert run_onnx(even, *block(3))["decision"].tolist() == [0, 0, 0]


def test_regression_has_no_decision(run_onnx: RunOnnx) -> None:
    assert list(run_onnx(Plan("regression", "y", INPUTS, (Numbers("o", (1,)),)), *block(2))) == ["score"]


def test_single_rows_agree_with_the_batch(run_onnx: RunOnnx) -> None:
    plan = Plan("regression", "y", INPUTS, (*MIXED, random_trees(40, 2, 1)))
    numbers, codes = block(60, seed=4)
    batch = run_onnx(plan, numbers, codes)["score"]
    singles = np.vstack([run_onnx(plan, numbers[i : i + 1], codes[i : i + 1])["score"] for i in range(60)])
    np.testing.assert_allclose(singles, batch, rtol=1e-13)


@pytest.mark.parametrize("kind", ["number", "category"])
def test_an_input_without_columns_is_absent(kind: str, run_onnx: RunOnnx) -> None:
    inputs = (Input("only", kind, ("x",) if kind == "category" else ()),)
    plan = Plan("regression", "y", inputs, (Constant("o", np.array([4.5])),))
    names = [each.name for each in onnx.load_from_string(compile_plan(plan)).graph.input]
    assert names == (["numbers"] if kind == "number" else ["codes"])
    arrays = (np.zeros((2, int(kind == "number"))), np.zeros((2, int(kind == "category")), dtype=np.int64))
    assert run_onnx(plan, *arrays)["score"].tolist() == run(plan, *arrays).tolist() == [[4.5], [4.5]]


def test_a_plan_without_inputs_is_refused() -> None:
    with pytest.raises(LearningError, match="HS304"):
        compile_plan(Plan("regression", "y", (), (Constant("o", np.array([1.0])),)))


def test_equal_plans_give_equal_bytes_and_metadata_is_sorted() -> None:
    def build() -> Plan:
        return Plan("multiclass", "y", INPUTS, (*MIXED, random_trees(20, 2, 3), Link("o", "trees", "softmax")), ("a", "b", "c"))

    first = compile_plan(build(), {"b": "2", "a": "1"})
    assert first == compile_plan(build(), {"a": "1", "b": "2"})
    assert [(prop.key, prop.value) for prop in onnx.load_from_string(first).metadata_props] == [("a", "1"), ("b", "2")]
    assert first != compile_plan(build())


def test_the_graph_is_float64_and_of_the_promised_opsets() -> None:
    plan = Plan("multiclass", "y", INPUTS, (*MIXED, random_trees(20, 2, 3), Link("o", "trees", "softmax")), ("a", "b", "c"))
    model = onnx.load_from_string(compile_plan(plan))
    assert {each.domain: each.version for each in model.opset_import} == {"": 21, "ai.onnx.ml": 5}
    assert model.ir_version == 10
    assert onnx.TensorProto.FLOAT not in {each.data_type for each in model.graph.initializer}
    assert [each.name for each in model.graph.initializer if each.name.startswith("trees")] == ["trees.bias"]
