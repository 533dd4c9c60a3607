"""A training with a sample holds few rows of the table, and they are those it would draw from all of them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest

from homeostat.core import sections
from homeostat.flow import drawing
from homeostat.flow.datasets import read_dataset
from homeostat.flow.drawing import drawn
from homeostat.flow.ingest import ingest
from homeostat.flow.lifecycle import run
from homeostat.flow.preparing import training_window
from homeostat.flow.project import open_project
from homeostat.flow.training_rows import split_all, training_rows
from homeostat.preparation.sample import DRAW, places

if TYPE_CHECKING:
    from homeostat.core.facts import Fact
    from homeostat.flow.project import Project

ROWS = 3_000
CHARTER = """
name: large
problem: {{statement: s, objective: o, decision: d, business_metric: b}}
task: {{type: binary, target: y, positive: "yes", time: t}}
success: {{metric: auc, baseline: {{kind: naive}}}}
data: {{source: data/}}
learning: {{learners: [linear], budget: {{trials: 2}}, windows: [{{kind: all}}, {{kind: recent, length: 20d}}]}}
preparation: {preparation}
labelling: {{rules: [{{name: far, when: x > 2.2, label: "yes"}}]}}
"""


def _project(folder: Path, preparation: str) -> Path:
    rng = np.random.default_rng(0)
    (folder / "data").mkdir(parents=True)
    x = rng.normal(size=ROWS)
    rows = pl.DataFrame(
        {
            "x": x,
            "g": rng.integers(0, 200, ROWS),
            "t": [datetime(2024, 1, 1) + timedelta(minutes=int(m)) for m in rng.integers(0, 120_000, ROWS)],
            "y": np.where(x + rng.normal(size=ROWS) > 1, "yes", "no"),
        }
    ).with_columns(pl.when(pl.col("g") % 11 > 0).then("y").alias("y"))
    for name, part in (("b", rows[:1_500]), ("a", rows[1_500:])):
        part.write_parquet(folder / "data" / f"{name}.parquet")
    (folder / "homeostat.yaml").write_text(CHARTER.format(preparation=preparation))
    return folder


SPLITS = ["{kind: time}", "{kind: time, gap: 2d, folds: 3}", "{kind: random}", "{kind: stratified, folds: 2}", "{kind: group, group: g}"]


@pytest.mark.parametrize("kind", ["random", "stratified"])
@pytest.mark.parametrize("split", SPLITS)
def test_what_is_drawn_from_few_rows_is_what_is_drawn_from_all(
    tmp_path: Path, split: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = _project(tmp_path / "p", f"{{split: {split}, sample: {{rows: 150, kind: {kind}}}}}")
    with open_project(folder) as project:
        dataset = ingest(project)
        charter = project.charter
        rows = training_rows(project, dataset)
        whole = split_all(project, rows)
        index, few = drawn(project, dataset, charter.learning)
        assert (index.unlabelled, index.quarantined) == (rows.unlabelled, rows.quarantined)
        assert index.undrawn == whole.development.height - few.development.height
        assert few.holdout.equals(whole.holdout)
        assert few.validation.drop(DRAW).equals(whole.validation)
        assert few.left_out == whole.left_out
        assert rows.weak.height > 0
        if whole.rounds == 1:
            assert few.train.height <= 2 * 2 * 150
        between = 0 if whole.between is None else whole.between.height
        sizes = [whole.train.height, between, whole.validation.height]
        section = sections.Sampling.model_validate({"rows": 150, "kind": kind})
        place = places(whole.development["y"], charter.task, section, charter.learning.seed, np.repeat([0, 1, 2], sizes))
        all_rows = whole.development.with_columns(pl.Series(DRAW, place))
        parts = [(all_rows, few.development), (all_rows[: whole.train.height], few.train)]
        for (taught, judged), (fewer, as_judged) in zip(whole.folds, few.folds, strict=True):
            parts.append((all_rows[taught], few.development[fewer]))
            assert few.development[as_judged].equals(all_rows[judged])
        for window in charter.learning.windows:
            for every, some in parts:
                drawn_rows, _ = training_window(charter, every, window)
                assert drawn_rows.height == min(150, drawn_rows.height)
                assert training_window(charter, some, window)[0].equals(drawn_rows)
        monkeypatch.setattr(drawing, "dataset_batches", _other_batches)
        _, again = drawn(project, dataset, charter.learning)
        assert again.development.equals(few.development)
        assert again.holdout.equals(few.holdout)


def _other_batches(project: Project, dataset: Fact) -> Iterator[pl.DataFrame]:
    """The rows in small frames and another order."""
    yield from reversed(list(read_dataset(project, dataset).iter_slices(170)))


def test_the_lifecycle_with_a_sample(tmp_path: Path) -> None:
    folder = _project(tmp_path / "p", "{sample: {rows: 300, kind: stratified}}")
    with open_project(folder) as project:
        run(project)
        candidate, evaluation = project.ledger.find("candidate")[0], project.ledger.find("evaluation")[0]
        assert candidate.body["left_out"]["undrawn"] > 500
        assert evaluation.body["rows"] == candidate.body["rows"]["holdout"]
        assert evaluation.body["holdout"] == candidate.body["holdout"]
