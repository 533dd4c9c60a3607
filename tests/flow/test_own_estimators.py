"""Estimators that hang, raise, leak or crash: a failed trial with its reason in plain words, and the search goes on."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from homeostat.app.cli.main import main
from homeostat.core.sections import Estimator, Learning
from homeostat.errors import LearningError
from homeostat.flow.estimators import Processes, learners_of, sources_of
from homeostat.flow.project import Project, open_project
from homeostat.infra.engine import threads
from homeostat.learning.learner import Goal, Rows
from homeostat.learning.own.learner import Own
from homeostat.stats.metrics import metric

MODULE = """
import ctypes, os, sys, time
print("loaded, and said so")

class Constant:
    def fit(self, x, y): self.mean = float(y.mean())
    def predict(self, x): return [self.mean] * len(x)
    def to_onnx(self):
        from onnx import TensorProto as T, helper as h, numpy_helper as n
        import numpy as np
        w = n.from_array(np.zeros((2, 1)), "w"); b = n.from_array(np.array([self.mean]), "b")
        nodes = [h.make_node("MatMul", ["x", "w"], ["z"]), h.make_node("Add", ["z", "b"], ["y"])]
        info = [h.make_tensor_value_info(name, T.DOUBLE, [None, k]) for name, k in (("x", 2), ("y", 1))]
        return h.make_model(h.make_graph(nodes, "c", info[:1], info[1:], [w, b]), opset_imports=[h.make_opsetid("", 20)])

class Does(Constant):
    def __init__(self, what="", size=1): self.what = what
    def fit(self, x, y):
        super().fit(x, y)
        if self.what == "raise": raise RuntimeError("no way")
        if self.what == "hang": time.sleep(600)
        if self.what == "os exit": os._exit(7)
        if self.what == "sys exit": sys.exit("enough")
        if self.what == "crash": print("soon", flush=True); ctypes.string_at(0)
        if self.what == "lock": self.inner = lambda: 0
        held = []
        while self.what == "leak": held.append(bytearray(10_000_000))
    def predict(self, x): return [float("nan")] * len(x) if self.what == "nan" else super().predict(x)
"""
ROWS = Rows(np.random.default_rng(0).normal(size=(40, 2)), np.arange(40.0))
GOAL = Goal("regression", (), metric("mae"))
REASONS = {
    "raise": "learners:Does raised RuntimeError (learners.py:20): no way",
    "hang": "learners:Does took longer than 2 s and was ended",
    "os exit": "learners:Does ended its process with exit code 7; it last said: loaded, and said so",
    "sys exit": "learners:Does called sys.exit('enough')",
    "crash": "learners:Does was ended by SIGSEGV; it last said: loaded, and said so / soon",
    "lock": "learners:Does failed: the fitted estimator cannot be kept, since it cannot be pickled",
    "leak": "learners:Does needed more than 200 MB of memory",
    "nan": "learners:Does failed: its predictions are NaN or infinite for 40 of 40 rows",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "learners.py").write_text(MODULE)
    return tmp_path


def test_whatever_one_does_its_reason_is_told_in_plain_words(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    def reason(what: str) -> str:
        estimator = Estimator(path="learners:Does", seconds=2 if what == "hang" else 120, memory_mb=200, params={"what": what})
        with pytest.raises(LearningError) as caught:
            Own("mine", estimator, Processes(folder)).fit(ROWS, GOAL, {}, 0, ROWS)
        assert (caught.value.code, caught.value.place) == ("HS341", "learning.estimators.mine")
        return caught.value.message

    found = dict(zip(REASONS, threads(reason, [(what,) for what in REASONS]), strict=True))
    assert {what: said[: len(REASONS[what])] for what, said in found.items()} == REASONS
    assert capfd.readouterr() == ("", "")


def test_one_that_is_well_is_fitted_and_asked_again_elsewhere(folder: Path) -> None:
    own = Own("mine", Estimator(path="learners:Constant"), Processes(folder))
    fitted = own.fit(ROWS, GOAL, {}, 0, ROWS)
    assert fitted.row_us is not None
    assert fitted.row_us > 0
    assert fitted.predict(ROWS.features).tolist() == [[19.5]] * 40
    assert fitted.predict(ROWS.features[:3]).tolist() == [[19.5]] * 3
    with pytest.raises(LearningError, match="the time of the search was over"):
        own.fit(ROWS, GOAL, {}, 0, ROWS, lambda progress, error: math.isinf(error))


def project_of(folder: Path, **estimators: Any) -> Project:
    learning = {"learners": list(estimators), "estimators": estimators, "budget": {"seconds": None, "trials": 1}}
    problem = dict.fromkeys(("statement", "objective", "decision", "business_metric"), "text")
    task = {"type": "regression", "target": "y"}
    charter = {"name": "own", "problem": problem, "task": task, "success": {"metric": "mae"}, "data": {"source": "rows.csv"}}
    (folder / "homeostat.yaml").write_text(json.dumps({**charter, "learning": learning}))
    return open_project(folder)


def test_a_source_that_is_not_there_is_told_before_anything_runs(folder: Path) -> None:
    for path, said in (
        ("learner:Does", r"HS340\] learning.estimators.mine.path: got learner:Does, and there is no module learner; write learner.py"),
        ("learners:Dose", r"learners.py has no Dose; did you mean Does\?"),
    ):
        with project_of(folder, mine={"path": path}) as project, pytest.raises(LearningError, match=said):
            learners_of(project, project.charter.learning)
    with project_of(folder, mine={"path": "learners:Does"}) as project:
        assert list(sources_of(project, project.charter.learning)) == ["mine"]
        assert "mine" not in learners_of(project, Learning())


def test_when_no_trial_succeeds_the_answer_is_no(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = np.random.default_rng(0).normal(size=(60, 2))
    (folder / "rows.csv").write_text("\n".join(["x,y", *(f"{x:.4f},{y:.4f}" for x, y in rows)]))
    project_of(folder, mine={"path": "learners:Does", "params": {"what": "raise"}})
    assert main(["ingest", "--project", str(folder)]) == 0
    assert main(["train", "--project", str(folder)]) == 3
    told = capsys.readouterr().err
    assert "HS303" in told
    assert "raised RuntimeError (learners.py:20): no way" in told
    assert "Traceback" not in told
    with open_project(folder) as project:
        assert [fact.body["value"] for fact in project.ledger.find("trial")] == [None], "the trial is on record with its reason"
