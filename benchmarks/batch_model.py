"""The rows and the model of ``benchmarks.batch``: 20 mixed columns; imputation, scaling and encoding before 300 trees of 31 leaves.

The model is fitted once, by scikit-learn and LightGBM; the plan is made of that fitted pipeline's own numbers, so that all sides compute
the same answers.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

NUMBERS = tuple(f"n{at:02d}" for at in range(12))
CATEGORIES = tuple(f"c{at}" for at in range(6))
SIZES = (3, 5, 8, 12, 20, 40)
"""How many values each category has; a few rows have one that training never saw."""
FLAG, MOMENT, TARGET = "flag", "seen_at", "y"
FITTED_ROWS = 100_000
GROUP = 250_000
TREES, LEAVES = 300, 31


def rows(count: int, seed: int) -> pl.DataFrame:
    """Made rows: numbers with 5 % nulls, skewed categories with nulls and unseen values, a flag, epoch seconds."""
    rng = np.random.default_rng(seed)
    made: dict[str, pl.Series] = {}
    for at, name in enumerate(NUMBERS):
        values = (rng.normal, rng.exponential, rng.random)[at % 3](size=count) * 10.0 ** (at % 4)
        made[name] = pl.Series(np.where(rng.random(count) < 0.05, np.nan, values)).fill_nan(None)
    for name, size in zip(CATEGORIES, SIZES, strict=True):
        codes = np.minimum(rng.geometric(2.0 / size, count) - 1, size)  # the last one is never seen in training
        texts = pl.Series([f"{name}-{value}" for value in range(size)] + [f"{name}-new"])
        made[name] = pl.select(pl.when(pl.lit(pl.Series(rng.random(count) >= 0.02))).then(pl.lit(texts.gather(codes)))).to_series()
    made[FLAG] = pl.Series(rng.random(count) < 0.3)
    made[MOMENT] = pl.Series(1.6e9 + np.floor(rng.random(count) * 1e8))
    return pl.DataFrame(made)


def target(frame: pl.DataFrame, seed: int) -> Any:
    """A class that depends on several columns and on chance."""
    rng = np.random.default_rng(seed)
    x = [frame[name].fill_null(0.0).to_numpy() / 10.0 ** (at % 4) for at, name in enumerate(NUMBERS)]
    risk = x[0] + np.sin(3 * x[1]) * x[2] + (x[3] > 0.5) * x[4] + 0.3 * frame[FLAG].to_numpy()
    risk = risk + frame["c2"].is_in(["c2-1", "c2-3"]).fill_null(value=False).to_numpy() * 1.5
    return (risk + rng.normal(size=len(risk)) > 1.0).astype(np.int64)


def write(path: Path, count: int) -> None:
    """The rows to score, as one Parquet file."""
    from homeostat.infra.formats.parquet import write_batches

    def blocks() -> Iterator[pl.DataFrame]:
        for at in range(0, count, GROUP):
            yield rows(min(GROUP, count - at), 100 + at // GROUP)

    with path.open("wb") as file:
        write_batches(blocks(), file)


def pipeline() -> Any:
    """The fitted scikit-learn pipeline."""
    from lightgbm import LGBMClassifier
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OrdinalEncoder, StandardScaler

    seen = rows(FITTED_ROWS, 1).with_columns(
        pl.when(~pl.col(name).str.ends_with("-new")).then(pl.col(name)).alias(name) for name in CATEGORIES
    )
    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    texts = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-2, encoded_missing_value=-1)
    prepared = ColumnTransformer([("numbers", numbers, [*NUMBERS, FLAG, MOMENT]), ("texts", texts, list(CATEGORIES))])
    model = LGBMClassifier(n_estimators=TREES, num_leaves=LEAVES, verbosity=-1, random_state=1, n_jobs=1)
    fitted = make_pipeline(prepared, model).fit(frame_of(seen), target(seen, 2))
    return fitted.set_params(lgbmclassifier__n_jobs=2)


def frame_of(frame: pl.DataFrame) -> Any:
    """The rows as a pandas frame, as ``pandas.read_parquet`` gives them."""
    import pandas as pd

    made = {name: frame[name].to_numpy() for name in (*NUMBERS, FLAG, MOMENT)}
    return pd.DataFrame(made | {name: pd.array(frame[name].to_list(), dtype=object) for name in CATEGORIES})


def bundle(fitted: Any) -> Any:
    """The same pipeline as a plan, compiled."""
    from homeostat.graph.plan import Concat, Impute, Input, Link, Lookup, Numbers, Plan, Scale
    from homeostat.learning.learners.lightgbm import trees_of
    from homeostat.serving.bundle import build

    prepared, model = fitted.steps[0][1], fitted.steps[1][1]
    imputer, scaler = (step for _, step in prepared.named_transformers_["numbers"].steps)
    encoder = prepared.named_transformers_["texts"]
    inputs = [Input(name, "number") for name in NUMBERS] + [Input(FLAG, "boolean"), Input(MOMENT, "timestamp")]
    nodes: list[Any] = [
        Numbers("raw", tuple(range(len(inputs)))),
        Impute("filled", "raw", imputer.statistics_.astype(np.float64)),
        Scale("scaled", "filled", scaler.mean_, scaler.scale_),
    ]
    for at, (name, known) in enumerate(zip(CATEGORIES, encoder.categories_, strict=True)):
        texts = tuple(str(each) for each in known if isinstance(each, str))
        inputs.append(Input(name, "category", texts))
        nodes.append(Lookup(name, at, np.array([[-1.0], *([float(code)] for code in range(len(texts))), [-2.0]])))
    nodes.append(Concat("features", ("scaled", *CATEGORIES)))
    trees = trees_of(model.booster_.dump_model(), "features")
    nodes += [trees, Link("score", trees.out, "sigmoid")]
    plan = Plan("binary", TARGET, tuple(inputs), tuple(nodes), ("0", "1"), 0.5)
    return build(plan, name="batch", sample=rows(1_000, 1), ignored=(), facts={}, created="")
