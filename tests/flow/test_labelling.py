"""Labels of the dataset: what people and rules say reaches training, judges only where it is true, and comes back whole."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from homeostat.app.cli.main import main
from homeostat.errors import DataError, ProjectError
from homeostat.flow.datasets import read_dataset
from homeostat.flow.evaluate import evaluate
from homeostat.flow.ingest import ingest
from homeostat.flow.labelling import import_labels, told_rules, write_queue
from homeostat.flow.lifecycle import run
from homeostat.flow.project import Project, open_project
from homeostat.flow.train import first_order, train
from homeostat.flow.training_rows import training_rows
from homeostat.infra.keys import VARIABLE

CHARTER = """
name: spam
problem: {statement: s, objective: o, decision: d, business_metric: b}
task: {type: binary, target: y, positive: yes, entity: [id], leave_out: [id]}
success: {metric: auc, baseline: none}
data: {source: data/}
learning: {learners: [naive, linear], budget: {seconds: null, trials: 3}}
labelling:
  weight: 0.25
  rules:
    - {name: high, when: x > 1.5, label: yes}
    - {name: low, when: x < -1.5, label: no}
"""
ROWS = 600


def rows() -> list[list[str]]:
    rng = np.random.default_rng(3)
    x, noise = rng.normal(size=ROWS), rng.normal(scale=0.5, size=ROWS)
    truth = np.where(x + noise > 0, "yes", "no")
    hidden = np.arange(ROWS) % 3 == 0
    return [[f"id{n}", f"{x[n]:.4f}", "ab"[n % 2], "" if hidden[n] else str(truth[n])] for n in range(ROWS)]


def write(folder: Path, lines: list[list[str]], name: str = "a.csv") -> None:
    (folder / "data").mkdir(exist_ok=True)
    (folder / "data" / name).write_text("\n".join(",".join(line) for line in [["id", "x", "kind", "y"], *lines]) + "\n")


@pytest.fixture
def spam(tmp_path: Path) -> Path:
    (tmp_path / "homeostat.yaml").write_text(CHARTER)
    write(tmp_path, rows())
    return tmp_path


def labels(project: Project) -> dict[str, tuple[str, str]]:
    """Of each labelled row its label and where it is from."""
    found = training_rows(project, project.latest("dataset", ""))
    both = pl.concat([found.frame, found.weak])
    return {row["id"]: (row["y"], row["_label"]) for row in both.iter_rows(named=True)}


def give(folder: Path, text: str, name: str = "labels.csv") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_a_queue_filled_in_and_imported_labels_exactly_its_rows(spam: Path) -> None:
    with open_project(spam) as project:
        dataset = ingest(project)
        before = labels(project)
        told = write_queue(project, spam / "q.csv", 30)
        assert (told["rows"], told["open"], told["random"]) == (30, 200, 3)
        queue = pl.read_csv(spam / "q.csv", infer_schema=False)
        assert queue.columns == ["_source", "_line", "id", "x", "kind", "y", "_why"]
        assert queue["y"].null_count() == 30
        stored = read_dataset(project, dataset)
        asked = stored.join(queue.select("_source", pl.col("_line").cast(pl.Int64)), on=["_source", "_line"], how="semi")
        assert asked["id"].sort().to_list() == queue["id"].sort().to_list()
        answers = {each: "yes" if n % 2 else "no" for n, each in enumerate(queue["id"])}
        queue.with_columns(pl.Series("y", answers.values())).write_csv(spam / "filled.csv")
        fact = import_labels(project, spam / "filled.csv")
        assert (fact.body["taken"], fact.body["refused"], fact.body["empty"]) == (30, 0, 0)
        assert labels(project) == before | {each: (label, "imported") for each, label in answers.items()}
        write_queue(project, spam / "next.csv", 30)
        assert not set(pl.read_csv(spam / "next.csv")["id"]) & set(answers)
        write_queue(project, spam / "empty.csv", 10)
        assert import_labels(project, spam / "empty.csv").body["empty"] == 10


def test_a_label_of_the_source_wins_then_an_imported_one_then_a_rule(spam: Path) -> None:
    by_id = {row[0]: row for row in rows()}
    high = next(name for name, row in by_id.items() if row[3] == "" and float(row[1]) > 1.5)
    known = next(name for name, row in by_id.items() if row[3] == "yes")
    with open_project(spam) as project:
        ingest(project)
        assert labels(project)[high] == ("yes", "rule")
        fact = import_labels(project, give(spam, f"id,y\n{high},no\n{known},no\n"))
        assert labels(project)[high] == ("no", "imported")
        assert labels(project)[known] == ("yes", "source")
        assert fact.body["first_refused"] == [{"line": 3, "reason": "got no; the source itself says yes"}]
        refused = json.loads(project.blobs.get(str(fact.body["refused_rows"])))
        assert refused == [{"id": known, "y": "no", "_given": 3, "_reason": "got no; the source itself says yes"}]


def test_later_imports_correct_earlier_ones_and_the_same_file_again_changes_nothing(spam: Path) -> None:
    with open_project(spam) as project:
        ingest(project)
        first = import_labels(project, give(spam, "id,y\nid0,no\nid3,no\n", "one.csv"))
        import_labels(project, give(spam, "id,y\nid0,yes\n", "two.csv"))
        version = project.table("dataset_labels").version()
        assert import_labels(project, spam / "one.csv").id == first.id
        assert project.table("dataset_labels").version() == version
        found = labels(project)
        assert (found["id0"], found["id3"]) == (("yes", "imported"), ("no", "imported"))


def test_labels_of_rows_that_come_later_are_taken_when_the_file_is_given_again(spam: Path) -> None:
    with open_project(spam) as project:
        ingest(project)
        path = give(spam, "id,y\nid0,yes\nnew1,no\n")
        assert import_labels(project, path).body["refused"] == 1
        import_labels(project, give(spam, "id,y\nid0,no\n", "mended.csv"))
        write(spam, [["new1", "0.1", "a", ""]], "b.csv")
        ingest(project)
        again = import_labels(project, path).body
        assert (again["taken"], again["taken_before"], again["refused"]) == (1, 1, 0)
        found = labels(project)
        assert (found["new1"], found["id0"]) == (("no", "imported"), ("no", "imported"))  # the correction stands


def test_labels_by_place_follow_their_rows_when_the_file_changes(spam: Path) -> None:
    lines = rows()
    with open_project(spam) as project:
        ingest(project)
        place = {row["id"]: row["_line"] for row in read_dataset(project, project.latest("dataset", "")).iter_rows(named=True)}
        import_labels(
            project, give(spam, "_source,_line,y\n" + "".join(f"data/a.csv,{place[each]},no\n" for each in ("id0", "id3", "id6")))
        )
        assert {each: labels(project)[each] for each in ("id0", "id3", "id6")} == dict.fromkeys(("id0", "id3", "id6"), ("no", "imported"))
        lines[6] = ["id6", "0.0001", "b", ""]  # another row now
        write(spam, [["first", "0", "a", ""], *lines])  # and everything one line further down
        ingest(project)
        found = labels(project)
    assert found["id0"] == found["id3"] == ("no", "imported")
    assert found.get("id6", ("", "rule"))[1] == "rule"
    assert "first" not in found


def test_weak_labels_teach_with_their_weight_and_judge_nothing(spam: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from homeostat.learning.learners import LEARNERS

    seen: list[Any] = []
    linear = LEARNERS["linear"]

    class Spy:
        flavour, defaults = linear.flavour, linear.defaults
        space, portfolio = staticmethod(linear.space), staticmethod(linear.portfolio)

        @staticmethod
        def fit(rows: Any, *rest: Any) -> Any:
            seen.append(rows)
            return linear.fit(rows, *rest)

    monkeypatch.setitem(LEARNERS, "linear", Spy)  # type: ignore[arg-type]
    with open_project(spam) as project:
        dataset = ingest(project)
        found = training_rows(project, dataset)
        assert found.weak.height > 5
        assert set(found.frame["_label"]) == {"source"}
        candidate = train(project, first_order(project, dataset))
        body = candidate.body
        assert body["weakly_labelled"] == found.weak.height
        assert body["rows"]["validation"] + body["rows"]["holdout"] + body["rows"]["train"] == found.frame.height + found.weak.height
        assert body["left_out"]["unlabelled"] == ROWS - found.frame.height - found.weak.height
        weights = seen[0].weights
        assert sorted(set(weights)) == [0.25, 1.0]
        assert int((weights == 0.25).sum()) == found.weak.height
        inputs = json.dumps(body["params"])
        assert "_label" not in inputs
        assert evaluate(project, candidate).body["rows"] == body["rows"]["holdout"]


def test_labels_that_come_after_a_training_leave_its_holdout_alone_and_order_a_new_one(spam: Path) -> None:
    with open_project(spam) as project:
        dataset = ingest(project)
        candidate = train(project, first_order(project, dataset))
        import_labels(project, give(spam, "id,y\n" + "".join(f"id{n},no\n" for n in range(0, ROWS, 3))))
        assert evaluate(project, candidate).body["candidate"] == candidate.id
        again = train(project, first_order(project, dataset))
        assert again.id != candidate.id
        assert again.body["weakly_labelled"] == 0
        assert evaluate(project, again).body["candidate"] == again.id


def test_with_a_champion_the_queue_holds_what_it_is_unsure_of(spam: Path) -> None:
    with open_project(spam) as project:
        assert run(project).promotion is not None
        told = write_queue(project, spam / "q.parquet", 20)
        assert told["champion"]
        queue = pl.read_parquet(spam / "q.parquet")
        asked = queue.filter(queue["_why"].str.starts_with("uncertain"))
        assert asked.height == 18
        stored = read_dataset(project, project.latest("dataset", ""))
        assert asked["x"].abs().mean() < 0.6 * stored["x"].abs().mean()  # type: ignore[operator]


def test_the_report_of_rules_says_how_often_they_are_right(spam: Path) -> None:
    with open_project(spam) as project:
        ingest(project)
        told = told_rules(project)
    high = told["rules"][0]
    over = [row for row in rows() if float(row[1]) > 1.5]
    known = [row for row in over if row[3]]
    assert (high["name"], high["covered"], high["labelled"], high["conflicts"]) == ("high", len(over), len(known), 0)
    assert high["accuracy"] == pytest.approx(sum(row[3] == "yes" for row in known) / len(known))
    assert sum(told["labels"].values()) + told["without"] == ROWS


def test_pseudonymised_keys_meet_clear_and_hashed_ones(spam: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path.parent / f"{tmp_path.name}-keys"))
    (spam / "homeostat.yaml").write_text(CHARTER + "privacy: {pseudonymise: [id], never_store: [kind]}\n")
    with open_project(spam) as project:
        ingest(project)
        write_queue(project, spam / "q.csv", 10)
        queue = pl.read_csv(spam / "q.csv", infer_schema=False)
        assert "kind" not in queue.columns
        assert queue["id"].str.contains("^p_[0-9a-f]{32}$").all()
        queue.select("id").with_columns(pl.lit("no").alias("y")).write_csv(spam / "hashed.csv")
        assert import_labels(project, spam / "hashed.csv").body["taken"] == 10
        assert import_labels(project, give(spam, "id,y\nid0,yes\nid3,no\n")).body["taken"] == 2
        stored = project.table("dataset_labels").read()
        assert "id0" not in repr(stored.rows())


def test_nothing_to_ask_and_nothing_ingested_are_told(spam: Path) -> None:
    with open_project(spam) as project:
        with pytest.raises(ProjectError, match="HS608"):
            write_queue(project, spam / "q.csv", None)
        write(spam, [row for row in rows() if row[3]])
        ingest(project)
        with pytest.raises(DataError, match="every row of the dataset has a label"):
            write_queue(project, spam / "q.csv", None)


def test_the_commands_say_what_they_did(spam: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def call(*words: str) -> str:
        assert main([*words, "--project", str(spam)]) == 0
        return capsys.readouterr().out

    call("ingest")
    assert "high  yes" in call("label", "rules")
    said = call("label", "queue", "--out", str(spam / "q.csv"), "--size", "5")
    assert "5 of 200 rows without a label, 4 spread over the data (no model yet), 1 drawn at random" in said
    said = call("label", "import", str(give(spam, "id,y\nid0,yes\nid1,maybe\nnobody,no\n")))
    assert said.splitlines()[0] == "3 rows: 1 labels taken, 0 were there, 0 empty, 0 repeated, 2 refused"
    assert "labels.csv:3: got maybe; the classes are no, yes" in said
    assert "labels.csv:4: no row of the dataset has this key (id)" in said
    told = json.loads(call("label", "rules", "--json"))
    assert told["labels"]["imported"] == 1
    assert main(["label", "nope", "--project", str(spam)]) == 2
