from __future__ import annotations

import json
from dataclasses import fields, is_dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from homeostat.errors import BundleError
from homeostat.graph.encode import dump_plan, load_plan
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
    Numbers,
    Plan,
    Scale,
    Trees,
)  # fmt: skip

VALUES = np.array([0.1, -0.0, np.nan, np.inf, 5e-324])
INTS = np.array([0, -1, 3])
PLAN = Plan(
    "binary", "y",
    (Input("a", "number"), Input("c", "category", ("x", "ä", "1"))),
    (
        Numbers("n", (0, 0)), Lookup("l", 0, np.arange(15.0).reshape(5, 3).T), DatePart("d", "n", "month"), Cycle("c", "d", 12.0),
        Impute("i", "n", VALUES), Indicator("w", "n"), Scale("s", "n", VALUES, VALUES), Clip("k", "n", VALUES, VALUES),
        Concat("f", ("n", "l")), Linear("m", "f", np.ones((2, 1)), np.zeros(1)),
        Trees("t", "f", INTS, INTS, VALUES, np.array([True, False]), INTS, INTS, VALUES, INTS, np.zeros(0)),
        Constant("b", VALUES), Link("o", "b", "sigmoid"),
    ),
    ("no", "yes"), 0.1 + 0.2,
)  # fmt: skip


def same(one: object, other: object) -> bool:
    if is_dataclass(one):
        return type(one) is type(other) and all(same(getattr(one, f.name), getattr(other, f.name)) for f in fields(one))
    if isinstance(one, np.ndarray):
        return isinstance(other, np.ndarray) and one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()
    if isinstance(one, tuple):
        return isinstance(other, tuple) and len(one) == len(other) and all(map(same, one, other))
    return type(one) is type(other) and one == other


def test_the_round_trip_is_exact_for_every_node() -> None:
    again = load_plan(dump_plan(PLAN))
    assert same(again, PLAN)
    assert dump_plan(again) == dump_plan(PLAN)


@given(hnp.arrays(np.float64, hnp.array_shapes(max_dims=2, min_side=0, max_side=4)), st.floats())
def test_any_array_and_threshold_survive(values: np.ndarray, threshold: float) -> None:
    plan = Plan("regression", "y", (), (Constant("o", values),), threshold=threshold)
    again = load_plan(dump_plan(plan))
    assert again.nodes[0].values.tobytes() == np.ascontiguousarray(values).tobytes()
    assert repr(again.threshold) == repr(threshold)


def test_costs_survive_and_a_plan_without_any_has_none() -> None:
    costly = Plan("multiclass", "y", (), PLAN.nodes, ("a", "b"), costs=np.array([[0.0, 1.5], [2.0, -0.5]]))
    assert same(load_plan(dump_plan(costly)), costly)
    older = json.loads(WHOLE)
    del older["plan"]["costs"]
    assert load_plan(json.dumps(older).encode()).costs is None


def test_a_newer_format_is_refused() -> None:
    newer = json.dumps(json.loads(dump_plan(PLAN)) | {"format": 3}).encode()
    with pytest.raises(BundleError, match=r"HS403.*format 3"):
        load_plan(newer)


WHOLE = dump_plan(PLAN)
DAMAGED = [
    b"", b"\xff", b"[]", b"7", b"{}",
    b'{"format":1}',
    b'{"format":"x","plan":{}}',
    b'{"format":1,"plan":7}',
    b'{"format":1,"plan":{"is":"os.system"}}',
    b'{"format":1,"plan":{"is":"Plan"}}',
    b'{"format":1,"plan":{"is":"Input","name":"a","kind":"number"}}',
    WHOLE[:-9],
    WHOLE.replace(b'"dtype":"<f8"', b'"dtype":"|O8"'),
    WHOLE.replace(b'"shape":[5]', b'"shape":[6]'),
]  # fmt: skip


@pytest.mark.parametrize("content", DAMAGED)
def test_damage_is_told_as_damage(content: bytes) -> None:
    with pytest.raises(BundleError, match="HS401"):
        load_plan(content)
