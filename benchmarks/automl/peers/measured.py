"""What each peer is given, and what is kept of it: predictions, times, versions. Run beside the peer, so it imports nothing of ours."""

import json
import platform
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

ONE_ROW_CALLS, MANY, MANY_CALLS = 30, 1_000, 5


def given() -> tuple[str, Any, Any, dict[str, Any], float]:
    """Task, training rows, test rows without the target, what is known of the set, and the budget in s: from the command line."""
    import pandas

    warnings.simplefilter("ignore")
    folder, budget = Path(sys.argv[1]), float(sys.argv[2])
    about = json.loads((folder / "about.json").read_text())
    test = pandas.read_parquet(folder / "test.parquet").drop(columns=[about["target"]])
    return about["task"], pandas.read_parquet(folder / "train.parquet"), test, about, budget


def timed(answer: Callable[[Any], Any], test: Any) -> dict[str, float]:
    """Medians in ms: one row, from its named fields to its answer; and a thousand rows that are a frame already."""
    import pandas

    rows = test.head(ONE_ROW_CALLS).to_dict("records")
    types = test.dtypes

    def one(row: dict[str, Any]) -> None:
        answer(pandas.DataFrame([row]).astype(types))

    many = test.sample(MANY, replace=len(test) < MANY, random_state=0).reset_index(drop=True)
    answer(many)
    one(rows[0])
    return {
        "one_row_ms": median_ms([lambda row=row: one(row) for row in rows]),
        "thousand_rows_ms": median_ms([lambda: answer(many)] * MANY_CALLS),
    }


def median_ms(calls: list[Callable[[], Any]]) -> float:
    """The median time of a call, in ms."""
    times = []
    for call in calls:
        started = time.perf_counter()
        call()
        times.append((time.perf_counter() - started) * 1_000)
    return statistics.median(times)


def kept(scores: Any, classes: list[str], seconds: float, times: dict[str, float], how: dict[str, Any], libraries: tuple[str, ...]) -> None:
    """Write the predictions beside a JSON file that tells everything else: to the path of the command line."""
    import numpy

    out = Path(sys.argv[3])
    numpy.save(out.with_suffix(".npy"), numpy.asarray(scores, dtype="float64"))
    versions = {"python": platform.python_version(), **{name: version(name) for name in libraries}}
    told = {"classes": classes, "fit_seconds": round(seconds, 2), **times, "how": how, "versions": versions}
    out.write_text(json.dumps(told))
