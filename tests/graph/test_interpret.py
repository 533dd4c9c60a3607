from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit, softmax

from homeostat.graph.interpret import decide, run, transform
from homeostat.graph.plan import (
    Clip,
    Concat,
    Constant,
    Cycle,
    DatePart,
    Impute,
    Indicator,
    Input,
    Linear,
    Link,
    Lookup,
    Node,
    Numbers,
    Plan,
    Preparation,
    Scale,
    Trees,
)  # fmt: skip

NAN = np.nan
X = np.array([[1.0, NAN], [-4.0, 2.0], [9.0, 0.5]])
CODES = np.array([[0], [2], [3]])
INPUTS = (Input("a", "number"), Input("b", "number"), Input("c", "category", ("x", "y")))


def after(*nodes: Node) -> np.ndarray:
    return transform(Preparation(INPUTS, (Numbers("n", (0, 1)), *nodes), ("any",)), X, CODES)


def test_each_small_node_means_what_the_plan_says() -> None:
    assert after(Numbers("o", (1, 0, 1)))[1].tolist() == [2.0, -4.0, 2.0]
    table = np.array([[0.0, 10.0], [1.0, 11.0], [2.0, 12.0], [3.0, 13.0]])
    assert after(Lookup("o", 0, table)).tolist() == [[0.0, 10.0], [2.0, 12.0], [3.0, 13.0]]
    assert after(Impute("o", "n", np.array([7.0, 8.0])))[0].tolist() == [1.0, 8.0]
    assert after(Indicator("o", "n")).tolist() == [[0.0, 1.0], [0.0, 0.0], [0.0, 0.0]]
    assert after(Scale("o", "n", np.array([1.0, 0.0]), np.array([2.0, 4.0])))[1].tolist() == [-2.5, 0.5]
    assert after(Constant("o", np.array([1.0, 2.0]))).tolist() == [[1.0, 2.0]] * 3
    assert after(Concat("o", ("n", "n"))).shape == (3, 4)
    clipped = after(Clip("o", "n", np.array([-1.0, 1.0]), np.array([2.0, 1.5])))
    np.testing.assert_array_equal(clipped, [[1.0, NAN], [-1.0, 1.5], [2.0, 1.0]])


def test_the_decoders_blocks_can_be_read_by_name() -> None:
    np.testing.assert_array_equal(after(Scale("o", "numbers", np.zeros(2), np.ones(2))), X)


def test_cycle_is_all_sines_then_all_cosines() -> None:
    found = after(Cycle("o", "n", 24.0))
    np.testing.assert_allclose(found, np.hstack([np.sin(2 * np.pi * X / 24), np.cos(2 * np.pi * X / 24)]), atol=1e-15)


def test_date_part_reads_each_column() -> None:
    assert after(Numbers("o", (0,)), DatePart("p", "o", "weekday")).tolist() == [[3.0], [2.0], [3.0]]


def test_links_agree_with_scipy_and_do_not_overflow() -> None:
    x = np.array([[-800.0], [-1.5], [0.0], [3.0], [800.0]])

    def linked(kind: str, block: np.ndarray) -> np.ndarray:
        plan = Plan("binary", "y", INPUTS, (Numbers("n", tuple(range(block.shape[1]))), Link("o", "n", kind)), ("no", "yes"))
        return run(plan, block, np.zeros((len(block), 0), dtype=np.int64))

    np.testing.assert_allclose(linked("sigmoid", x), np.hstack([1 - expit(x), expit(x)]), rtol=1e-15)
    wide = np.array([[1000.0, 999.0, -5.0], [0.0, 0.0, 0.0]])
    np.testing.assert_allclose(linked("softmax", wide), softmax(wide, axis=1), rtol=1e-14)
    np.testing.assert_allclose(linked("exp", np.array([[1.0], [1000.0]])), [[np.e], [np.inf]])
    assert linked("identity", wide) is not None
    np.testing.assert_array_equal(linked("identity", wide), wide)


def test_trees_split_on_equality_nan_and_lone_leaves() -> None:
    trees = Trees(
        "o", "n",
        roots=np.array([0, -4]), feature=np.array([1, 0]), threshold=np.array([1.0, -4.0]), nan_true=np.array([True, False]),
        true_child=np.array([1, -1]), false_child=np.array([-2, -3]),
        leaf_value=np.array([1.0, 10.0, 100.0, 1000.0]), leaf_target=np.array([0, 0, 1, 1]), bias=np.array([0.5, 0.0]),
    )  # fmt: skip
    # row 0: b NaN -> true -> a=1 > -4 -> leaf 2; row 1: b=2 > 1 -> leaf 1; row 2: b=.5 -> true -> a=9 -> leaf 2
    np.testing.assert_array_equal(after(trees), [[0.5, 1100.0], [10.5, 1000.0], [0.5, 1100.0]])
    equal = transform(Preparation(INPUTS, (Numbers("n", (0, 1)), trees), ()), np.array([[-4.0, 1.0], [NAN, NAN]]), CODES[:2])
    np.testing.assert_array_equal(equal, [[1.5, 1000.0], [0.5, 1100.0]])


def test_linear_is_a_matrix_product() -> None:
    found = after(Impute("i", "n", np.zeros(2)), Linear("o", "i", np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([0.5, -0.5])))
    np.testing.assert_allclose(found, [[1.5, 1.5], [2.5, -0.5], [11.0, 19.5]])


def test_decisions() -> None:
    binary = Plan("binary", "y", INPUTS, (Constant("o", np.zeros(2)),), ("no", "yes"), threshold=0.3)
    assert decide(binary, np.array([[0.7, 0.3], [0.71, 0.29]])).tolist() == [1, 0]
    multi = Plan("multiclass", "y", INPUTS, (Constant("o", np.zeros(3)),), ("a", "b", "c"))
    assert decide(multi, np.array([[0.4, 0.4, 0.2], [0.1, 0.2, 0.7]])).tolist() == [0, 2]
    with pytest.raises(ValueError, match="no decision"):
        decide(Plan("regression", "y", INPUTS, (Constant("o", np.zeros(1)),)), np.zeros((1, 1)))


def test_what_is_no_node_is_refused() -> None:
    with pytest.raises(TypeError, match="str is no node"):
        run(Plan("regression", "y", INPUTS, ("x",)), X, CODES)  # type: ignore[arg-type]
