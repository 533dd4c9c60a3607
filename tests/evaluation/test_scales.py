"""The unit of MASE: the error of the season before, per series, on the rows that were seen."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest

from homeostat.core.sections import Task
from homeostat.evaluation.evaluate import evaluate
from homeostat.evaluation.scales import season_scales
from homeostat.stats.metrics import scaled_error

TASK = Task.model_validate(
    {"type": "regression", "target": "y", "time": "t", "entity": ["shop"], "forecast": {"step": "1h", "horizon": 2, "season": [2]}}
)


def rows(shop: str, values: list[float]) -> pl.DataFrame:
    return pl.DataFrame({"shop": shop, "t": [datetime(2024, 1, 1) + timedelta(hours=n) for n in range(len(values))], "y": values})


def test_each_series_has_its_own_scale_and_a_flat_or_new_one_that_of_all() -> None:
    wild, calm, flat = rows("wild", [0.0, 10.0, 4.0, 16.0]), rows("calm", [1.0, 2.0, 2.0, 4.0]), rows("flat", [3.0] * 4)
    seen = pl.concat([wild, wild, calm, flat])  # several horizons tell the same value: it counts once
    asked = pl.concat([rows(name, [0.0]) for name in ("calm", "wild", "flat", "new")])
    found = season_scales(seen, asked, TASK)
    overall = float(np.mean([4, 6, 1, 2, 0, 0]))
    assert found.tolist() == [1.5, 5.0, overall, overall]


def test_series_that_never_changed_have_no_scale_and_no_score_is_told() -> None:
    seen = rows("flat", [3.0] * 60)
    scales = season_scales(seen, seen, TASK)
    assert np.isnan(scales).all()
    y, scores = np.arange(60.0), np.arange(60.0)[:, None] + 1
    from homeostat.core.sections import Success

    told = evaluate(y, scores, task_type="regression", success=Success(metric="mae"), further=(scaled_error(scales),))
    assert "mase" not in {one.metric for one in told}
    told = evaluate(y, scores, task_type="regression", success=Success(metric="mae"), further=(scaled_error(np.full(60, 4.0)),))
    assert next(one.value for one in told if one.metric == "mase") == pytest.approx(0.25)


def test_only_a_forecast_has_seasons() -> None:
    with pytest.raises(ValueError, match="seasons"):
        season_scales(rows("a", [1.0]), rows("a", [1.0]), Task(type="regression", target="y", time="t"))
