"""The team's own estimators of a project: where their source is, the learners that stand for them, and the process each fit has.

``python -m homeostat.flow.estimators FOLDER`` is that process: it does the one job that lies in the folder and leaves its answer there.
"""

from __future__ import annotations

import importlib
import json
import os
import pickle
import sys
import tempfile
import traceback
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from difflib import get_close_matches
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any

from homeostat.errors import LearningError

if TYPE_CHECKING:
    from homeostat.core import sections
    from homeostat.flow.project import Project
    from homeostat.graph.plan import Floats
    from homeostat.infra.isolated import Ended
    from homeostat.learning.learner import Learner
    from homeostat.learning.own.learner import Learned, Task

START_S = 600.0
"""After so much more than its time a process is ended from outside; by then its own alarm should have ended it."""
LAST_LINES, LAST_CHARACTERS = 2, 160
ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
"""Trials run side by side, and results must not depend on how many threads a sum was split among; a user may say otherwise."""


def learners_of(project: Project, learning: sections.Learning) -> Mapping[str, Learner]:
    """Every learner by its name: those that come with this program and the project's own.

    Raises:
        LearningError: HS340, the source of one is not there.
    """
    from homeostat.learning.learners import LEARNERS
    from homeostat.learning.own.learner import Own

    if not learning.estimators:
        return LEARNERS
    sources_of(project, learning)
    away = Processes(project.root)
    return {**LEARNERS, **{name: Own(name, each, away) for name, each in learning.estimators.items()}}


def sources_of(project: Project, learning: sections.Learning) -> dict[str, dict[str, str]]:
    """Of each estimator of the project's own its path, its file, and a digest of its source with all of the project that it imports.

    Raises:
        LearningError: HS340, the module or its callable is not there.
    """
    from homeostat.infra.modules import find_module, source_digest, top_names

    found = {}
    for name, each in learning.estimators.items():
        module, _, called = each.path.partition(":")
        place, file = f"learning.estimators.{name}.path", find_module(module, project.root)
        if file is None:
            step = f"write {module.replace('.', '/')}.py in {project.root}, or install the package"
            raise LearningError("HS340", f"got {each.path}, and there is no module {module}", place=place, next_step=step)
        names, wanted = top_names(file), called.partition(".")[0]
        if names is not None and wanted not in names:
            near = get_close_matches(wanted, names, n=1)
            step = f"did you mean {near[0]}?" if near else "name a function or class of the module"
            raise LearningError("HS340", f"got {each.path}, and {file.name} has no {wanted}", place=place, next_step=step)
        told = file.relative_to(project.root).as_posix() if file.is_relative_to(project.root) else file.name
        found[name] = {"path": each.path, "file": told, "sha256": source_digest(file, project.root)}
    return found


@dataclass(frozen=True, slots=True)
class Processes:
    """Runs estimators of the project in this folder, each job in a process of its own."""

    root: Path

    def fit(self, task: Task, over: Callable[[], bool]) -> Learned:
        """Fit, predict and convert.

        Raises:
            LearningError: HS341, with what went wrong in plain words.
        """
        import numpy as np

        from homeostat.graph.encode import load_plan
        from homeostat.learning.own.learner import Learned

        arrays = {"features": task.rows.features, "target": task.rows.target, "judged": task.judged}
        if task.rows.weights is not None:
            arrays["weights"] = task.rows.weights
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            told = self._done(folder, task, "fit", arrays, over)
            nodes = load_plan((folder / "plan.json").read_bytes()).nodes
            scores = np.load(folder / "scores.npy", allow_pickle=False)
            return Learned(nodes, (folder / "model").read_bytes(), scores, float(told["row_us"]), bool(told["single"]))

    def predict(self, task: Task, model: bytes, features: Floats) -> Floats:
        """Scores (n, k) by the estimator's own predict.

        Raises:
            LearningError: HS341, with what went wrong in plain words.
        """
        import numpy as np

        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "model").write_bytes(model)
            self._done(folder, task, "predict", {"features": features}, lambda: False)
            scores: Floats = np.load(folder / "scores.npy", allow_pickle=False)
            return scores

    def _done(self, folder: Path, task: Task, job: str, arrays: Mapping[str, Floats], over: Callable[[], bool]) -> dict[str, Any]:
        """What the process of a job left as its answer."""
        import numpy as np

        from homeostat.infra.isolated import run_isolated

        for each, values in arrays.items():
            np.save(folder / f"{each}.npy", values, allow_pickle=False)
        estimator, goal = task.estimator, asdict(task.goal) | {"metric": task.goal.metric.name}
        asked = {"job": job, "root": str(self.root), "estimator": estimator.model_dump(mode="json"), "params": dict(task.params)}
        (folder / "job.json").write_text(json.dumps({**asked, "goal": goal, "seed": task.seed, "name": task.name}))
        settings = {"PYTHONHASHSEED": "0", **dict.fromkeys(ONE_THREAD, "1")}
        environment = {**settings, **os.environ, "PYTHONHASHSEED": "0"}
        command = [sys.executable, "-P", "-m", "homeostat.flow.estimators", str(folder)]  # -P: no file of that folder is imported
        ended = run_isolated(command, folder, environment, estimator.seconds + START_S, over)
        answer = folder / "answer.json"
        told: dict[str, Any] = json.loads(answer.read_text()) if answer.exists() and ended.code == 0 else {"failed": _why(ended, estimator)}
        if "failed" in told:
            place = f"learning.estimators.{task.name}"
            raise LearningError("HS341", f"{estimator.path} {told['failed']}", place=place)
        return told


def _why(ended: Ended, estimator: sections.Estimator) -> str:
    """Why a process has left no answer."""
    if ended.by_us == "late":
        return f"took longer than {estimator.seconds:g} s and was ended"
    if ended.by_us == "over":
        return "was ended, since the time of the search was over"
    last = " / ".join(ended.said.splitlines()[-LAST_LINES:])[-LAST_CHARACTERS:]
    how = f"was ended by {ended.signal}" if ended.signal else f"ended its process with exit code {ended.code}"
    return f"{how}{f'; it last said: {last}' if last else ''}"


def _work(folder: Path) -> dict[str, Any]:
    """Do the job of a folder; the answer."""
    import numpy as np

    from homeostat.core import sections
    from homeostat.graph.encode import dump_plan
    from homeostat.graph.plan import Plan
    from homeostat.infra.isolated import limit_this_process
    from homeostat.learning.learner import Goal, Rows
    from homeostat.learning.own.learner import Task
    from homeostat.learning.own.work import answers, learn
    from homeostat.stats.metrics import metric

    job = json.loads((folder / "job.json").read_text())
    estimator = sections.Estimator.model_validate_json(json.dumps(job["estimator"]))
    goal = Goal(**{**job["goal"], "classes": tuple(job["goal"]["classes"]), "metric": metric(job["goal"]["metric"])})
    given = {path.stem: np.load(path, allow_pickle=False) for path in sorted(folder.glob("*.npy"))}
    sys.path.insert(0, job["root"])
    limit_this_process(estimator.seconds, estimator.memory_mb)
    if job["job"] == "predict":
        scores, single = answers(pickle.loads((folder / "model").read_bytes()), given["features"], goal)  # noqa: S301 - written by a fit of this project
        np.save(folder / "scores.npy", scores)
        return {"single": single}
    rows = Rows(given["features"], given["target"], given.get("weights"))
    task = Task(job["name"], estimator, job["params"], rows, goal, job["seed"], given["judged"])
    module, _, called = estimator.path.partition(":")
    make: Any = reduce(getattr, called.split("."), importlib.import_module(module))
    learned = learn(make, task)
    np.save(folder / "scores.npy", learned.scores)
    (folder / "model").write_bytes(learned.model)
    (folder / "plan.json").write_bytes(dump_plan(Plan(goal.task, "target", (), learned.nodes, goal.classes)))
    return {"row_us": learned.row_us, "single": learned.single}


def _failed(error: BaseException, folder: Path) -> str:
    """What went wrong in the team's code, with the last of its lines that had a part in it."""
    from homeostat.learning.own.work import Unfit

    if isinstance(error, Unfit):
        return f"failed: {error}"
    memory = json.loads((folder / "job.json").read_text())["estimator"]["memory_mb"]
    if isinstance(error, MemoryError):
        return f"needed more than {memory:g} MB of memory"
    if isinstance(error, SystemExit):
        return f"called sys.exit({error.code!r})"
    root = json.loads((folder / "job.json").read_text())["root"]
    own = [each for each in traceback.extract_tb(error.__traceback__) if each.filename.startswith(root + os.sep)]
    where = f" ({Path(own[-1].filename).name}:{own[-1].lineno})" if own else ""
    return f"raised {type(error).__name__}{where}: {error}"


def main(folder: Path) -> None:
    """Do the job and leave the answer, then end at once: what the team's code still has running ends with it."""
    try:
        answer = _work(folder)
    except BaseException as error:  # noqa: BLE001 - whatever the team's code raises is the answer
        answer = {"failed": _failed(error, folder)}
    (folder / "answer.json").write_text(json.dumps(answer))
    os._exit(0)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
