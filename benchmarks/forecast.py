"""Measure forecasts of hourly bike rentals a day ahead against the seasons before and lags in LightGBM by hand.

Run: ``.venv/bin/python -m benchmarks.forecast``. For each cut the whole journey runs as a user's would, in an empty folder: charter,
ingest, train, evaluate. All are judged on the same rows: the newest 60 days before the cut, from every fifth hour, each of the next 24
hours. It writes ``benchmarks/results/forecast.json`` and ``.md``; about five minutes on two cores.
"""

from __future__ import annotations

import json
import os
import platform
import tempfile
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from homeostat.flow.evaluate import evaluate
from homeostat.flow.ingest import ingest
from homeostat.flow.project import open_project
from homeostat.flow.train import first_order, rows_and_split, train

RESULTS = Path(__file__).parent / "results"
DATA = Path(__file__).resolve().parents[1] / "examples" / "bike-demand" / "data" / "bike_hourly.csv"
CUTS = ("2012-05-01", "2012-09-01", "2013-01-01")
LIBRARIES = ("homeostat", "polars", "lightgbm", "scikit-learn", "optuna")
FEATURES = "SELECT *, CAST(dteday AS TIMESTAMP) + to_hours(CAST(hr AS BIGINT)) AS moment FROM data\n"
CHARTER = """version: 1
name: bike-forecast
problem: {statement: Plan vans., objective: Fewer empty docks., decision: How many vans drive in each hour., business_metric: lost rides}
task:
  type: regression
  target: cnt
  time: moment
  forecast: {step: 1h, horizon: 24, known: [holiday, workingday]}
  leave_out: [instant, dteday, season, yr, mnth, hr, weekday]
success: {metric: mae}
data: {source: data/, features: features.sql}
preparation: {holdout: 60d, validation: 60d}
learning: {learners: [lightgbm, linear], budget: {seconds: null, trials: 8}}
"""


def measure(cut: str) -> dict[str, Any]:
    """Errors of all on the rows sealed before a cut."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        os.environ["HOMEOSTAT_KEYS"] = str(root / "keys")
        project_folder = root / "bikes"
        (project_folder / "data").mkdir(parents=True)
        rows = pl.read_csv(DATA)
        rows.filter(pl.col("dteday") < cut).write_csv(project_folder / "data" / "bikes.csv")
        (project_folder / "homeostat.yaml").write_text(CHARTER)
        (project_folder / "features.sql").write_text(FEATURES)
        with open_project(project_folder) as project:
            dataset = ingest(project)
            order = first_order(project, dataset)
            started = time.perf_counter()
            candidate = train(project, order)
            seconds = time.perf_counter() - started
            told = evaluate(project, candidate)
            _, split = rows_and_split(project, dataset, order.learning)
    ours = next(each for each in told.body["scores"] if each["metric"] == "mae")
    mase = next(each for each in told.body["scores"] if each["metric"] == "mase")
    return {
        "cut": cut,
        "rows": {"development": split.development.height, "judged": split.holdout.height},
        "learner": candidate.body["learner"],
        "seconds": round(seconds, 1),
        "mae": {
            "homeostat": ours["value"],
            "season of a day": season(split.holdout, 24),
            "season of a week": season(split.holdout, 168),
            "lags in LightGBM": by_hand(split.development, split.holdout),
        },
        "interval": [ours["low"], ours["high"]],
        "mase": mase["value"],
        "horizons": [{name: each[name] for name in ("horizon", "rows", "ours", "baseline")} for each in told.body["horizons"]],
    }


def season(judged: pl.DataFrame, steps: int) -> float:
    """Mean absolute error of the newest known value whole seasons before; where there is none, of the newest value."""
    said = pl.coalesce(f"cnt_season_{steps}", "cnt_lag_0")
    return float(judged.select((said - pl.col("cnt")).abs().mean()).item())


def by_hand(seen: pl.DataFrame, judged: pl.DataFrame) -> float:
    """LightGBM's defaults with 300 rounds on what one writes first: ten lags, the horizon, hour and weekday, and what is known ahead."""
    from lightgbm import LGBMRegressor

    lags = [f"cnt_lag_{lag}" for lag in (0, 1, 2, 3, 4, 5, 24, 168)]

    def inputs(frame: pl.DataFrame) -> np.ndarray[Any, Any]:
        moment = pl.col("moment").dt
        return (
            frame.select(*lags, "horizon", "holiday", "workingday", hour=moment.hour(), weekday=moment.weekday())
            .cast(pl.Float64)
            .to_numpy()
        )

    model = LGBMRegressor(n_estimators=300, objective="l1", n_jobs=2, random_state=0, verbose=-1)
    model.fit(inputs(seen), seen["cnt"].to_numpy())
    return float(np.abs(np.asarray(model.predict(inputs(judged))) - judged["cnt"].to_numpy()).mean())


def table(found: list[dict[str, Any]]) -> list[str]:
    """The errors as a table, with the share of each that is saved."""
    names = list(found[0]["mae"])
    head = [
        "| judged until | rows | " + " | ".join(f"MAE {name}" for name in names) + " | MASE | training |",
        "|---" * (len(names) + 4) + "|",
    ]
    lines = []
    for each in found:
        ours = each["mae"]["homeostat"]
        cells = [
            f"{value:.1f}" + (f" (saved {1 - ours / value:.0%})" if name != "homeostat" else "") for name, value in each["mae"].items()
        ]
        lines.append(
            f"| {each['cut']} | {each['rows']['judged']:,} | " + " | ".join(cells) + f" | {each['mase']:.2f} | {each['seconds']:.0f} s |"
        )
    return [*head, *lines]


def main() -> None:
    """Measure and write both files."""
    found = [measure(cut) for cut in CUTS]
    about = {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "versions": {name: version(name) for name in LIBRARIES},
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "forecast.json").write_text(json.dumps({**about, "cuts": found}, indent=2) + "\n")
    last = found[-1]["horizons"]
    by_step = [
        f"| {each['horizon']} | {each['ours']:.1f} | {each['baseline']:.1f} |"
        for each in last
        if each["horizon"] in (1, 2, 3, 6, 12, 18, 24)
    ]
    text = [
        "# Forecasts of hourly bike rentals, a day ahead",
        "",
        f"{about['date']}, {about['machine']}; " + ", ".join(f"{name} {each}" for name, each in about["versions"].items()) + ".",
        "",
        *table(found),
        "",
        f"By steps ahead, judged until {found[-1]['cut']}:",
        "",
        "| steps | MAE homeostat | MAE season of a day |",
        "|---|---|---|",
        *by_step,
    ]
    (RESULTS / "forecast.md").write_text("\n".join(text) + "\n")
    print("\n".join(text))


if __name__ == "__main__":
    main()
