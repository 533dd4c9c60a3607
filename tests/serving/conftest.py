from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression

import homeostat
from homeostat.graph.decode import decode_frame
from homeostat.graph.plan import Concat, Floats, Impute, Indicator, Input, Linear, Link, Lookup, Numbers, Plan, Scale
from homeostat.serving.bundle import Bundle, build

INPUTS = (
    Input("temp", "number"),
    Input("hr", "number"),
    Input("holiday", "boolean"),
    Input("dteday", "timestamp"),
    Input("season", "category", ("1", "2", "3", "4")),
)


@pytest.fixture(scope="session")
def bike() -> pl.DataFrame:
    """Every 20th hour of the bundled data, with a few nulls of our own in each input."""
    frame = pl.read_csv(Path(homeostat.__file__).parent / "data" / "bike_hourly.csv", try_parse_dates=True).gather_every(20)
    at = pl.int_range(pl.len())
    return frame.with_columns(
        pl.when(at % 37 == k).then(None).otherwise(pl.col(each.name)).alias(each.name) for k, each in enumerate(INPUTS)
    )


class Model:
    """A plan, the library's own predictions behind its preparation, and the rows."""

    def __init__(self, plan: Plan, oracle: Callable[[pl.DataFrame], Floats], frame: pl.DataFrame) -> None:
        self.plan, self.oracle, self.frame = plan, oracle, frame

    def bundle(self, **changes: object) -> Bundle:
        given: dict[str, object] = {
            "name": "bike",
            "sample": self.frame,
            "ignored": ["cnt", "instant"],
            "facts": {"run": "run-1"},
            "created": "2026-01-01T00:00:00+00:00",
        }
        return build(self.plan, **{**given, **changes})  # type: ignore[arg-type]


def make(frame: pl.DataFrame, task: str) -> Model:
    numbers, _, _ = decode_frame(INPUTS, frame)
    means = np.nanmean(numbers, axis=0)
    spread = np.nanstd(numbers, axis=0)
    table = np.vstack([np.zeros(4), np.eye(4), np.full(4, 0.25)])
    nodes = [
        Numbers("raw", (0, 1, 2, 3)),
        Indicator("gone", "raw"),
        Impute("filled", "raw", means),
        Scale("scaled", "filled", means, spread),
        Lookup("season", 0, table),
        Concat("features", ("scaled", "gone", "season")),
    ]

    def features(rows: pl.DataFrame) -> Floats:
        numbers, codes, _ = decode_frame(INPUTS, rows)
        missing = np.isnan(numbers)
        return np.hstack([(np.where(missing, means, numbers) - means) / spread, missing.astype(float), table[codes[:, 0]]])

    y = frame["cnt"].to_numpy().astype(float)
    if task == "regression":
        fitted = LinearRegression().fit(features(frame), y)
        nodes.append(Linear("score", "features", fitted.coef_.reshape(-1, 1), np.array([fitted.intercept_])))
        return Model(Plan("regression", "cnt", INPUTS, tuple(nodes)), lambda rows: fitted.predict(features(rows)).reshape(-1, 1), frame)
    classes = ("few", "many") if task == "binary" else ("few", "many", "some")
    labels = np.where(y > 150, "many", "few") if task == "binary" else np.select([y > 250, y > 60], ["many", "some"], "few")
    logistic = LogisticRegression(max_iter=500).fit(features(frame), labels)
    nodes.append(Linear("raw_score", "features", logistic.coef_.T, logistic.intercept_))
    nodes.append(Link("score", "raw_score", "sigmoid" if task == "binary" else "softmax"))
    plan = Plan(task, "cnt", INPUTS, tuple(nodes), classes, 0.4)  # type: ignore[arg-type]
    return Model(plan, lambda rows: logistic.predict_proba(features(rows)), frame)


@pytest.fixture(scope="session")
def models(bike: pl.DataFrame) -> dict[str, Model]:
    return {task: make(bike, task) for task in ("regression", "binary", "multiclass")}
