"""What preparation's options are worth on real data, each against the default on the same split, and how fast its parts are.

Run: ``.venv/bin/python -m benchmarks.preparation [SPAM_CSV]``. It takes some minutes. ``SPAM_CSV`` is the YouTube Spam Collection with the
columns comment_id, video, author_id, posted_at, content, is_spam (UCI Machine Learning Repository, entry 380); without it the part about
texts is left out.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from homeostat.core import sections
from homeostat.core.targets import classes_of, encode_target
from homeostat.graph.decode import decode_frame
from homeostat.graph.plan import Input
from homeostat.learning.search import search
from homeostat.learning.trials import Stages
from homeostat.preparation.balance import balancer
from homeostat.preparation.decide import decide
from homeostat.preparation.fit import fit
from homeostat.preparation.sample import sample
from homeostat.preparation.split import split
from homeostat.stats.metrics import metric

RESULTS = Path(__file__).parent / "results"
EXAMPLES = Path(__file__).parents[1] / "examples"
LIBRARIES = ("homeostat", "polars", "numpy", "lightgbm", "scikit-learn", "onnxruntime")
SEEDS = (1, 2, 3, 4, 5)
ROWS = 1_000_000
BIKE = sections.Task(
    type="regression",
    target="cnt",
    time="dteday",
    entity=("dteday", "hr"),
    leave_out=("instant", "casual", "registered", "yr", "mnth", "season"),
)
BANK = sections.Task(type="binary", target="y", positive="yes", leave_out=("duration", "contact_month"))
SPAM = sections.Task(type="binary", target="is_spam", positive=1, leave_out=("comment_id", "author_id", "posted_at", "video"))


def score(frame: pl.DataFrame, task: sections.Task, clauses: dict[str, Any], name: str, learner: str, seed: int = 0) -> float:
    """The metric on the holdout of one learner with its default params."""
    section = sections.Preparation.model_validate(clauses)
    parts = split(frame, task, section, seed)
    classes = classes_of(parts.train[task.target], task)
    decisions = decide(parts.train, task, section)
    stages = Stages(
        lambda rows, flavour, categories: fit(rows, task, section, flavour, classes, decisions),
        lambda rows, window: (drawn(rows, task, section), None),
        balancer(task, section, classes, 0),
    )
    learning = sections.Learning.model_validate({"learners": [learner], "budget": {"seconds": None}})
    found = search(parts, task, learning, metric(name), stages, clock=time.monotonic)
    return float(metric(name).score(encode_target(parts.holdout[task.target], classes), found.oracle(parts.holdout)))


def drawn(rows: pl.DataFrame, task: sections.Task, section: sections.Preparation) -> pl.DataFrame:
    """The charter's sample of training rows, else all."""
    taken = sample(rows, task, section.sample, 0)
    return rows if taken is None else rows[taken]


def options(frame: pl.DataFrame, task: sections.Task, name: str, variants: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """Each variant against the first on the same stratified splits: means, and the mean difference with its standard error."""
    told = []
    for learner in ("linear", "lightgbm"):
        base: list[float] = []
        for label, clauses in variants.items():
            given = {"split": {"kind": "stratified"}, **clauses}
            values = [score(frame, task, given, name, learner, seed) for seed in SEEDS]
            base = base or values
            apart = np.array(values) - np.array(base)
            told.append(
                {
                    "learner": learner,
                    "option": label,
                    "metric": name,
                    "value": round(float(np.mean(values)), 5),
                    "difference": round(float(apart.mean()), 5),
                    "standard_error": round(float(apart.std(ddof=1) / np.sqrt(len(SEEDS))), 5),
                }
            )
            print(told[-1], flush=True)
    return told


def bike() -> list[dict[str, Any]]:
    """The example's first half year, by time: mean absolute error on the two newest weeks."""
    frame = pl.read_csv(EXAMPLES / "bike-demand/data/bike_hourly.csv", try_parse_dates=True).head(4_320)
    clauses = {"types": {"weathersit": "category"}, "holdout": "14d", "validation": "28d"}
    return [
        {"learner": each, "metric": "mae", "value": round(score(frame, BIKE, clauses, "mae", each), 3)} for each in ("linear", "lightgbm")
    ]


def seconds(of: Any) -> float:
    """Wall seconds of a call, the better of two."""
    times = []
    for _ in range(2):
        started = time.perf_counter()
        of()
        times.append(time.perf_counter() - started)
    return round(min(times), 2)


def speed() -> dict[str, float]:
    """Seconds for a million rows of 20 columns: ten numbers, six categories, three whole numbers and a target; and for texts."""
    draw = np.random.default_rng(0)
    columns: dict[str, Any] = {f"x{k}": draw.normal(size=ROWS) for k in range(10)}
    columns |= {f"c{k}": pl.Series(draw.integers(0, 4 ** (k + 1), ROWS)).cast(pl.String) for k in range(6)}
    columns |= {f"n{k}": draw.integers(0, 1_000, ROWS) for k in range(3)}
    frame = pl.DataFrame({**columns, "y": draw.integers(0, 2, ROWS)})
    task, section = sections.Task(type="binary", target="y"), sections.Preparation()
    by_content = sections.Preparation(split=sections.SplitPlan(kind="random"))
    words = [f"word{k}" for k in range(300)]
    texts = pl.DataFrame({"said": [" ".join(words[(row * 7 + k * k) % 300] for k in range(15)) for row in range(100_000)]})
    said = Input("said", "text", tuple(words[:200]))
    some = sections.Sampling(rows=100_000, kind="stratified")
    return {
        "decide_s": seconds(lambda: decide(frame, task, section)),
        "split_random_s": seconds(lambda: split(frame, task, by_content)),
        "fit_tree_s": seconds(lambda: fit(frame, task, section, "tree", ("0", "1"))),
        "fit_linear_s": seconds(lambda: fit(frame, task, section, "linear", ("0", "1"))),
        "sample_100000_stratified_s": seconds(lambda: sample(frame, task, some, 0)),
        "decode_100000_texts_of_15_words_s": seconds(lambda: decode_frame((said,), texts)),
    }


def main() -> None:
    """Measure and write."""
    bank = pl.read_parquet(EXAMPLES / "bank-marketing/data/bank_marketing.parquet")
    figures: dict[str, Any] = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "versions": {name: version(name) for name in LIBRARIES},
        "bike": bike(),
        "bank": options(
            bank,
            BANK,
            "auc",
            {
                "default": {},
                "imbalance: weights": {"imbalance": "weights"},
                "imbalance: undersample": {"imbalance": "undersample"},
                "job and month by frequency": {"columns": {"job": {"encode": "frequency"}, "month": {"encode": "frequency"}}},
                "campaign by its logarithm": {"columns": {"campaign": {"transform": "log"}}},
                "select: 15": {"select": 15},
                "pca: 15": {"pca": 15},
                "sample: 5,000 rows, stratified": {"sample": {"rows": 5_000, "kind": "stratified"}},
            },
        ),
        "speed": speed(),
    }
    if len(sys.argv) > 1:
        spam = pl.read_csv(sys.argv[1], try_parse_dates=True)
        terms = {f"{count} terms": {"text_terms": count} for count in (200, 50, 500, 1_000)}
        alike = {"split": {"kind": "group", "group": "content"}}
        figures["spam"] = options(spam, SPAM, "auc", {**terms, "equal texts kept together": alike})
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "preparation.json").write_text(json.dumps(figures, indent=2) + "\n")
    (RESULTS / "preparation.md").write_text(page(figures))
    print((RESULTS / "preparation.md").read_text())


def page(figures: dict[str, Any]) -> str:
    """The figures as tables."""
    versions = ", ".join(f"{name} {number}" for name, number in figures["versions"].items())
    text = f"# Preparation\n\nMeasured {figures['at']} on {figures['machine']}; {versions}.\n"
    text += "Rerun: `.venv/bin/python -m benchmarks.preparation`.\n"
    bikes = "\n".join(f"| {each['learner']} | {each['value']} |" for each in figures["bike"])
    text += f"\nBike demand, half a year, two weeks sealed, default params:\n\n| learner | mean absolute error |\n|---|---|\n{bikes}\n"
    for name, about in (("bank", "Bank marketing"), ("spam", "YouTube spam")):
        if name in figures:
            rows = "\n".join(
                f"| {each['learner']} | {each['option']} | {each['value']} | {each['difference']:+} ± {each['standard_error']} |"
                for each in figures[name]
            )
            head = "| learner | option | AUC | against the first |\n|---|---|---|---|"
            text += f"\n{about}, holdout, default params, {len(SEEDS)} stratified splits, paired (± standard error):\n\n{head}\n{rows}\n"
    speeds = "\n".join(f"| {name.removesuffix('_s').replace('_', ' ')} | {value} |" for name, value in figures["speed"].items())
    return text + f"\n{ROWS:,} rows of 20 columns, seconds (texts: as named):\n\n| part | s |\n|---|---|\n{speeds}\n"


if __name__ == "__main__":
    main()
