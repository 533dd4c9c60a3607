"""The predictor answers rows, columns and frames alike, from any thread."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from homeostat.errors import DataError, RequestError
from homeostat.graph.interpret import decide, run
from homeostat.serving.predictor import Predictor

if TYPE_CHECKING:
    import polars as pl

TASKS = ["regression", "binary", "multiclass"]


def rows_of(frame: pl.DataFrame, names: tuple[str, ...]) -> list[dict[str, Any]]:
    return [{k: v.isoformat() if isinstance(v, date) else v for k, v in row.items()} for row in frame.select(names).iter_rows(named=True)]


@pytest.mark.parametrize("task", TASKS)
def test_rows_columns_and_frames_give_the_librarys_scores(models, task: str) -> None:
    model = models[task]
    predictor = Predictor(model.bundle())
    rows = rows_of(model.frame, predictor.manifest.required())
    wanted = model.oracle(model.frame)
    np.testing.assert_allclose(predictor.predict_frame(model.frame), wanted, rtol=1e-9, atol=1e-9)
    np.testing.assert_array_equal(predictor.score_rows(rows)[0], predictor.predict_frame(model.frame))
    columns = {name: [row[name] for row in rows] for name in predictor.manifest.required()}
    assert predictor.predict_columns(columns) == predictor.predict_rows(rows)
    assert predictor.predict_one(rows[5]) == predictor.predict_rows(rows[5:6])[0]


@pytest.mark.parametrize("task", TASKS)
def test_answers_say_the_plans_decision(models, task: str) -> None:
    model = models[task]
    predictor = Predictor(model.bundle())
    rows = rows_of(model.frame.head(200), predictor.manifest.required())
    scores, _ = predictor.score_rows(rows)
    found = predictor.predict_rows(rows)
    columns = predictor.answers(scores)
    assert columns["prediction"] == [each.prediction for each in found]
    if task == "regression":
        assert columns["prediction"] == scores[:, 0].tolist()
        return
    assert [each.prediction for each in found] == [model.plan.classes[i] for i in decide(model.plan, scores)]
    if task == "binary":
        assert columns["probability"] == [each.probability for each in found] == scores[:, 1].tolist()
    else:
        assert list(columns) == ["prediction", "probability_few", "probability_many", "probability_some"]
        assert [list((each.probabilities or {}).values()) for each in found] == scores.tolist()


def test_ignored_fields_may_be_there_and_unknown_ones_not(models) -> None:
    predictor = Predictor(models["regression"].bundle())
    row = {"temp": 0.5, "hr": 8, "holiday": False, "dteday": "2011-05-01", "season": 2}
    assert predictor.predict_one({**row, "cnt": 3}) == predictor.predict_one(row)
    with pytest.raises(RequestError, match="HS502") as caught:
        predictor.predict_rows([row, {**row, "tmp": 1, "hr": "x"}])
    assert {(f["row"], f["field"]) for f in caught.value.fields} == {(1, "tmp"), (1, "hr")}
    with pytest.raises(DataError, match="HS203"):
        predictor.predict_frame(models["regression"].frame.drop("temp"))


def test_a_score_that_is_not_finite_is_refused_not_answered(models) -> None:
    predictor = Predictor(models["regression"].bundle())
    row = {"temp": 0.5, "hr": 8, "holiday": False, "dteday": "2011-05-01", "season": 2}
    with pytest.raises(RequestError, match=r"HS502.*no finite score") as caught:
        predictor.predict_rows([row, {**row, "temp": 1.7e308}])
    assert [f["row"] for f in caught.value.fields] == [1]


def test_no_rows_give_no_answers(models) -> None:
    for task in TASKS:
        predictor = Predictor(models[task].bundle())
        assert predictor.predict_rows([]) == []
        assert predictor.predict_frame(models[task].frame.clear()).shape == (0, len(models[task].plan.classes) or 1)


def test_threads_share_a_predictor(models) -> None:
    model = models["binary"]
    predictor = Predictor(model.bundle())
    rows = rows_of(model.frame.head(60), predictor.manifest.required())
    wanted = predictor.predict_rows(rows)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(predictor.predict_one, rows * 5))
    for got, want in zip(found, wanted * 5, strict=True):
        assert got.prediction == want.prediction
        assert got.probability == pytest.approx(want.probability, abs=1e-12)


def test_the_interpreter_means_the_same(models) -> None:
    from homeostat.graph.decode import decode_frame

    model = models["multiclass"]
    meant = run(model.plan, *decode_frame(model.plan.inputs, model.frame))
    np.testing.assert_allclose(Predictor(model.bundle()).predict_frame(model.frame), meant, atol=1e-12)
