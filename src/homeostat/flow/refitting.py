"""The choice of a candidate on record fitted again on other rows or columns, judged on its validation rows; nothing is searched."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from homeostat.errors import LearningError
from homeostat.flow.origins import charter_then, learning_then, require_trained, split_then

if TYPE_CHECKING:
    from collections.abc import Mapping

    import polars as pl

    from homeostat.charter.schema import Charter
    from homeostat.core import sections
    from homeostat.core.facts import Fact
    from homeostat.core.records import Split
    from homeostat.flow.project import Project
    from homeostat.graph.plan import Floats
    from homeostat.learning.learner import Learner
    from homeostat.learning.trials import Bench, Choice


@dataclass(frozen=True, slots=True, eq=False)
class Refitting:
    """A candidate's choice with all it was made from: ``choices`` with their weights, which sum to 1."""

    charter: Charter
    learning: sections.Learning
    split: Split
    classes: tuple[str, ...]
    choices: tuple[tuple[Choice, float], ...]
    learners: Mapping[str, Learner]

    def bench(self, train: pl.DataFrame, charter: Charter | None = None) -> Bench:
        """What fits on ``train``, prepared as these rows ask; another charter may leave out columns."""
        from homeostat.charter.effective import effective_task
        from homeostat.flow.preparing import stages_of
        from homeostat.learning.candidate import goal_of
        from homeostat.learning.trials import Bench
        from homeostat.stats.metrics import metric

        asked = charter or self.charter
        task = effective_task(asked)
        rows = replace(self.split, train=train, folds=(), between=None)
        goal = goal_of(rows, task, metric(asked.success.metric))
        return Bench(rows, task.target, goal, stages_of(asked, rows, learners=self.learners), self.learning.seed, clock=lambda: 0.0)

    def judged(self, train: pl.DataFrame, charter: Charter | None = None) -> Floats:
        """Scores (n, k) of the validation rows by the choice fitted on ``train``, before calibration.

        Raises:
            LearningError: these rows or columns cannot be learned from.
        """
        from homeostat.flow.evaluate import aligned

        bench = self.bench(train, charter)
        scores = sum(weight * bench.fit(train, choice).predict(self.split.validation) for choice, weight in self.choices)
        return aligned(np.asarray(scores), bench.goal.classes, self.classes) if self.classes else np.asarray(scores)

    @property
    def y(self) -> Floats:
        """What came of the validation rows (n,)."""
        from homeostat.core.targets import encode_target

        return encode_target(self.split.validation[self.charter.task.target], self.classes)

    @property
    def block(self) -> int:
        """Validation rows resampled together."""
        from homeostat.flow.blocks import block_length

        return block_length(self.charter, self.split.validation)


def refitting(project: Project, candidate: Fact) -> Refitting:
    """What a candidate was made from, to fit it again.

    Raises:
        LearningError: HS331, it is a sum of several objectives' models; HS311, the record cannot be trained again; HS381, it was adopted.
    """
    from homeostat.core.targets import classes_of
    from homeostat.flow.estimators import learners_of

    require_trained(candidate)
    run = project.require(str(candidate.body["run"]))
    learning = learning_then(run)
    if "models" in candidate.body:
        raise LearningError(
            "HS331",
            f"{candidate.id} adds up the models of {', '.join(candidate.body['models'])}; one model is studied or tested at a time",
            next_step="train one of the objectives in a project of its own",
        )
    with replace(project, charter=charter_then(project, candidate, run)) as then:
        split = split_then(then, candidate, run, learning)
        task = then.charter.task
        learners = learners_of(then, learning)
        choices = _choices(candidate.body, learning, learners)
        return Refitting(then.charter, learning, split, classes_of(split.train[task.target], task), choices, learners)


def _choices(body: Any, learning: sections.Learning, learners: Mapping[str, Learner]) -> tuple[tuple[Choice, float], ...]:
    from homeostat.learning.trials import Choice

    told = body["params"].get("members") or [{**{name: body[name] for name in ("learner", "window", "params")}, "weight": 1.0}]
    windows = {window.label(): window for window in learning.windows}
    lost = [each["learner"] for each in told if each["learner"] not in learners or each["window"] not in windows]
    if lost:
        raise LearningError("HS311", f"this program or charter does not have the learner or window of {lost[0]}", place="learning")
    return tuple((Choice(each["learner"], windows[each["window"]], dict(each["params"])), float(each["weight"])) for each in told)
