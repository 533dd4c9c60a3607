"""The plots of an evaluation: valid Vega-Lite with a description, and they mark what is served."""

from __future__ import annotations

import gzip
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

from homeostat.app.report import evaluation_plots as plots
from homeostat.evaluation import curves
from homeostat.stats.money import payoff_per_row

SCHEMA = Path(__file__).with_name("vega-lite-6.4.3.schema.json.gz")


def plain(record: Any) -> Any:
    """A record as the blob gives it back."""
    return json.loads(json.dumps(asdict(record)))


def made() -> list[dict[str, Any]]:
    from homeostat.core.sections import Payoff

    rng = np.random.default_rng(0)
    p = rng.beta(1, 2, 500)
    y = (rng.random(500) < p).astype(np.float64)
    payoff = Payoff(true_positive=5, false_positive=-1)
    money = tuple(payoff_per_row(y, np.full(500, decision), payoff) for decision in (1.0, 0.0))
    curve = plain(curves.threshold_curve(y, p, 1 / 6, money))
    amounts = rng.gamma(2, 10, 500)
    said = amounts + rng.normal(size=500) * 3
    periods = curves.loss_over_time(("2026-01-01", "2026-01-02"), np.arange(500) % 2, np.abs(amounts - said), None)
    scores = [{"segment": "place=", "metric": "mae", "value": 2.0, "low": 1.5, "high": 2.5, "rows": 40}]
    specs = [
        plots.reliability([plain(each) for each in curves.reliability(y, p)], "that came"),
        *(draw(curve) for draw in (plots.roc, plots.precision_recall, plots.gain, plots.rates)),
        plots.value(curve, "EUR"),
        plots.shift(plain(curves.shift_curve(amounts, said, 1.0, 2.0)), "EUR"),
        plots.residuals([plain(each) for each in curves.residual_bins(amounts, said)]),
        plots.over_time([plain(each) for each in periods], "day", "mae"),
        plots.segments(scores, {"metric": "mae", "value": 1.9}),
        plots.importance([("x", 0.3), ("", 0.1)], 10),
    ]
    return [spec for spec in specs if spec is not None]


def test_specifications_are_valid_and_described() -> None:
    validator = jsonschema.Draft7Validator(json.loads(gzip.decompress(SCHEMA.read_bytes())))
    specs = made()
    assert len(specs) == 11
    for spec in specs:
        best = jsonschema.exceptions.best_match(validator.iter_errors(spec))
        assert best is None, f"{spec['title']}: {best.message}"
        assert spec["title"]["text"]
        assert len(spec["description"]) > 20
        assert spec["width"] == "container"
        json.dumps(spec, allow_nan=False)


def test_the_served_decision_and_the_best_are_marked() -> None:
    value = next(spec for spec in made() if spec["title"]["text"] == "Value by threshold")
    marked = {row["which"]: row for row in value["layer"][1]["data"]["values"]}
    assert marked["served"]["threshold"] == pytest.approx(1 / 6)
    assert marked["best on these rows"]["value"] == max(row["value"] for row in value["data"]["values"])
    assert "0.1667" in value["description"]


def test_without_money_there_is_no_value_curve() -> None:
    y = np.array([1.0, 0.0])
    assert plots.value(plain(curves.threshold_curve(y, np.array([0.7, 0.2]), 0.5)), "EUR") is None
