"""The compiled graph against the libraries' own predictions: largest difference 1e-7, no flipped class."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import polars as pl
import pytest
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.preprocessing import StandardScaler

import homeostat
from homeostat.core.targets import texts
from homeostat.graph.decode import decode_frame, decode_rows
from homeostat.graph.interpret import decide, run, transform
from homeostat.graph.plan import (
    Concat,
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

BIKE = pl.read_csv(Path(homeostat.__file__).parent / "data" / "bike_hourly.csv", n_rows=6_000)
BANK = pl.read_parquet(Path(__file__).resolve().parents[2] / "examples/bank-marketing/data/bank_marketing.parquet").sample(6_000, seed=1)
RunOnnx = Callable[[Plan, np.ndarray, np.ndarray], dict[str, np.ndarray]]


def vocabulary(series: pl.Series) -> tuple[str, ...]:
    return tuple(sorted(texts(series).drop_nulls().unique().to_list()))


def prepare(frame: pl.DataFrame, numbers: list[str], categories: list[str], when: str, *, ordinal: bool) -> Preparation:
    """Numbers as they are, calendar parts of the time, categories as ordinals (null and unseen NaN) or one-hot."""
    inputs = [Input(name, "number") for name in numbers] + [Input(when, "timestamp")]
    nodes: list[Node] = [Numbers("plain", tuple(range(len(numbers)))), Numbers("time", (len(numbers),))]
    nodes += [DatePart("month", "time", "month"), DatePart("weekday", "time", "weekday")]
    blocks = ["plain", "month", "weekday"]
    for at, name in enumerate(categories):
        known = vocabulary(frame[name])
        inputs.append(Input(name, "category", known))
        column = np.array([[np.nan], *[[float(i)] for i in range(len(known))], [np.nan]])
        nodes.append(Lookup(f"category {name}", at, column if ordinal else np.eye(len(known) + 2)))
        blocks.append(f"category {name}")
    nodes.append(Concat("features", tuple(blocks)))
    return Preparation(tuple(inputs), tuple(nodes), ("unnamed",))


def spoilt(frame: pl.DataFrame, numbers: list[str], categories: list[str], seed: int = 7) -> pl.DataFrame:
    """The same rows with a tenth of the values null, and a twentieth of the categories never seen."""
    rng = np.random.default_rng(seed)
    columns = [frame[name].cast(pl.Float64).set(pl.Series(rng.random(frame.height) < 0.1), None) for name in numbers]
    for name in categories:
        column = texts(frame[name]).set(pl.Series(rng.random(frame.height) < 0.1), None)
        columns.append(column.set(pl.Series(rng.random(frame.height) < 0.05), "never seen"))
    return frame.with_columns(columns)


def trees_of(booster: lightgbm.Booster, outputs: int) -> Trees:
    """A LightGBM model as a node: the flat tables behind ``dump_model``."""
    splits: list[tuple[int, float, bool, int, int]] = []
    leaves: list[tuple[float, int]] = []

    def walk(node: dict[str, Any], output: int) -> int:
        if "leaf_value" in node:
            leaves.append((node["leaf_value"], output))
            return -len(leaves)
        assert node["decision_type"] == "<="
        threshold = node["threshold"]
        nan_true = {"NaN": node["default_left"], "None": threshold >= 0.0}[node["missing_type"]]
        at = len(splits)
        splits.append((node["split_feature"], threshold, nan_true, 0, 0))
        children = (walk(node["left_child"], output), walk(node["right_child"], output))
        splits[at] = (*splits[at][:3], *children)
        return at

    dumped = booster.dump_model()["tree_info"]
    roots = [walk(tree["tree_structure"], number % outputs) for number, tree in enumerate(dumped)]
    feature, threshold, nan_true, true_child, false_child = map(np.array, zip(*splits, strict=True))
    values, targets = map(np.array, zip(*leaves, strict=True))
    return Trees(
        "trees", "features", np.array(roots), feature, threshold, nan_true, true_child, false_child, values, targets, np.zeros(outputs)
    )


def boosted(frame: pl.DataFrame, prepared: Preparation, y: np.ndarray, **params: Any) -> lightgbm.Booster:
    data = lightgbm.Dataset(transform(prepared, *decode_frame(prepared.inputs, frame)), y)
    defaults = {"verbosity": -1, "num_threads": 2, "num_leaves": 31, "min_data_in_leaf": 5, "seed": 1}
    return lightgbm.train(defaults | params, data, num_boost_round=60)


def frames(frame: pl.DataFrame, numbers: list[str], categories: list[str]) -> Iterator[pl.DataFrame]:
    yield frame
    yield spoilt(frame, numbers, categories)


BIKE_NUMBERS, BIKE_CATEGORIES = ["temp", "hum", "windspeed", "hr"], ["weathersit", "season"]
BANK_NUMBERS, BANK_CATEGORIES = ["age", "campaign", "pdays", "euribor3m", "nr_employed"], ["job", "education", "default", "month"]


@pytest.mark.parametrize("objective", ["regression", "poisson"])
@pytest.mark.parametrize("nulls", [True, False], ids=["trained with nulls", "trained without"])
def test_lightgbm_regression(objective: str, nulls: bool, run_onnx: RunOnnx) -> None:
    seen = spoilt(BIKE, BIKE_NUMBERS, BIKE_CATEGORIES, seed=1) if nulls else BIKE
    prepared = prepare(BIKE, BIKE_NUMBERS, BIKE_CATEGORIES, "dteday", ordinal=True)
    booster = boosted(seen, prepared, BIKE["cnt"].to_numpy().astype(float), objective=objective)
    link = Link("o", "trees", "exp" if objective == "poisson" else "identity")
    plan = Plan("regression", "cnt", prepared.inputs, (*prepared.nodes, trees_of(booster, 1), link))
    for frame in frames(BIKE, BIKE_NUMBERS, BIKE_CATEGORIES):
        decoded = decode_frame(plan.inputs, frame)
        expected = np.asarray(booster.predict(transform(prepared, *decoded)))[:, None]
        assert np.abs(run_onnx(plan, *decoded)["score"] - expected).max() <= 1e-7
        assert np.abs(run(plan, *decoded) - expected).max() <= 1e-7


def test_lightgbm_binary(run_onnx: RunOnnx) -> None:
    prepared = prepare(BANK, BANK_NUMBERS, BANK_CATEGORIES, "contact_month", ordinal=True)
    booster = boosted(BANK, prepared, (BANK["y"] == "yes").to_numpy().astype(float), objective="binary")
    plan = Plan("binary", "y", prepared.inputs, (*prepared.nodes, trees_of(booster, 1), Link("o", "trees", "sigmoid")), ("no", "yes"), 0.15)
    for frame in frames(BANK, BANK_NUMBERS, BANK_CATEGORIES):
        decoded = decode_frame(plan.inputs, frame)
        expected = np.asarray(booster.predict(transform(prepared, *decoded)))
        found = run_onnx(plan, *decoded)
        assert np.abs(found["score"] - np.column_stack([1 - expected, expected])).max() <= 1e-7
        assert found["decision"].tolist() == (expected >= 0.15).astype(int).tolist()
        rows = frame.head(50).select([each.name for each in plan.inputs]).to_dicts()
        np.testing.assert_allclose(run_onnx(plan, *decode_rows(plan.inputs, rows))["score"], found["score"][:50], rtol=1e-13)


def test_lightgbm_multiclass(run_onnx: RunOnnx) -> None:
    classes = vocabulary(BIKE["weathersit"])
    y = np.array([classes.index(text) for text in texts(BIKE["weathersit"])], dtype=float)
    prepared = prepare(BIKE, BIKE_NUMBERS, ["season"], "dteday", ordinal=True)
    booster = boosted(BIKE, prepared, y, objective="multiclass", num_class=len(classes))
    trees = trees_of(booster, len(classes))
    plan = Plan("multiclass", "weathersit", prepared.inputs, (*prepared.nodes, trees, Link("o", "trees", "softmax")), classes)
    for frame in frames(BIKE, BIKE_NUMBERS, ["season"]):
        decoded = decode_frame(plan.inputs, frame)
        expected = np.asarray(booster.predict(transform(prepared, *decoded)))
        found = run_onnx(plan, *decoded)
        assert np.abs(found["score"] - expected).max() <= 1e-7
        assert found["decision"].tolist() == expected.argmax(axis=1).tolist() == decide(plan, run(plan, *decoded)).tolist()


def filled(prepared: Preparation, frame: pl.DataFrame) -> tuple[Node, ...]:
    """The preparation, then nulls replaced by means with indicators beside, then scaled."""
    x = transform(prepared, *decode_frame(prepared.inputs, frame))
    values = np.nanmean(x, axis=0)
    scaler = StandardScaler().fit(np.where(np.isnan(x), values, x))
    impute = (Indicator("gone", "features"), Impute("full", "features", values))
    return (*prepared.nodes, *impute, Scale("scaled", "full", scaler.mean_, scaler.scale_), Concat("x", ("scaled", "gone")))


def test_ridge_regression(run_onnx: RunOnnx) -> None:
    prepared = prepare(BIKE, BIKE_NUMBERS, BIKE_CATEGORIES, "dteday", ordinal=False)
    nodes = filled(prepared, BIKE)
    whole = Preparation(prepared.inputs, nodes, ())
    seen = spoilt(BIKE, BIKE_NUMBERS, BIKE_CATEGORIES, seed=1)
    model = Ridge().fit(transform(whole, *decode_frame(whole.inputs, seen)), BIKE["cnt"].to_numpy())
    plan = Plan("regression", "cnt", whole.inputs, (*nodes, Linear("o", "x", model.coef_[:, None], np.array([model.intercept_]))))
    for frame in frames(BIKE, BIKE_NUMBERS, BIKE_CATEGORIES):
        decoded = decode_frame(plan.inputs, frame)
        expected = model.predict(transform(whole, *decoded))
        np.testing.assert_allclose(run_onnx(plan, *decoded)["score"][:, 0], expected, rtol=0, atol=1e-7)


@pytest.mark.parametrize("target", ["y", "marital"])
def test_logistic_regression(target: str, run_onnx: RunOnnx) -> None:
    known = BANK.drop_nulls(target)
    classes = vocabulary(known[target])
    prepared = prepare(known, BANK_NUMBERS, BANK_CATEGORIES, "contact_month", ordinal=False)
    nodes = filled(prepared, known)
    whole = Preparation(prepared.inputs, nodes, ())
    model = LogisticRegression(max_iter=500).fit(transform(whole, *decode_frame(whole.inputs, known)), known[target].to_numpy())
    link, task = (Link("o", "raw", "sigmoid"), "binary") if target == "y" else (Link("o", "raw", "softmax"), "multiclass")
    plan = Plan(task, target, whole.inputs, (*nodes, Linear("raw", "x", model.coef_.T, model.intercept_), link), classes)
    assert tuple(model.classes_) == classes
    for frame in frames(known, BANK_NUMBERS, BANK_CATEGORIES):
        decoded = decode_frame(plan.inputs, frame)
        x = transform(whole, *decoded)
        found = run_onnx(plan, *decoded)
        np.testing.assert_allclose(found["score"], model.predict_proba(x), rtol=0, atol=1e-9)
        assert [classes[at] for at in found["decision"]] == model.predict(x).tolist()
