"""Compare the graph with the libraries' own answers on every row of every data set: ``benchmarks/results/parity.json`` and ``.md``.

Run: ``.venv/bin/python -m benchmarks.parity --data FOLDER [--set NAME ...]``. The folder holds the sets as `benchmarks/automl` cuts them.
Each learner alone and an ensemble of all is trained on the training rows; then each row of both parts is asked, and the same rows in
blocks with a null, an unseen value or an extreme number in each input by turns. Finished cells are kept.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from benchmarks.automl.ours import charter
from benchmarks.automl.sets import SETS

if TYPE_CHECKING:
    from homeostat.graph.plan import Input
    from homeostat.learning.candidate import Candidate

RESULTS = Path(__file__).parent / "results"
CELLS = RESULTS / "parity.json"
LIBRARIES = ("homeostat", "lightgbm", "xgboost-cpu", "scikit-learn", "onnxruntime", "onnx")
LEARNERS = ("linear", "lightgbm", "xgboost", "extra_trees", "random_forest")
MADE: Mapping[str, tuple[str, ...]] = {**{name: (name,) for name in LEARNERS}, "ensemble": LEARNERS}
TRIALS = {"ensemble": 10}
AT_ONCE = 20_000
"""Rows that are compared at once."""


def main() -> None:
    given = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    given.add_argument("--data", type=Path, required=True)
    given.add_argument("--set", dest="sets", action="append", choices=list(SETS), default=[])
    given.add_argument("--again", action="store_true", help="measure cells that are there, too")
    asked = given.parse_args()
    cells: dict[str, dict[str, Any]] = json.loads(CELLS.read_text()) if CELLS.exists() else {}
    for name in asked.sets or SETS:
        for made in MADE:
            key = f"{name}/{made}"
            if key in cells and not asked.again:
                continue
            cells[key] = cell(asked.data / name, made)
            CELLS.write_text(json.dumps(cells, indent=1) + "\n")
            print(f"{key:36}", {each: cells[key][each] for each in ("rows", "max_difference", "flips", "passed", "seconds")}, flush=True)
    (RESULTS / "parity.md").write_text(report(cells))


def cell(folder: Path, made: str) -> dict[str, Any]:
    """Train on the training rows of a set and ask every row."""
    from homeostat.serving.bundle import build
    from homeostat.serving.parity import SINGLE_TOLERANCE, TOLERANCE, parity

    started = time.perf_counter()
    about = json.loads((folder / "about.json").read_text())
    train, test = (pl.read_parquet(folder / f"{part}.parquet") for part in ("train", "test"))
    found = trained(about, train, made)
    bundle = build(found.plan, name="parity", sample=train, ignored=(), facts={}, created="")
    tolerance = SINGLE_TOLERANCE if found.single else TOLERANCE
    every = pl.concat([train, test])
    rows = flips = 0
    largest = 0.0
    for part in (*every.iter_slices(AT_ONCE), *odd(every, found.plan.inputs).iter_slices(AT_ONCE)):
        said = parity(bundle, part, found.oracle(part), tolerance)
        rows, flips, largest = rows + said.rows, flips + said.flips, max(largest, said.max_difference)
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "learner": found.learner,
        "calibration": found.calibration,
        "rows": rows,
        "max_difference": largest,
        "flips": flips,
        "tolerance": tolerance,
        "passed": flips == 0 and largest <= tolerance,
        "seconds": round(time.perf_counter() - started, 1),
        "versions": {"python": platform.python_version(), **{each: version(each) for each in LIBRARIES}},
    }


def trained(about: Mapping[str, Any], rows: pl.DataFrame, made: str) -> Candidate:
    """The model of one learner, or the best mean of all, as `homeostat train` would fit it."""
    from homeostat.charter.effective import effective_task, never_inputs
    from homeostat.flow.develop import develop
    from homeostat.flow.project import open_project
    from homeostat.preparation.decide import decide
    from homeostat.preparation.split import split

    with tempfile.TemporaryDirectory() as place:
        home = Path(place)
        rows.head(1_000).write_parquet(home / "rows.parquet")
        said = json.loads(charter(dict(about), rows, 1.0))
        said["learning"] |= {"learners": list(MADE[made]), "budget": {"seconds": None, "trials": TRIALS.get(made, 1)}}
        (home / "homeostat.yaml").write_text(json.dumps(said))
        with open_project(home) as project:
            asked = project.charter
    task = effective_task(asked)
    cut = split(rows, task, asked.preparation)
    return develop(asked, asked.learning, cut, decide(cut.train, task, asked.preparation, never_inputs(asked)))


def odd(rows: pl.DataFrame, inputs: Sequence[Input]) -> pl.DataFrame:
    """All rows once more, cut into blocks in each of which one input is null, unseen or extreme."""
    from homeostat.serving.parity import constant, odd_values

    wanted = [(each, value) for each in inputs for value in (None, *odd_values(each, rows[each.name]))]
    size = -(-rows.height // len(wanted))
    blocks = (rows[at * size : (at + 1) * size] for at in range(len(wanted)))
    return pl.concat(
        [block.with_columns(constant(rows[each.name], value)) for (each, value), block in zip(wanted, blocks, strict=True) if block.height]
    )


def report(cells: Mapping[str, Mapping[str, Any]]) -> str:
    """The figures as a page."""
    passed = sum(bool(each["passed"]) for each in cells.values())
    return "\n".join(
        [
            "# Parity on every row of every data set",
            "",
            "The largest difference between the served graph and the libraries' own predict behind the same preparation, absolute up to 1",
            "and relative beyond, and how many rows are decided otherwise. Every row of both parts is asked, and once more with a null, an",
            "unseen or an extreme value in one input by turns. Again: see `benchmarks/parity.py`.",
            "",
            f"{passed} of {len(cells)} cells hold: no row decided otherwise, and 1e-7, or 1e-6 where a library computes in float32.",
            f"{sum(int(each['rows']) for each in cells.values()):,} answers were compared.",
            "",
            *_table(cells),
            "",
            *_versions(cells),
            "",
        ]
    )


def _table(cells: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    yield "| set | rows asked | " + " | ".join(MADE) + " |"
    yield "|---|---:|" + "---:|" * len(MADE)
    for name in SETS:
        found = [cells.get(f"{name}/{made}") for made in MADE]
        known = [each for each in found if each]
        if known:
            yield f"| {name} | {known[0]['rows']:,} | " + " | ".join(_said(each) for each in found) + " |"


def _said(cell: Mapping[str, Any] | None) -> str:
    if cell is None:
        return ""
    flips = f", {cell['flips']} flips" if cell["flips"] else ""
    missed = "" if cell["passed"] else " MISSED"
    return f"{cell['max_difference']:.1e}{flips}{missed}"


def _versions(cells: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    last = max(cells.values(), key=lambda each: str(each["at"]))
    days = sorted(str(each["at"])[:10] for each in cells.values())
    yield f"{days[0]} to {days[-1]}, {os.cpu_count()} cores, {platform.machine()}: " + ", ".join(
        f"{name} {said}" for name, said in last["versions"].items()
    )


if __name__ == "__main__":
    main()
