"""Parity finds what differs and only that; stress rows hit every input."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeostat.errors import BundleError
from homeostat.graph.plan import Input
from homeostat.serving.answers import answers
from homeostat.serving.bundle import Bundle, build, pack, unpack
from homeostat.serving.manifest import interface_digest
from homeostat.serving.parity import ParityReport, largest_difference, parity, stress_frame
from homeostat.serving.predictor import Predictor

TASKS = ["regression", "binary", "multiclass"]


@pytest.mark.parametrize("task", TASKS)
def test_the_graph_agrees_with_the_library_on_real_and_stressed_rows(models, task: str) -> None:
    model = models[task]
    rows = pl.concat([model.frame, stress_frame(model.frame, model.plan.inputs, 7)])
    report = parity(model.bundle(), rows, model.oracle(rows))
    assert report.rows == rows.height > model.frame.height
    assert report.passed, report
    assert report.max_difference <= 1e-9
    assert report.flips == 0


def test_costs_are_the_same_decision_in_the_graph_in_rows_and_in_answers(models, bike: pl.DataFrame) -> None:
    model = models["multiclass"]
    costs = np.array([[0.0, 1.0, 4.0], [9.0, 0.0, 3.0], [2.0, 2.0, 0.0]])
    bundle = build(replace(model.plan, costs=costs), name="bike", sample=model.frame, ignored=[], facts={}, created="")
    rows = pl.concat([model.frame, stress_frame(model.frame, model.plan.inputs, 7)])
    assert parity(bundle, rows, model.oracle(rows)).flips == 0
    again = unpack(pack(bundle))
    assert again.manifest.costs == tuple(map(tuple, costs.tolist()))
    predictor = Predictor(again)
    scores, decisions = predictor.decide_frame(model.frame)
    assert decisions.tolist() == np.argmin(scores @ costs, axis=1).tolist() != scores.argmax(axis=1).tolist()
    names = [again.manifest.classes[index] for index in decisions]
    assert predictor.answers(scores)["prediction"] == names
    assert [answer.prediction for answer in answers(again.manifest, scores, decisions)] == names
    assert interface_digest(again.manifest) != interface_digest(model.bundle().manifest)
    with pytest.raises(BundleError, match="HS401"):
        Predictor(Bundle(bundle.graph, model.bundle().manifest, bundle.plan))


def test_a_difference_and_a_flip_are_counted(models) -> None:
    model = models["binary"]
    bundle, wanted = model.bundle(), model.oracle(model.frame)
    moved = wanted.copy()
    moved[3] = moved[3, ::-1]
    report = parity(bundle, model.frame, moved)
    assert report.flips == int((wanted[3, 1] >= 0.4) != (moved[3, 1] >= 0.4))
    assert report.max_difference == pytest.approx(abs(wanted[3, 1] - moved[3, 1]))
    assert not report.passed
    assert not parity(bundle, model.frame, wanted + 2e-7).passed
    assert parity(bundle, model.frame, wanted[:, :1]).max_difference == sys.float_info.max
    assert not ParityReport(0, 0.0, 0).passed


def test_difference_is_absolute_then_relative() -> None:
    assert largest_difference(np.array([[0.5]]), np.array([[0.25]])) == 0.25
    assert largest_difference(np.array([[2000.0]]), np.array([[1000.0]])) == 1.0
    assert largest_difference(np.array([[np.nan, np.inf]]), np.array([[np.nan, np.inf]])) == 0.0
    assert largest_difference(np.array([[np.nan]]), np.array([[1.0]])) == sys.float_info.max
    assert largest_difference(np.empty((0, 1)), np.empty((0, 1))) == 0.0


@given(st.lists(st.tuples(st.floats(), st.floats()), min_size=1))
def test_difference_is_a_finite_number_and_zero_only_for_equals(pairs: list[tuple[float, float]]) -> None:
    got, wanted = np.array(pairs).T.reshape(2, -1, 1)
    difference = largest_difference(got, wanted)
    assert 0.0 <= difference <= sys.float_info.max
    assert largest_difference(wanted, wanted) == 0.0


def test_stress_rows_keep_the_types_and_hit_every_input(bike: pl.DataFrame, models) -> None:
    inputs = models["regression"].plan.inputs
    rows = stress_frame(bike, inputs, 1)
    assert rows.schema == bike.schema
    assert stress_frame(bike, inputs, 1).equals(rows)
    assert all(rows[each.name].null_count() >= 16 for each in inputs)
    assert rows.filter(pl.all_horizontal(pl.col(each.name).is_null() for each in inputs)).height >= 16
    assert rows["season"].drop_nulls().is_in([1, 2, 3, 4]).not_().any()
    assert rows["dteday"].min().year == 1700
    assert stress_frame(bike.clear(), inputs, 1).is_empty()


def test_stress_values_fit_every_column_type() -> None:
    from datetime import UTC, datetime

    frame = pl.DataFrame(
        {
            "small": pl.Series([1, 2], dtype=pl.Int8),
            "unsigned": pl.Series([1, 2], dtype=pl.UInt64),
            "flag": [1, 0],
            "zoned": [datetime(2020, 1, 1, tzinfo=UTC), None],
            "epoch": [1_600_000_000, 1_600_000_001],
            "iso": ["2020-01-01", "2020-01-02"],
            "kind": pl.Series(["a", "b"], dtype=pl.Enum(["a", "b"])),
            "level": [1.0, 2.5],
            "yes": [True, False],
        }
    )
    kinds = ["number", "number", "boolean", "timestamp", "timestamp", "timestamp", "category", "category", "category"]
    inputs = [Input(name, kind, ("a",)) for name, kind in zip(frame.columns, kinds, strict=True)]  # type: ignore[arg-type]
    rows = stress_frame(frame, inputs, 0)
    assert rows.schema == frame.schema
    assert rows["small"].max() == 127
    assert rows["unsigned"].max() == 2**53
    from homeostat.graph.decode import decode_frame

    numbers, codes, _ = decode_frame(inputs, rows)
    assert len(numbers) == len(codes) == rows.height
