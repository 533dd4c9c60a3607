"""Column profiles: the library's numbers, associations against scipy, and odd columns."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy import stats

from homeostat.dataops.profile import profile_columns

BANK = Path(__file__).resolve().parents[2] / "examples/bank-marketing/data/bank_marketing.parquet"


def test_numbers_and_texts() -> None:
    frame = pl.DataFrame({"x": [1.0, 2.0, 3.0, None, float("nan")], "n": [5, 5, 5, 5, 5], "t": ["a", "b", "b", None, "c"]})
    x, n, t = profile_columns(frame, None)
    assert (x.kind, x.rows, x.nulls, x.distinct, x.minimum, x.maximum, x.mean, x.std) == ("number", 5, 2, 3, 1.0, 3.0, 2.0, 1.0)
    assert x.quantiles == pytest.approx({"0.05": 1.1, "0.25": 1.5, "0.5": 2.0, "0.75": 2.5, "0.95": 2.9})
    assert (n.kind, n.constant, n.minimum, n.std) == ("integer", True, 5, 0.0)
    assert isinstance(n.minimum, int)
    assert (t.kind, t.nulls, t.distinct, t.top) == ("string", 1, 3, (("b", 2), ("a", 1), ("c", 1)))


def test_associations_are_those_of_scipy() -> None:
    frame = pl.read_parquet(BANK).sample(3_000, seed=0)
    by_name = {column.name: column for column in profile_columns(frame, "euribor3m")}
    pair = frame.select("age", "euribor3m").drop_nulls()
    assert by_name["age"].association == pytest.approx(stats.spearmanr(*pair.to_numpy().T).statistic, abs=1e-12)
    assert by_name["age"].association_kind == "spearman"
    assert (by_name["euribor3m"].association, by_name["euribor3m"].association_kind) == (None, None)
    groups = [group["euribor3m"].to_numpy() for _, group in frame.select("job", "euribor3m").drop_nulls().group_by("job")]
    f, between, within = stats.f_oneway(*groups).statistic, len(groups) - 1, sum(map(len, groups)) - len(groups)
    eta2 = f * between / (f * between + within)
    assert by_name["job"].association == pytest.approx(np.sqrt(eta2), abs=1e-9)
    classes = {column.name: column for column in profile_columns(frame, "y")}
    table = frame.select("job", "y").drop_nulls().group_by("job", "y").len().pivot(on="y", index="job").fill_null(0)
    expected = stats.contingency.association(table.drop("job").to_numpy(), method="cramer")
    assert classes["job"].association == pytest.approx(expected, abs=1e-12)
    assert (classes["job"].association_kind, classes["age"].association_kind) == ("cramers_v", "eta")


@pytest.mark.parametrize("target", ["a", "b", "missing", None])
def test_odd_frames_are_json_able(target: str | None) -> None:
    odd = pl.DataFrame(
        {
            "a": [None, None],
            "b": pl.Series([None, None], dtype=pl.Float64),
            "c": [1.0, float("inf")],
            "d": [True, None],
            "e": [[1], None],
            "f": [date(2024, 1, 1), None],
            "g": pl.Series(["x", "x"], dtype=pl.Categorical),
        }
    )
    for frame in (odd, odd.clear(), odd.head(1)):
        found = profile_columns(frame, target)
        assert [column.name for column in found] == odd.columns
        json.dumps([asdict(column) for column in found], allow_nan=False)
    whole = {column.name: column for column in profile_columns(odd, target)}
    assert (whole["a"].kind, whole["a"].nulls, whole["a"].distinct, whole["a"].constant) == ("null", 2, 0, True)
    assert (whole["f"].minimum, whole["f"].top) == ("2024-01-01", (("2024-01-01", 1),))
    assert (whole["e"].nulls, whole["e"].distinct) == (1, 1)
