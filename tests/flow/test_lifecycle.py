"""Stages 1 to 8 on the bundled data: what is recorded, and that only what changed is made again."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest

from homeostat.app.demo.months import Month, to_csv
from homeostat.app.demo.story import deliver
from homeostat.core.sections import ColumnChoice
from homeostat.core.targets import encode_target
from homeostat.errors import DataError, ProjectError, Refusal
from homeostat.flow.approvals import approve
from homeostat.flow.arrays import load_arrays
from homeostat.flow.datasets import read_dataset
from homeostat.flow.evaluate import evaluate
from homeostat.flow.export import export
from homeostat.flow.feasible import check
from homeostat.flow.ingest import ingest
from homeostat.flow.lifecycle import run
from homeostat.flow.project import Project, open_project
from homeostat.flow.promotion import promote, rollback
from homeostat.flow.registry import champion, load_bundle, versions
from homeostat.flow.score import score
from homeostat.flow.serving import serving
from homeostat.flow.train import Order, split_rows, train
from homeostat.flow.training_rows import training_rows
from homeostat.flow.validate import validate
from homeostat.serving.predictor import Predictor
from homeostat.stats.metrics import metric

if TYPE_CHECKING:
    from homeostat.core.facts import Fact

KINDS = ("charter", "delivery", "dataset", "run", "trial", "candidate", "evaluation", "verdict", "version", "promotion", "holdout")


def count(project: Project) -> dict[str, int]:
    return {kind: len(project.ledger.find(kind)) for kind in KINDS}


def test_running_again_changes_nothing(project: Project) -> None:
    before = count(project)
    again = run(project)
    assert count(project) == before
    assert again.promotion is not None
    assert again.promotion.id == project.ledger.find("promotion")[0].id


def test_a_new_delivery_is_all_that_is_taken_in(project: Project, months: list[Month]) -> None:
    before = count(project)
    deliver(project.root, months[6])
    dataset = ingest(project)
    after = count(project)
    assert after["delivery"] == before["delivery"] + 1
    assert dataset.body["rows"] == sum(len(month.rows) for month in months[:7])


def test_the_recorded_score_is_the_metric_on_the_sealed_rows(project: Project) -> None:
    version = project.ledger.find("version")[0]
    candidate = project.require(str(version.body["candidate"]))
    split = split_rows(project, training_rows(project, project.require(str(version.body["dataset"]))).frame)
    y = encode_target(split.holdout["cnt"], ())
    scores = Predictor(load_bundle(project, str(version.body["bundle"]))).predict_frame(split.holdout)
    assert version.body["value"] == pytest.approx(metric("mae").score(y, scores), rel=1e-12)
    arrays = load_arrays(project.blobs.get(str(project.require(str(version.body["evaluation"])).body["arrays"])))
    np.testing.assert_array_equal(arrays["ours"], scores)
    assert candidate.body["rows"]["holdout"] == split.holdout.height
    newest_known = split.validation["dteday"].max()
    assert newest_known < split.holdout["dteday"].min()  # the holdout is the future


def test_parity_was_measured_and_passed(project: Project) -> None:
    told = project.ledger.find("candidate")[0].body["parity"]
    assert told["passed"]
    assert told["rows"] > 500
    assert told["max_difference"] <= 1e-7
    assert told["flips"] == 0


def test_broken_rows_go_to_quarantine_with_every_value_and_the_reason(founded: Path, months: list[Month]) -> None:
    good = list(months[6].rows)
    bad = [{**good[0], "temp": "7.5"}, {**good[1], "hr": "noon"}]
    (founded / "data" / "2011-07.csv").write_text(to_csv([*good[2:], *bad]) + "1,2,3\n")
    with open_project(founded) as project:
        dataset = ingest(project)
        assert dataset.body["quarantined"] == 3
        assert dataset.body["rows"] == sum(len(month.rows) for month in months[:6]) + len(good) - 2
        rows = project.table("quarantine").read()
        delivery = next(d for d in project.ledger.find("delivery") if d.body["path"] == "data/2011-07.csv")
    assert delivery.body["rows"] == delivery.body["good"] + delivery.body["quarantined"]
    reasons = " ".join(rows["_reasons"].to_list())
    assert "7.5" in reasons
    assert "noon" in reasons
    assert any("1,2,3" in row for row in rows["_row"].to_list())


def test_a_delivery_that_is_mostly_broken_is_refused_whole_and_a_mended_one_replaces_it(founded: Path, months: list[Month]) -> None:
    with open_project(founded) as project:
        before = ingest(project)
        deliver(founded, months[6].broken())
        refused = ingest(project)
        assert refused.body["digest"] == before.body["digest"]
        assert refused.body["quarantined"] == len(months[6].rows)
        assert project.table("quarantine").read().height == len(months[6].rows)
        deliver(founded, months[6])
        mended = ingest(project)
        assert mended.body["rows"] == before.body["rows"] + len(months[6].rows)


def test_a_file_that_goes_back_to_an_older_content_is_taken_in_again(founded: Path, months: list[Month]) -> None:
    path = founded / "data" / "2011-06.csv"
    first = path.read_text()
    with open_project(founded) as project:
        a = ingest(project)
        path.write_text(to_csv(list(months[5].rows[:100])))
        b = ingest(project)
        path.write_text(first)
        c = ingest(project)
    assert b.body["rows"] < a.body["rows"]
    assert c.body["digest"] == a.body["digest"]


def test_nothing_acceptable_is_an_error_that_loses_nothing(founded: Path, months: list[Month]) -> None:
    for path in (founded / "data").glob("*.csv"):
        path.unlink()
    deliver(founded, months[6].broken())
    with open_project(founded) as project:
        with pytest.raises(DataError) as error:
            ingest(project)
        assert error.value.code == "HS207"
        assert project.table("quarantine").read().height == len(months[6].rows)


def test_check_says_go_on_real_data_and_no_go_on_a_shuffled_target(founded: Path) -> None:
    with open_project(founded) as project:
        assert check(project).verdict in {"go", "go with risks"}
    paths = sorted((founded / "data").glob("*.csv"))
    frames = [pl.read_csv(path) for path in paths]
    shuffled = np.random.default_rng(0).permutation(np.concatenate([frame["cnt"].to_numpy() for frame in frames]))
    for path, frame, part in zip(paths, frames, np.split(shuffled, np.cumsum([frame.height for frame in frames])[:-1]), strict=True):
        frame.with_columns(pl.Series("cnt", part)).write_csv(path)  # over all months: each month's level is a signal too
    with open_project(founded) as project:
        assert check(project).verdict == "no-go"


def test_a_version_that_failed_a_gate_cannot_be_promoted(founded: Path) -> None:
    path = founded / "homeostat.yaml"
    path.write_text(path.read_text().replace("threshold: 60", "threshold: 1"))
    with open_project(founded) as project:
        done = run(project)
        assert done.promotion is None
        assert any("not at most 1" in detail for detail in done.failed)
        with pytest.raises(Refusal) as error:
            promote(project, done.version)
        assert error.value.code == "HS701"
        assert champion(project) is None


def test_manual_approval_waits_for_the_person_the_charter_names(founded: Path) -> None:
    path = founded / "homeostat.yaml"
    path.write_text(path.read_text() + "\ndeploy:\n  approval: manual\n")
    with open_project(founded) as project:
        with pytest.raises(Refusal, match="approval"):
            run(project)
        assert champion(project) is None
        with pytest.raises(Refusal, match="Head of operations"):
            approve(project, 1, "Nobody")
        approve(project, 1, "Head of operations")
        promotion = promote(project, versions(project)[0].fact)
        assert promotion.body["approved_by"] == "Head of operations"


def test_rollback_puts_the_previous_champion_back_and_again_says_no(project: Project, months: list[Month]) -> None:
    first = champion(project)
    assert first is not None
    with pytest.raises(Refusal) as error:
        rollback(project)
    assert error.value.code == "HS703"
    second = _another_version(project, months)
    promote(project, second)
    assert champion(project).number == 2  # type: ignore[union-attr]
    back = rollback(project, reason="test")
    assert back.body["version"] == first.fact.id
    assert champion(project).number == 1  # type: ignore[union-attr]
    promote(project, second)  # it may be promoted again, and rolled back again
    assert champion(project).number == 2  # type: ignore[union-attr]
    assert rollback(project).id != back.id
    assert champion(project).number == 1  # type: ignore[union-attr]


def _another_version(project: Project, months: list[Month]) -> Fact:
    for month in months[12:16]:
        deliver(project.root, month)
    learning = project.charter.learning.model_copy(update={"windows": project.charter.policy.windows[1:2], "learners": ("lightgbm",)})
    order = Order(dataset=ingest(project).id, learning=learning)
    version = validate(project, evaluate(project, train(project, order)))
    assert version.body["passed"], project.require(str(version.body["verdict"])).body
    return version


def test_a_challenger_that_needs_fewer_columns_keeps_the_contract(project: Project) -> None:
    preparation = project.charter.preparation.model_copy(update={"columns": {"windspeed": ColumnChoice(drop=True)}})
    fewer = replace(project, charter=project.charter.model_copy(update={"preparation": preparation}))
    with fewer:
        version = validate(fewer, evaluate(fewer, train(fewer, Order(fewer.ledger.find("dataset")[0].id, fewer.charter.learning))))
        inputs = {source.name for source in load_bundle(fewer, str(version.body["bundle"])).manifest.inputs}
        assert "windspeed" not in inputs  # and callers go on sending it
        gates = {gate["gate"]: gate["passed"] for gate in fewer.require(str(version.body["verdict"])).body["gates"]}
        assert gates["contract"]


def test_batch_and_rows_give_the_same_numbers(project: Project, months: list[Month], tmp_path: Path) -> None:
    source, target = tmp_path / "in.csv", tmp_path / "out.parquet"
    source.write_text(to_csv(list(months[6].rows)))
    done = score(project, str(source), str(target), root=tmp_path)
    assert done["rows"] == len(months[6].rows)
    scored = pl.read_parquet(target)
    one_by_one = [Predictor(serving(project).bundle).predict_one(row).prediction for row in months[6].requests()]
    # The exponential of a batch is vectorised, that of a last or single row is not: they differ in the last bit.
    np.testing.assert_allclose(scored["prediction"].to_numpy(), np.asarray(one_by_one), rtol=1e-15)
    assert scored["model_version"].unique().to_list() == [1]


def test_the_exported_graph_is_the_served_one(project: Project, months: list[Month], tmp_path: Path) -> None:
    import json

    import onnxruntime

    done = export(project, tmp_path / "out", ("onnx",))
    assert done["files"] == ["README.md", "bom.cdx.json", "check.py", "manifest.json", "model.onnx", "parity.json", "plan.json"]
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    session = onnxruntime.InferenceSession(tmp_path / "out" / "model.onnx", providers=["CPUExecutionProvider"])
    assert manifest["name"] == "bike-demand"
    assert {"score"} <= {output.name for output in session.get_outputs()}
    with pytest.raises(ProjectError):
        export(project, tmp_path / "out", ("tflite",))


def test_the_dataset_reads_back_row_for_row(project: Project, months: list[Month]) -> None:
    frame = read_dataset(project, project.ledger.find("dataset")[0])
    wanted = [int(row["cnt"]) for month in months[:6] for row in month.rows]
    assert frame["cnt"].to_list() == wanted


def test_a_copied_project_is_whole(trained: Path, tmp_path: Path) -> None:
    elsewhere = Path(shutil.copytree(trained, tmp_path / "elsewhere"))
    with open_project(elsewhere) as project:
        before = count(project)
        run(project)
        assert count(project) == before


def test_a_holdout_cut_otherwise_than_at_training_is_refused(founded: Path) -> None:
    with open_project(founded) as project:
        candidate = train(project, Order(dataset=ingest(project).id, learning=project.charter.learning))
    path = founded / "homeostat.yaml"
    path.write_text(path.read_text().replace("holdout: 14d", "holdout: 21d"))
    with open_project(founded) as project:
        with pytest.raises(ProjectError) as error:
            evaluate(project, project.require(candidate.id))
        assert error.value.code == "HS608"
        assert project.ledger.find("holdout") == []
