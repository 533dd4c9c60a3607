"""A frame of a batch: the answers of the graph, and of a row that cannot be scored the reason; the row decoder refuses the same rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.flow.batches import INPUTS, answers, bundle, rows

from homeostat.errors import RequestError
from homeostat.graph.decode import decode_rows
from homeostat.serving.batch import NOT_FINITE, answer_names, score_frame
from homeostat.serving.predictor import Predictor

if TYPE_CHECKING:
    from tests.serving.conftest import Model

SMALL = bundle()
PREDICTOR = Predictor(SMALL)


@pytest.mark.parametrize("task", ["regression", "binary", "multiclass"])
def test_the_answers_are_the_predictor_s(models: dict[str, Model], task: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("homeostat.serving.batch.DECODED_ROWS", 700)
    monkeypatch.setattr("homeostat.serving.batch.RUN_ROWS", 128)
    made = models[task].bundle()
    predictor = Predictor(made)
    found = score_frame(predictor, made.inputs(), models[task].frame)
    said = predictor.say_frame(models[task].frame)
    wanted = predictor.answers(said.scores, said.ends)
    assert tuple(found.answers.columns) == tuple(wanted) == answer_names(made.manifest)
    for name, values in wanted.items():
        if name == "prediction" and task != "regression":
            assert found.answers[name].to_list() == values
        else:
            np.testing.assert_allclose(found.answers[name].to_numpy(), values, rtol=1e-14)
    assert not found.problems


def test_no_rows_have_no_answers() -> None:
    found = score_frame(PREDICTOR, INPUTS, rows(0))
    assert found.answers.shape == (0, 1)


VALUES: dict[str, Any] = {
    "size": st.sampled_from([1.5, None, float("nan"), float("inf"), -float("inf"), 1e308]),
    "open": st.sampled_from([1.0, 0.0, None, 2.0, 0.5]),
    "at": st.sampled_from([0.0, None, 1e9, 1e14, -1e14]),
    "town": st.sampled_from(["Oslo", None, "elsewhere"]),
}


@given(st.lists(st.fixed_dictionaries(VALUES), min_size=1, max_size=12))
def test_the_same_rows_are_bad_as_over_http(given_rows: list[dict[str, Any]]) -> None:
    types = {"size": pl.Float64, "open": pl.Float64, "at": pl.Float64, "town": pl.String}
    found = score_frame(PREDICTOR, INPUTS, pl.DataFrame(given_rows, schema=types))
    for at, row in enumerate(given_rows):
        field = refused_field(row)
        if field or row["size"] == 1e308:
            assert found.answers["prediction"][at] is None
            assert found.problems[at].startswith(f"column {field!r}: got " if field else NOT_FINITE)
        else:
            assert at not in found.problems
            known = pl.DataFrame([row], schema=types).with_columns(pl.col("size").fill_nan(None))
            assert found.answers["prediction"][at] == pytest.approx(answers(known)[0])


def refused_field(row: dict[str, Any]) -> str:
    """The first field that the row decoder refuses; empty: it takes the row."""
    try:
        decode_rows(INPUTS, [row])
    except RequestError as refused:
        return str(refused.fields[0]["field"])
    return ""


@pytest.mark.parametrize(
    ("column", "values", "decimal", "bad"),
    [
        ("size", ["1,5", "2,25", "x"], ",", [2]),
        ("size", [" 1.5", "1e3", "one"], ".", [2]),
        ("size", ["1.5", "2.5"], "", [0, 1]),
        ("open", ["TRUE", "0", "yes", "false"], ".", [2]),
        ("at", ["2024-01-31", "1700000000", "2024-13-01", "soon", None], ".", [2, 3]),
        ("at", ["2024-01-31", "nonsense"], "", [1]),
        ("size", [[1.0], None], "", [0]),
        ("town", [["Oslo"], None], "", [0]),
    ],
)
def test_texts_are_read_value_by_value(column: str, values: list[Any], decimal: str, bad: list[int]) -> None:
    frame = rows(len(values), 20).with_columns(pl.Series(column, values))
    found = score_frame(PREDICTOR, INPUTS, frame, decimal)
    assert sorted(found.problems) == bad
    assert all(said.startswith(f"column {column!r}: got ") for said in found.problems.values())
    if column == "size" and decimal:
        known = frame.with_columns(pl.Series("size", [1.5, 2.25 if decimal == "," else 1e3, None]))
        assert found.answers["prediction"].to_list()[:2] == pytest.approx(answers(known)[:2])
