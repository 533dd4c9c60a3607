"""Measure how honest the paired gate is, and how fast a bootstrap is: ``benchmarks/results/judging.json`` and ``.md``.

Run: ``.venv/bin/python -m benchmarks.judging``. It takes about five minutes. Models are simulated, so that how much better one is
is known: 200 challengers that save exactly the margin asked for, and 200 that save exactly what `check` would announce as found with 80 %.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from homeostat.stats.intervals import bootstrap
from homeostat.stats.metrics import METRICS, Metric, error_of
from homeostat.stats.paired import share_saved
from homeostat.stats.paired_tests import TESTS, Chosen, TestName, compare, right_test
from homeostat.stats.power import power_of_gain

RESULTS = Path(__file__).parent / "results"
LIBRARIES = ("homeostat", "numpy", "scipy", "scikit-learn")
CHALLENGERS = 200
ANNOUNCEMENTS = 8
ROWS = 2_000
POPULATION = 400_000
CHAMPION = 1.0
DAY = 24
CONFIDENCE = 0.95
ASKED_POWER = 0.8
MARGINS = (0.0, 0.02)
Floats = np.ndarray[tuple[int, ...], np.dtype[np.float64]]
World = Callable[[np.random.Generator, int, float], tuple[Floats, Floats, Floats]]


def classes(rng: np.random.Generator, rows: int, noise: float) -> tuple[Floats, Floats, Floats]:
    """What came (n,), and what champion and challenger said (n, 2): the log odds that both see, each with noise of its own."""
    odds = rng.normal(size=rows) * 1.5 - 0.5
    y = (rng.random(rows) < 1 / (1 + np.exp(-odds))).astype(np.float64)

    def said(own: float) -> Floats:
        p = 1 / (1 + np.exp(-(odds + own * rng.normal(size=rows))))
        return np.column_stack([1 - p, p])

    return y, said(CHAMPION), said(noise)


def hours(rng: np.random.Generator, rows: int, noise: float) -> tuple[Floats, Floats, Floats]:
    """The same for amounts by the hour: errors that a day shares, such as its weather, are in both; each has errors of its own besides."""
    truth = rng.gamma(4.0, 20.0, rows)
    days = np.repeat(rng.normal(size=rows // DAY + 1), DAY)[:rows] * 8
    y = truth + days + rng.normal(size=rows) * 8

    def said(own: float) -> Floats:
        return (truth + 12 * own * rng.normal(size=rows))[:, None]

    return y, said(CHAMPION), said(noise)


WORLDS: dict[str, tuple[World, int]] = {
    "accuracy": (classes, 1),
    "auc": (classes, 1),
    "log_loss": (classes, 1),
    "mae": (hours, DAY),
    "rmse": (hours, DAY),
}


def true_saving(metric: Metric, world: World, noise: float) -> float:
    """The share of the champion's error that a challenger of this noise saves, on many rows."""
    y, theirs, ours = world(np.random.default_rng(99), POPULATION, noise)
    errors = [np.array([error_of(metric, metric.score(y, scores))]) for scores in (ours, theirs)]
    return float(share_saved(*errors)[0])


def noise_that_saves(metric: Metric, world: World, saving: float) -> float:
    """The noise of a challenger whose true saving is this, by bisection."""
    low, high = 0.0, CHAMPION
    for _ in range(20):
        middle = (low + high) / 2
        low, high = (middle, high) if true_saving(metric, world, middle) > saving else (low, middle)
    return (low + high) / 2


def passed(metric: Metric, world: World, tests: list[TestName], block: int, noise: float, margin: float) -> dict[TestName, float]:
    """The share of the challengers of this noise that each test lets pass; each challenger is judged on rows of its own."""
    count = dict.fromkeys(tests, 0)
    for seed in range(CHALLENGERS):
        y, theirs, ours = world(np.random.default_rng(1_000 + seed), ROWS, noise)
        for test in tests:
            found = compare(Chosen(test), metric, y, ours, theirs, margin=margin, confidence=CONFIDENCE, seed=seed, block=block)
            count[test] += found.better
    return {test: times / CHALLENGERS for test, times in count.items()}


def tests_of(metric: Metric, block: int, margin: float) -> list[TestName]:
    """The bootstrap, and the tests that can be used in its place for this metric, these rows and this margin."""
    y = np.tile([0.0, 1.0], ROWS // 2)
    usable = [name for name in TESTS if right_test(metric, y, asked=name, margin=margin, block=block).test == name]
    return [name for name in usable if name != "diebold_mariano" or block > 1]  # type: ignore[misc]


def announced(metric: Metric, world: World, block: int, margin: float) -> float:
    """The smallest saving that is found with 80 %, as `check` announces it from a challenger that is somewhat better.

    What one set of rows announces varies with the set, so it is the mean of several.
    """
    noise, found = noise_that_saves(metric, world, margin + 0.05), []
    for seed in range(ANNOUNCEMENTS):
        y, theirs, ours = world(np.random.default_rng(7 + seed), ROWS, noise)
        how = {"margin": margin, "confidence": CONFIDENCE, "power": ASKED_POWER}
        found.append(power_of_gain(metric, y, ours, theirs, rows=ROWS, block=block, **how).smallest)
    return float(np.mean(found))


def judging() -> list[dict[str, object]]:
    """For each metric and margin: how many pass that save exactly the margin, and how many that save what is announced."""
    found: list[dict[str, object]] = []
    for name, (world, block) in WORLDS.items():
        for margin in MARGINS:
            metric = METRICS[name]
            null = CHAMPION if margin == 0 else noise_that_saves(metric, world, margin)
            smallest = announced(metric, world, block, margin)
            tests, better = tests_of(metric, block, margin), noise_that_saves(metric, world, smallest)
            no_better = passed(metric, world, tests, block, null, margin)
            better_by_it = passed(metric, world, tests, block, better, margin)
            auto = right_test(metric, np.tile([0.0, 1.0], ROWS // 2), margin=margin, block=block).test
            for test in tests:
                found.append(
                    {
                        "metric": name,
                        "margin": margin,
                        "test": test,
                        "auto": test == auto,
                        "rows": ROWS,
                        "block": block,
                        "no_better_passed": no_better[test],
                        "announced_saving": smallest,
                        "better_passed": better_by_it[test],
                    }
                )
                print(found[-1], flush=True)
    return found


def resamples() -> dict[str, float]:
    """2,000 resamples of AUC on 100,000 rows: ours whole; scikit-learn's metric in a loop, 40 of them, extrapolated."""
    from sklearn.metrics import roc_auc_score

    y, scores, _ = classes(np.random.default_rng(0), 100_000, 1.0)
    ours = []
    for _ in range(3):
        started = time.perf_counter()
        interval = bootstrap(METRICS["auc"], y, scores, resamples=2_000)
        ours.append(time.perf_counter() - started)
    rng, theirs = np.random.default_rng(0), []
    started = time.perf_counter()
    for _ in range(40):
        rows = rng.integers(0, len(y), len(y))
        theirs.append(roc_auc_score(y[rows], scores[rows, 1]))
    loop = (time.perf_counter() - started) * 2_000 / 40
    return {"seconds": float(np.median(ours)), "low": interval[0], "high": interval[1], "sklearn_loop_seconds": loop}


def page(told: dict[str, Any]) -> str:
    """The figures as a page."""
    speed, gates = told["speed"], told["gates"]
    lines = [
        "# Judging",
        "",
        "Again: `.venv/bin/python -m benchmarks.judging`; `speed` or `gates` behind it measures one of the two.",
        "",
        f"2,000 resamples of AUC on 100,000 rows: {speed['seconds']:.2f} s (median of 3); scikit-learn's `roc_auc_score` in a loop",
        f"{speed['sklearn_loop_seconds']:.0f} s (from 40 of them), {speed['sklearn_loop_seconds'] / speed['seconds']:.0f} times as long.",
        _where(speed),
        "",
        f"The paired gate at 5 %, {CHALLENGERS} challengers a cell, {ROWS} fresh rows each. No better: the true saving is the margin.",
        f"Better: it is what was announced as found with 80 % (mean of {ANNOUNCEMENTS} sets of rows).",
        "mae, rmse: hourly rows whose errors a day shares, taken by day. A star marks the test that `success.test: auto` takes.",
        _where(gates),
        "",
        "| metric | margin | test | no better, passed | announced saving | better, passed |",
        "|---|---|---|---|---|---|",
    ]
    for row in gates["judged"]:
        name = f"{row['metric']} | {row['margin']:.0%} | {row['test']}{' *' if row['auto'] else ''}"
        shares = (row[each] for each in ("no_better_passed", "announced_saving", "better_passed"))
        lines.append(f"| {name} | " + " | ".join(f"{share:.1%}" for share in shares) + " |")
    return "\n".join(lines) + "\n"


def _where(part: dict[str, Any]) -> str:
    return f"({part['when']}, {part['machine']}, {', '.join(f'{name} {number}' for name, number in part['versions'].items())})"


PARTS: dict[str, Callable[[], dict[str, Any]]] = {"speed": resamples, "gates": lambda: {"judged": judging()}}


def main(asked: list[str]) -> None:
    """Measure the parts that are asked for, or both, and write them beside what was measured of the other."""
    path = RESULTS / "judging.json"
    told: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    for name in asked or PARTS:
        machine = f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}"
        measured = {"when": datetime.now(UTC).isoformat(timespec="seconds"), "machine": machine}
        told[name] = measured | {"versions": {each: version(each) for each in LIBRARIES}} | PARTS[name]()
        path.write_text(json.dumps(told, indent=1) + "\n")
    (RESULTS / "judging.md").write_text(page(told))


if __name__ == "__main__":
    main(sys.argv[1:])
