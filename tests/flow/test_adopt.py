"""A model from outside: judged, promoted, served and watched like one of our own, and refused with the reason where it cannot be."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import polars as pl
import pytest
from onnx import TensorProto, helper, numpy_helper

from homeostat.core.traffic import Asked
from homeostat.errors import DataError, LearningError, Refusal
from homeostat.flow.adopt import Wanted, adopt
from homeostat.flow.evaluate import evaluate
from homeostat.flow.explain import explain_candidate
from homeostat.flow.monitor import monitor
from homeostat.flow.project import Project, open_project
from homeostat.flow.promotion import promote
from homeostat.flow.references import load_profile
from homeostat.flow.refitting import refitting
from homeostat.flow.registry import version_of
from homeostat.flow.reproduce import reproduce
from homeostat.flow.routing import route
from homeostat.flow.serving import serving
from homeostat.flow.traffic import current_traffic
from homeostat.flow.validate import failed_gates, validate
from homeostat.flow.verify import verify
from homeostat.infra.predictions import Ids, Prediction, PredictionLog
from homeostat.serving.predictor import Predictor
from homeostat.serving.router import Router

CHARTER = """
name: outside
problem: {statement: Some things are yes., objective: Find them., decision: Which to look at., business_metric: found}
task: {type: binary, target: y, positive: "yes"}
success: {metric: auc, threshold: 0.6}
data: {source: rows.csv}
"""
WEIGHTS = np.array([[1.5], [-0.5]], dtype=np.float32)


def rows(count: int = 400, seed: int = 0) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=count), rng.normal(size=count)
    y = 1.5 * a - 0.5 * b + rng.normal(0, 0.5, count) > 0
    return pl.DataFrame({"a": a, "b": b, "city": rng.choice(["Oslo", "Rome"], count), "y": np.where(y, "yes", "no")})


def graph(nodes: list[Any], inputs: list[Any], outputs: list[Any], constants: dict[str, Any], opset: int = 17) -> bytes:
    held = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    body = helper.make_graph(nodes, "g", inputs, outputs, held)
    return bytes(helper.make_model(body, opset_imports=[helper.make_opsetid("", opset)], ir_version=8).SerializeToString())


def logistic(*, nan: bool = False, raw: bool = False) -> bytes:
    """P(yes) of a and b, as a network would be exported: one column."""
    weights = WEIGHTS * np.float32(np.nan) if nan else WEIGHTS
    nodes = [helper.make_node("MatMul", ["x", "w"], ["z"]), helper.make_node("Sigmoid", ["z"], ["p"])]
    value = helper.make_tensor_value_info
    last = "z" if raw else "p"
    return graph(nodes, [value("x", TensorProto.FLOAT, ["N", 2])], [value(last, TensorProto.FLOAT, ["N", 1])], {"w": weights})


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    (tmp_path / "homeostat.yaml").write_text(CHARTER)
    rows().write_csv(tmp_path / "reference.csv")
    with open_project(tmp_path) as opened:
        yield opened


def wanted(project: Project, **others: Any) -> Wanted:
    return Wanted(**{"reference": project.root / "reference.csv", "said": {"x": ("a", "b")}, "fill_nulls": True, **others})


def written(project: Project, content: bytes, name: str = "model.onnx") -> Path:
    path = project.root / name
    path.write_bytes(content)
    return path


def test_an_adopted_model_is_judged_promoted_and_served(project: Project) -> None:
    path = written(project, logistic())
    candidate = adopt(project, path, wanted(project))
    assert adopt(project, path, wanted(project)) == candidate
    assert candidate.body["parity"]["max_difference"] == 0.0
    assert candidate.body["classes"] == ["no", "yes"]
    version = validate(project, evaluate(project, candidate))
    assert failed_gates(project, version) == []
    promote(project, version)
    predictor = Predictor(serving(project).bundle)
    frame = rows(50, 5)
    x = frame.select("a", "b").to_numpy().astype(np.float32)
    np.testing.assert_allclose(predictor.predict_frame(frame)[:, 1], 1 / (1 + np.exp(-(x @ WEIGHTS)[:, 0].astype(float))), rtol=1e-6)
    one = predictor.predict_one({"a": 1.0, "b": None, "city": "Oslo"})  # b gets its median
    assert one.prediction == "yes"
    assert load_profile(project, str(version.body["profile"])).columns.keys() == {"a", "b"}
    assert verify(project, deep=True).problems == ()
    assert explain_candidate(project, candidate).body["method"] == "sampled"
    for again in (lambda: reproduce(project, version_of(project, version.id)), lambda: refitting(project, candidate)):
        with pytest.raises(LearningError, match="HS381"):
            again()


def test_an_adopted_model_is_watched_against_its_reference(project: Project) -> None:
    version = validate(project, evaluate(project, adopt(project, written(project, logistic()), wanted(project))))
    promote(project, version)
    now = serving(project)
    asked = rows(300, 9).drop("y").with_columns(pl.col("a") + 3.0).to_dicts()
    scores, _ = Predictor(now.bundle).score_rows(asked)
    at = "2030-01-01T12:00:00.000Z"
    with PredictionLog(project.predictions) as log:
        log.append(
            [
                Prediction(name, "rq-1", n, at, "outside", now.version.number, "champion", row, score.tolist(), "yes", 0.1)
                for n, (name, row, score) in enumerate(zip(Ids().take(300), asked, scores, strict=True))
            ]
        )
    (diagnosis,) = monitor(project, datetime(2031, 1, 1, tzinfo=UTC))
    found = [project.require(each).body for each in diagnosis.body["findings"]]
    assert {each["column"] for each in found if each["kind"] == "input_drift"} == {"a"}


def test_an_adopted_model_is_routed_beside_another(project: Project) -> None:
    promote(project, validate(project, evaluate(project, adopt(project, written(project, logistic()), wanted(project)))))
    validate(project, evaluate(project, adopt(project, written(project, logistic()), wanted(project, fill_nulls=False))))
    asked = Asked(segments=(("city", "Oslo", 1),), shadows=(2,))  # a column that no model reads decides
    route(project, asked)
    traffic = current_traffic(project)
    assert traffic is not None
    assert traffic.versions == (1, 2)
    router = Router(traffic)
    assert [traffic.arms[router.arm({"a": 1.0, "b": 1.0, "city": city}, "")].name for city in ("Oslo", "Rome")] == ["segment-1", "champion"]


def test_rows_without_labels_are_a_profile_and_no_judgement(project: Project) -> None:
    rows().drop("y").write_csv(project.root / "bare.csv")
    candidate = adopt(project, written(project, logistic()), wanted(project, reference=project.root / "bare.csv", classes=("no", "yes")))
    profile = load_profile(project, str(candidate.body["profile"]))
    assert (profile.rows, profile.target) == (400, None)
    with pytest.raises(LearningError, match="HS382"):
        evaluate(project, candidate)
    with pytest.raises(DataError, match="HS20"):
        adopt(project, written(project, logistic()), wanted(project, reference=project.root / "nowhere.csv"))


def test_what_is_adopted_is_never_trained_on(project: Project) -> None:
    adopt(project, written(project, logistic()), wanted(project))
    assert project.ledger.find("dataset") == []
    assert len(project.ledger.find("reference")) == 1


def _custom() -> bytes:
    value = helper.make_tensor_value_info
    node = helper.make_node("Magic", ["x"], ["p"], domain="acme")
    body = helper.make_graph([node], "g", [value("x", TensorProto.FLOAT, ["N", 2])], [value("p", TensorProto.FLOAT, ["N", 1])])
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("acme", 1)]
    return bytes(helper.make_model(body, opset_imports=opsets, ir_version=8).SerializeToString())


def _old() -> bytes:
    value = helper.make_tensor_value_info
    nodes = [helper.make_node("MatMul", ["x", "w"], ["z"]), helper.make_node("Clip", ["z"], ["p"], min=0.0, max=1.0)]
    return graph(nodes, [value("x", TensorProto.FLOAT, ["N", 2])], [value("p", TensorProto.FLOAT, ["N", 1])], {"w": WEIGHTS}, opset=9)


@pytest.mark.parametrize(
    ("content", "others", "code", "said"),
    [
        (lambda: b"pickle or whatever", {}, "HS375", "no ONNX model"),
        (lambda: logistic()[:-20], {}, "HS375", "cut off"),
        (logistic, {"sha256": "0" * 64}, "HS375", "it was altered"),
        (_custom, {}, "HS376", "acme (Magic)"),
        (_old, {}, "HS376", "Clip changed since"),
        (logistic, {"said": {"x": ("a",)}}, "HS377", "takes 2 columns and there are 1"),
        (logistic, {"said": {"x": ("a", "c")}}, "HS377", "no column 'c'; they have"),
        (logistic, {"said": {"x": ("a", "city")}}, "HS377", "takes numbers"),
        (logistic, {"said": {"y": ("a", "b")}}, "HS377", "the graph's inputs are x: float[N, 2]"),
        (logistic, {"output": "q"}, "HS378", "the graph's outputs are p: float[N, 1]"),
        (logistic, {"classes": ("bad", "good")}, "HS378", "the target has no, yes"),
        (lambda: logistic(nan=True), {}, "HS379", "reference rows with NaN"),
        (lambda: logistic(raw=True), {}, "HS379", "holds no probabilities"),
    ],
)
def test_what_cannot_be_adopted_is_refused_with_the_reason(
    project: Project, content: Callable[[], bytes], others: dict[str, Any], code: str, said: str
) -> None:
    with pytest.raises(LearningError) as told:
        adopt(project, written(project, content()), wanted(project, **others))
    assert told.value.code == code
    assert said in told.value.message
    assert project.ledger.find("candidate") == []


def test_numbers_kept_beside_the_model_must_be_there(project: Project) -> None:
    model = onnx.load_model_from_string(logistic())
    path = project.root / "apart.onnx"
    onnx.save_model(model, str(path), save_as_external_data=True, location="apart.data", size_threshold=0)
    candidate = adopt(project, path, wanted(project))
    assert candidate.body["parity"]["max_difference"] == 0.0
    (project.root / "apart.data").unlink()
    with pytest.raises(LearningError, match=r"HS375.*'apart.data', which is not there"):
        adopt(project, path, wanted(project))


def _folder(project: Project, flavour: str, settings: dict[str, str]) -> Path:
    folder = project.root / "mlflow_model"
    folder.mkdir()
    lines = "".join(f"    {name}: {value}\n" for name, value in settings.items())
    (folder / "MLmodel").write_text(f"flavors:\n  {flavour}:\n{lines}run_id: a0123\n")
    return folder


def test_a_lightgbm_booster_of_mlflow_becomes_trees_of_a_plan(project: Project) -> None:
    import lightgbm

    frame = rows()
    x, y = frame.select("a", "b").to_numpy(), (frame["y"] == "yes").to_numpy().astype(float)
    booster = lightgbm.train({"objective": "binary", "verbose": -1, "num_threads": 1}, lightgbm.Dataset(x, y), num_boost_round=10)
    folder = _folder(project, "lightgbm", {"data": "model.lgb", "model_class": "lightgbm.basic.Booster"})
    booster.save_model(str(folder / "model.lgb"))
    candidate = adopt(project, folder, wanted(project, fill_nulls=False))
    assert candidate.body["origin"]["how"] == "its trees or weights as nodes of a plan"
    assert candidate.body["origin"]["run_id"] == "a0123"
    promote(project, validate(project, evaluate(project, candidate)))
    found = Predictor(serving(project).bundle).predict_frame(frame)[:, 1]
    np.testing.assert_allclose(found, np.asarray(booster.predict(x)), rtol=0, atol=1e-9)


def test_an_xgboost_booster_of_mlflow_becomes_trees_of_a_plan(project: Project) -> None:
    xgboost = pytest.importorskip("xgboost")
    frame = rows()
    x, y = frame.select("a", "b").to_numpy(), (frame["y"] == "yes").to_numpy().astype(float)
    booster = xgboost.train({"objective": "binary:logistic", "nthread": 1}, xgboost.DMatrix(x, y), num_boost_round=10)
    folder = _folder(project, "xgboost", {"data": "model.ubj", "model_class": "xgboost.core.Booster"})
    booster.save_model(str(folder / "model.ubj"))
    candidate = adopt(project, folder, wanted(project, fill_nulls=False))
    assert candidate.body["parity"]["max_difference"] < 1e-6


def test_a_pickle_is_not_opened_unless_it_is_trusted(project: Project) -> None:
    folder = _folder(project, "sklearn", {"pickled_model": "model.pkl", "serialization_format": "pickle"})
    (folder / "model.pkl").write_bytes(b"cos\nsystem\n(S'touch opened'\ntR.")
    with pytest.raises(Refusal, match=r"HS380.*run whatever code its maker put there"):
        adopt(project, folder, wanted(project))
    assert not (project.root / "opened").exists()
    assert not Path("opened").exists()


@pytest.mark.slow
def test_a_scikit_learn_pipeline_of_mlflow_is_converted_and_compared(project: Project) -> None:
    pytest.importorskip("skl2onnx")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sklearn_flavour = pytest.importorskip("mlflow.sklearn")
        import pandas as pd
        from sklearn.compose import make_column_transformer
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import OneHotEncoder, StandardScaler

        frame = rows()
        given = pd.DataFrame({name: frame[name].to_list() for name in ("a", "b", "city")})
        prepared = make_column_transformer((OneHotEncoder(handle_unknown="ignore"), ["city"]), (StandardScaler(), ["a", "b"]))
        fitted = make_pipeline(prepared, LogisticRegression()).fit(given, frame["y"].to_list())
        folder = project.root / "pipeline"
        sklearn_flavour.save_model(fitted, str(folder), serialization_format="cloudpickle", pip_requirements=["scikit-learn"])
        candidate = adopt(project, folder, wanted(project, said={}, trust=True))
        assert candidate.body["origin"]["how"] == "converted by skl2onnx"
        version = validate(project, evaluate(project, candidate))
        promote(project, version)
        found = Predictor(serving(project).bundle).predict_frame(frame)
        np.testing.assert_allclose(found, fitted.predict_proba(given), rtol=0, atol=1e-6)
    shutil.rmtree(folder)
