"""A training with an amount of trials that is killed anywhere goes on where it was, and ends with the graph of an undisturbed one."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from homeostat.core.ids import digest
from homeostat.flow.ingest import ingest
from homeostat.flow.project import open_project
from homeostat.flow.registry import load_bundle
from homeostat.flow.train import first_order, train

CHARTER = """
name: plain
problem: {statement: s, objective: o, decision: d, business_metric: b}
task: {type: binary, target: y, positive: "yes"}
success: {metric: log_loss}
data: {source: data/}
learning: {learners: [naive, linear, extra_trees], budget: {trials: 7}, at_once: 2}
"""
# Trains and dies, without any cleaning up, before or after the n-th thing it records or stores, or the n-th fit it starts.
DYING = """
import os, sys
from pathlib import Path
from homeostat.flow.project import open_project
from homeostat.flow.train import first_order, train
from homeostat.infra import ledger
from homeostat.learning.trials import Bench
from homeostat.testing.dying import die_at
die_at(int(sys.argv[2]), (ledger.SqlLedger, "record"), (os, "replace"), (Bench, "run"))
with open_project(Path(sys.argv[1])) as project:
    train(project, first_order(project, project.ledger.find("dataset")[0]))
"""
STEPS = 40


@pytest.fixture(scope="module")
def ingested(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kills") / "p"
    (folder / "data").mkdir(parents=True)
    rng = np.random.default_rng(0)
    x, z = rng.normal(size=(2, 400))
    came = np.where(2 * x + 2 * np.sign(np.sin(3 * z)) + rng.normal(size=400) > 1, "yes", "no")
    pl.DataFrame({"x": x, "z": z, "y": came}).write_csv(folder / "data" / "a.csv")
    (folder / "homeostat.yaml").write_text(CHARTER)
    with open_project(folder) as project:
        ingest(project)
    return folder


def finished(folder: Path) -> tuple[str, list[object]]:
    """The graph's digest and what each trial came to, after the training is done."""
    with open_project(folder) as project:
        candidate = train(project, first_order(project, project.ledger.find("dataset")[0]))
        trials = sorted((fact.body for fact in project.ledger.find("trial")), key=lambda body: body["number"])
        assert len(project.ledger.find("candidate")) == len(project.ledger.find("run")) == 1
        assert candidate.body["trials"] == len(trials)
        told: list[object] = [(body["number"], body["learner"], body["params"], body["value"], body["scores"]) for body in trials]
        return digest(load_bundle(project, str(candidate.body["bundle"])).graph), told


@pytest.fixture(scope="module")
def undisturbed(ingested: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, list[object]]:
    return finished(Path(shutil.copytree(ingested, tmp_path_factory.mktemp("undisturbed") / "p")))


@pytest.mark.parametrize("seed", range(5))
def test_a_killed_training_ends_as_an_undisturbed_one(
    seed: int, ingested: Path, undisturbed: tuple[str, list[object]], tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(ingested, tmp_path / "p"))
    ends = []
    for step in np.random.default_rng(seed).integers(1, STEPS, 2):
        done = subprocess.run([sys.executable, "-c", DYING, str(folder), str(step)], capture_output=True, timeout=120, check=False)
        assert done.returncode in (0, 137), done.stderr.decode()
        ends.append(done.returncode)
    assert ends[0] == 137
    digest_then, trials = finished(folder)
    assert trials == undisturbed[1]
    assert digest_then == undisturbed[0]
