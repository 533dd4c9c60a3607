"""Leak probes: planted leaks are found, honest columns are not."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score

from homeostat.charter.probes import Target, cross_fitted, skill
from homeostat.charter.suspects import Suspect, find_suspects

N = 600


def frame(seed: int = 0) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    amount = rng.normal(100, 20, N)
    part = rng.uniform(0, 50, N)
    late = rng.integers(0, 2, N)
    return pl.DataFrame(
        {
            "day": [date(2024, 1, 1) + timedelta(days=int(i)) for i in range(N)],
            "noise": rng.normal(size=N),
            "weak": 0.5 * amount + rng.normal(0, 10, N),
            "part": part,
            "rest": amount - part,
            "monotone": np.exp(amount / 50),
            "bent": (amount - 100) ** 2 * np.sign(amount - 100),
            "counter": np.arange(N) + 1000,
            "customer_id": rng.integers(0, 100_000, N),
            "total_km": np.cumsum(rng.integers(0, 3, N)).astype(float),
            "uuid4": [f"{i:05d}-{rng.integers(1e9)}" for i in range(N)],
            "remark": [f"called {i} times and then left a message" for i in rng.permutation(N)],
            "constant": np.ones(N),
            "reason": [("paid late" if one else None) for one in late],
            "shade": rng.choice(["red", "green", "blue"], N),
            "amount": amount,
            "late": np.where(late, "yes", "no"),
        }
    )


def found(suspects: tuple[Suspect, ...]) -> set[tuple[str, tuple[str, ...]]]:
    return {(suspect.kind, suspect.columns) for suspect in suspects}


SHAPES = {
    ("identifier", ("counter",)),
    ("identifier", ("customer_id",)),
    ("identifier", ("uuid4",)),
    ("trend", ("total_km",)),
}


def test_regression() -> None:
    suspects = find_suspects(frame(), "amount", "regression", time="day")
    leaks = {("leak", ("monotone",)), ("leak", ("bent",)), ("combination", ("part", "rest"))}
    assert found(suspects) == SHAPES | leaks
    assert "part + rest is the target in 100.0% of the rows" in {suspect.reason for suspect in suspects}


def test_binary_and_missingness() -> None:
    suspects = find_suspects(frame(), "late", "binary", time="day")
    gaps = {("leak", ("reason",)), ("missing", ("reason",))}
    assert found(suspects) == SHAPES | gaps


def test_a_leak_where_the_column_is_filled() -> None:
    rng = np.random.default_rng(1)
    kinds = rng.choice(["a", "b", "c", "d"], N)
    detail = [kind + "!" if rng.random() < 0.5 else None for kind in kinds]
    (leak,) = find_suspects(pl.DataFrame({"kind": kinds, "detail": detail}), "kind", "multiclass")
    assert (leak.kind, leak.columns, leak.number) == ("leak", ("detail",), 1.0)
    assert "where it is filled" in leak.reason


@pytest.mark.parametrize("formula", ["a - b", "b - a", "a * b"])
def test_other_combinations(formula: str) -> None:
    data = frame().select(a="noise", b="part")
    values = {"a - b": data["a"] - data["b"], "b - a": data["b"] - data["a"], "a * b": data["a"] * data["b"]}[formula]
    pairs = [one for one in find_suspects(data.with_columns(y=values), "y", "regression") if one.kind == "combination"]
    assert [one.columns for one in pairs] == [("a", "b")]
    assert formula in pairs[0].reason


def test_what_is_left_out_is_not_looked_at() -> None:
    skip = ["counter", "customer_id", "uuid4", "remark", "total_km", "monotone", "bent", "part"]
    assert find_suspects(frame(), "amount", "regression", time="day", skip=skip) == ()


def test_few_rows_are_not_judged() -> None:
    assert find_suspects(frame().head(49), "amount", "regression") == ()


def test_skill_is_the_known_statistic_of_the_cross_fitted_means() -> None:
    rng = np.random.default_rng(2)
    codes = rng.integers(0, 12, N)
    y = (codes + rng.normal(0, 6, N)).reshape(-1, 1)
    predicted = cross_fitted(codes, y)
    even = np.arange(N) % 2 == 0
    assert predicted[0, 0] == pytest.approx(y[~even & (codes == codes[0])].mean())
    assert skill(codes, Target(y, "regression"))[0] == pytest.approx(abs(spearmanr(predicted[:, 0], y[:, 0]).statistic))
    late = (y[:, 0] > 6).astype(float)
    classes = np.column_stack([1 - late, late])
    assert skill(codes, Target(classes, "binary"))[0] == pytest.approx(roc_auc_score(late, cross_fitted(codes, classes)[:, 1]))


def test_infinite_and_missing_numbers_raise_no_alarm() -> None:
    holes = pl.int_range(N) % 7 == 0
    odd = frame().with_columns(
        weak=pl.when(holes).then(float("inf")).otherwise("weak"),
        noise=pl.when(holes).then(float("nan")).otherwise("noise"),
        amount=pl.when(pl.int_range(N) % 11 == 0).then(float("nan")).otherwise("amount"),
    )
    assert found(find_suspects(odd, "amount", "regression", time="day")) == found(
        find_suspects(frame(), "amount", "regression", time="day")
    )
    nested = odd.with_columns(
        pair=pl.concat_list("part", "rest"), span=pl.col("day") - pl.col("day").min(), raw=pl.col("uuid4").cast(pl.Binary)
    )
    assert find_suspects(nested, "late", "binary", time="day") == find_suspects(frame(), "late", "binary", time="day")
