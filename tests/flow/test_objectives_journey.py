"""Decoupled objectives from charter to monitoring: a model each, one graph, and weights that change without training."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest

from homeostat.app.demo.months import Month, to_csv
from homeostat.charter.load import dump_charter, load_charter, parse_charter
from homeostat.errors import CharterError, ProjectError
from homeostat.flow.evaluate import evaluate
from homeostat.flow.feasible import source_rows
from homeostat.flow.labels import labelled, take_labels
from homeostat.flow.lifecycle import run
from homeostat.flow.profile import profile
from homeostat.flow.project import Project, open_project
from homeostat.flow.registry import champion, load_bundle
from homeostat.flow.served import read_served
from homeostat.flow.train import split_rows
from homeostat.flow.training_rows import training_rows
from homeostat.graph.decode import decode_frame
from homeostat.graph.encode import load_plan
from homeostat.graph.interpret import run as interpret
from homeostat.graph.merge import members_of
from homeostat.serving.predictor import Predictor

if TYPE_CHECKING:
    from homeostat.core.facts import Fact

OBJECTIVES: tuple[dict[str, Any], ...] = (
    {"name": "casual", "target": "casual", "metric": "rmse", "weight": 3.0},
    {"name": "registered", "target": "registered", "metric": "mae", "weight": 1.0, "at_most": 500},
    {"name": "wet", "target": "wet", "type": "binary", "positive": 1, "metric": "auc", "weight": -20.0, "at_least": 0.5},
)
FEATURES = "SELECT * EXCLUDE (cnt), CASE WHEN weathersit >= 2 THEN 1 ELSE 0 END AS wet FROM data"
Serve = Callable[[Project, Month], list[str]]


def revise(folder: Path, objectives: tuple[dict[str, Any], ...]) -> None:
    raw = load_charter(folder / "homeostat.yaml").model_dump(mode="json")
    raw["objectives"] = list(objectives)
    raw["task"] |= {"target": "worth", "leave_out": ["instant", "yr", "mnth", "season", "weathersit"]}
    raw["success"] |= {"threshold": None, "improvement": 0.0, "champion_margin": 0.0, "segment_gap": None}
    raw["preparation"]["types"] = {}
    raw["data"]["features"] = "features.sql"
    raw["learning"] |= {"learners": ["naive", "linear", "lightgbm"], "budget": {"seconds": None, "trials": 9}}
    (folder / "features.sql").write_text(FEATURES)
    (folder / "homeostat.yaml").write_text(dump_charter(parse_charter(json.dumps(raw), "homeostat.yaml")))


def weighted(**weights: float) -> tuple[dict[str, Any], ...]:
    return tuple({**each, "weight": weights.get(each["name"], each["weight"])} for each in OBJECTIVES)


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory, _founded: Path) -> Path:
    folder = Path(shutil.copytree(_founded, tmp_path_factory.mktemp("several") / "bike"))
    revise(folder, OBJECTIVES)
    with open_project(folder) as project:
        done = run(project)
        assert done.promotion is not None, done.failed
    return folder


@pytest.fixture
def folder(several: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(several, tmp_path / "bike"))


@pytest.fixture
def opened(folder: Path) -> Iterator[Project]:
    with open_project(folder) as project:
        yield project


def rows_of(month: Month) -> pl.DataFrame:
    return pl.DataFrame(list(month.rows), infer_schema_length=None)


def members(project: Project, candidate: Fact, frame: pl.DataFrame) -> np.ndarray:
    plan = members_of(load_plan(load_bundle(project, str(candidate.body["bundle"])).plan))
    return interpret(plan, *decode_frame(plan.inputs, frame))


def holdout(project: Project, candidate: Fact) -> pl.DataFrame:
    return split_rows(project, training_rows(project, project.require(str(candidate.body["dataset"]))).frame).holdout


def test_each_objective_has_a_model_of_its_own_and_the_score_is_their_weighted_sum(opened: Project) -> None:
    candidate = opened.ledger.find("candidate")[0]
    assert list(candidate.body["models"]) == ["casual", "registered", "wet"]
    trials = [opened.require(cause).body for cause in candidate.causes if cause.startswith("trial-")]
    assert {trial["objective"] for trial in trials} == {"casual", "registered", "wet"}
    assert candidate.body["weights"] == {"casual": 3.0, "registered": 1.0, "wet": -20.0}
    rows = holdout(opened, candidate)
    served = Predictor(load_bundle(opened, str(candidate.body["bundle"]))).predict_frame(rows)
    said = members(opened, candidate, rows)
    np.testing.assert_allclose(served, said @ np.array([[3.0], [1.0], [-20.0]]), rtol=1e-9, atol=1e-7)
    assert ((said[:, 2] >= 0) & (said[:, 2] <= 1)).all()
    assert candidate.body["parity"]["passed"]


def test_no_objective_is_an_input_of_any_model(opened: Project) -> None:
    bundle = load_bundle(opened, str(opened.ledger.find("candidate")[0].body["bundle"]))
    assert {field.name for field in bundle.manifest.inputs}.isdisjoint({"casual", "registered", "wet", "worth"})
    assert {"casual", "registered", "wet"} <= set(bundle.manifest.ignored)
    assert bundle.manifest.facts["objectives"] == "3 x casual, 1 x registered, -20 x wet"


def test_each_objective_is_judged_by_its_own_metric_on_the_holdout(opened: Project) -> None:
    from sklearn.metrics import mean_absolute_error, roc_auc_score, root_mean_squared_error

    candidate, evaluation = opened.ledger.find("candidate")[0], opened.ledger.find("evaluation")[0]
    rows = holdout(opened, candidate)
    said = members(opened, candidate, rows)
    found = {one["objective"]: (one["metric"], one["value"]) for one in evaluation.body["scores"] if one["objective"]}
    assert found["casual"] == ("rmse", pytest.approx(root_mean_squared_error(rows["casual"], said[:, 0])))
    assert found["registered"] == ("mae", pytest.approx(mean_absolute_error(rows["registered"], said[:, 1])))
    assert found["wet"] == ("auc", pytest.approx(roc_auc_score(rows["wet"], said[:, 2])))
    gates = {gate["gate"]: gate for gate in opened.ledger.find("verdict")[0].body["gates"]}
    assert gates["objective registered mae"]["passed"]
    assert gates["objective wet auc"]["value"] == found["wet"][1]


def test_other_weights_make_a_version_without_any_training(folder: Path) -> None:
    with open_project(folder) as project:
        before = project.ledger.find("candidate")[0]
        counted = {kind: len(project.ledger.find(kind)) for kind in ("run", "trial", "decisions")}
        seal = project.ledger.find("holdout")[0].subject
    revise(folder, weighted(casual=1.0, wet=300.0))
    with open_project(folder) as project:
        with pytest.raises(ProjectError, match=r"HS608.*objectives.*nothing is trained"):
            evaluate(project, before)
        done = run(project)
        after = done.candidate
        assert {kind: len(project.ledger.find(kind)) for kind in counted} == counted
        assert after.body["reweighted_from"] == before.id
        assert before.id in after.causes
        assert after.body["run"] == before.body["run"]
        assert after.body["models"] == before.body["models"]
        rows = holdout(project, after)
        np.testing.assert_array_equal(members(project, after, rows), members(project, before, rows))
        served = Predictor(load_bundle(project, str(after.body["bundle"]))).predict_frame(rows)
        np.testing.assert_allclose(served, members(project, after, rows) @ np.array([[1.0], [1.0], [300.0]]), rtol=1e-9)
        # The same holdout, sealed under the same name: the second look is counted as one.
        assert project.ledger.find("holdout")[0].subject == seal
        assert done.evaluation.body["looks"] == 2
        assert run(project).candidate.id == after.id


def test_the_validation_value_of_other_weights_is_what_the_unrefitted_models_score(folder: Path) -> None:
    with open_project(folder) as project:
        first = project.ledger.find("candidate")[0].body["validation_value"]
    revise(folder, weighted(casual=0.0))
    with open_project(folder) as project:
        other = run(project).candidate.body["validation_value"]
    revise(folder, OBJECTIVES)
    with open_project(folder) as project:
        assert run(project).candidate.body["validation_value"] == first != other


def test_a_limit_on_one_objective_stops_a_version_whatever_the_sum_says(folder: Path) -> None:
    revise(folder, tuple({**each, "at_most": 1} if each["name"] == "registered" else each for each in OBJECTIVES))
    with open_project(folder) as project:
        done = run(project)
    assert done.promotion is None
    assert len(done.failed) == 1
    assert "mae of registered" in done.failed[0]
    assert "not at most 1" in done.failed[0]


def test_another_learned_clause_trains_again(folder: Path) -> None:
    with open_project(folder) as project:
        runs = len(project.ledger.find("run"))
    revise(folder, tuple({**each, "metric": "mae"} if each["name"] == "casual" else each for each in OBJECTIVES))
    with open_project(folder) as project:
        run(project)
        assert len(project.ledger.find("run")) == runs + 1


def test_late_labels_are_added_up_by_the_weights_that_served(folder: Path, months: list[Month], serve_month: Serve) -> None:
    with open_project(folder) as project:
        serve_month(project, months[6])
    revise(folder, weighted(casual=0.0, wet=0.0))
    with open_project(folder) as project:
        run(project)
        assert champion(project).number == 2  # type: ignore[union-attr]
        serve_month(project, months[7])
        truth = [{**row, "wet": int(int(row["weathersit"]) >= 2)} for month in months[6:8] for row in month.rows]
        kept = ("dteday", "hr", "casual", "registered", "wet")
        path = folder / "labels.csv"
        path.write_text(to_csv([{name: row[name] for name in kept} for row in truth]))
        fact = take_labels(project, path)
        assert fact.body["matched"] == len(truth)
        found = labelled(project, read_served(project).frame)
        by_key = {(str(row["dteday"]), int(row["hr"])): row for row in truth}
        assert found.height == len(truth)
        assert set(found["_version"]) == {"1", "2"}
        for row in found.iter_rows(named=True):
            came = by_key[str(row["dteday"])[:10], int(row["hr"])]
            casual, wet = (3.0, -20.0) if row["_version"] == "1" else (0.0, 0.0)
            assert row["worth"] == casual * int(came["casual"]) + int(came["registered"]) + wet * came["wet"]


def test_a_label_that_is_no_number_is_refused_by_the_name_of_its_column(opened: Project, folder: Path) -> None:
    path = folder / "bad.csv"
    path.write_text("dteday,hr,casual,registered,wet\n2011-07-01,0,5,many,1\n")
    with pytest.raises(Exception, match=r"HS210.*'many'"):
        take_labels(opened, path)


def test_the_profile_tells_of_the_sum_and_treats_no_objective_as_an_input(opened: Project) -> None:
    found = profile(opened).analysis
    assert found.target == "worth"
    dropped = {column.name: column.decision for column in found.columns if column.name in ("casual", "registered", "wet")}
    assert len(dropped) == 3
    assert all(decision is not None and decision.drop for decision in dropped.values())


def test_the_sum_may_not_be_called_like_a_column(folder: Path) -> None:
    path = folder / "homeostat.yaml"
    charter = load_charter(path)
    with open_project(folder) as project:
        named = charter.model_copy(update={"task": charter.task.model_copy(update={"target": "hum"})})
        with pytest.raises(Exception, match=r"HS203.*'hum'.*give task.target a name"):
            source_rows(replace(project, charter=named))


def test_objectives_are_checked_before_anything_runs(folder: Path) -> None:
    with pytest.raises(CharterError, match=r"HS120.*objectives"):
        revise(folder, OBJECTIVES[:1])
