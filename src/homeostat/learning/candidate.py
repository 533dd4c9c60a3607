"""The candidate: one trial, or a weighted mean of several, fitted again on train and validation together as one whole plan.

Params that are known make the same candidate without a search: ``again``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from homeostat.core.targets import classes_of
from homeostat.errors import LearningError
from homeostat.graph.decode import decode_frame
from homeostat.graph.merge import averaged
from homeostat.graph.plan import Floats, Plan
from homeostat.learning.calibration import best_calibrator
from homeostat.learning.conformal import conformal
from homeostat.learning.learner import Goal, Params
from homeostat.learning.together import one_by_one
from homeostat.learning.trials import Bench, Choice, Model, Stages

if TYPE_CHECKING:
    import polars as pl

    from homeostat.core import sections
    from homeostat.core.ports import Together
    from homeostat.core.records import Split, Trial
    from homeostat.stats.metrics import Metric


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """The winner as a whole plan.

    Args:
        plan: preparation and learner, fitted on train and validation together (on train alone when it was not refitted).
        learner: its name.
        window: label of its training window.
        params: as in the winning trial; of an ensemble ``{"members": [...]}``, each with learner, window, params and weight.
        value: the metric of the winning trial: fitted on train alone, scored on validation; with folds the mean.
        judged: scores (n, k) of the validation rows by the winning params, fitted on train alone: what a decision is chosen by.
        trials: all trials in the order they ran.
        oracle: frame to scores (n, k) by the library's own predict behind the preparation.
        members: by objective, what this one is the weighted sum of; empty for a single model.
        single: whether a library computes in float32 inside.
        calibration: how its probabilities were set right; empty: not at all.
    """

    plan: Plan
    learner: str
    window: str
    params: Params
    value: float
    judged: Floats
    trials: tuple[Trial, ...]
    oracle: Callable[[pl.DataFrame], Floats]
    members: Mapping[str, Candidate] = field(default_factory=dict)
    single: bool = False
    calibration: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Good:
    """A trial that may win or be a member: its choice with the params it found, its value and its scores of the judged rows."""

    choice: Choice
    value: float
    scores: Floats
    model: Model | None = None
    seconds: float = 0.0
    size_mb: float = 0.0


def goal_of(split: Split, task: sections.Task, metric: Metric) -> Goal:
    """What is learned from these rows."""
    classes = classes_of(split.train[task.target], task)
    return Goal(task.type, classes, metric, amounts=not classes and bool((split.development[task.target] >= 0).all()))


def alone(bench: Bench, task: sections.Task, best: Good, trials: Sequence[Trial] = (), *, refit: bool = True) -> Candidate:
    """The candidate of one trial; without ``refit`` the model that its params give on train."""
    split = bench.split
    judged = _judged(bench, best)
    model = bench.refit(best.choice) if refit else best.model or bench.fit(split.train, best.choice)
    name, window, params = best.choice.learner, best.choice.window.label(), best.choice.params
    plan = _plan(task, bench.goal, model)
    return Candidate(plan, name, window, params, best.value, judged, tuple(trials), model.predict, single=model.fitted.single)


def together(
    bench: Bench, task: sections.Task, members: Sequence[tuple[Good, float]], trials: Sequence[Trial] = (), run: Together = one_by_one
) -> Candidate:
    """The candidate of several trials with their weights, which were chosen on rows that none had learned from."""
    goal = bench.goal
    weights = {f"{at} {each.choice.learner}": weight for at, (each, weight) in enumerate(members, start=1)}
    fitted = run(bench.refit, [(each.choice,) for each, _ in members])
    models = dict(zip(weights, fitted, strict=True))

    def mean(scores: Sequence[Floats]) -> Floats:
        return np.asarray(sum(weight * each for weight, each in zip(weights.values(), scores, strict=True)))

    told = [
        {"learner": each.choice.learner, "window": each.choice.window.label(), "params": dict(each.choice.params), "weight": weight}
        for each, weight in members
    ]
    return Candidate(
        plan=averaged({name: _plan(task, goal, model) for name, model in models.items()}, weights),
        learner="ensemble of " + ", ".join(dict.fromkeys(each.choice.learner for each, _ in members)),
        window=" + ".join(dict.fromkeys(each.choice.window.label() for each, _ in members)),
        params={"members": told},
        value=goal.metric.score(bench.judged(), mean([each.scores for each, _ in members])),
        judged=mean([_judged(bench, each) for each, _ in members]),
        trials=tuple(trials),
        oracle=lambda frame: mean([model.predict(frame) for model in models.values()]),
        single=any(model.fitted.single for model in models.values()),
    )


def again(
    split: Split, task: sections.Task, section: sections.Learning, metric: Metric, stages: Stages, made: Mapping[str, Any]
) -> Candidate:
    """The candidate whose choice is on record, fitted without a search: its plan is that of the search that found it.

    Args:
        split: the rows that the search had.
        task: names the target.
        section: windows and seed of the search.
        metric: what candidates are judged by.
        stages: fits preparations and selects windows.
        made: ``learner``, ``window`` and ``params``, as the candidate told them.

    Raises:
        LearningError: HS311, a learner or window is on record that this section or this program does not have.
    """
    bench = Bench(split, task.target, goal_of(split, task, metric), stages, section.seed, clock=lambda: 0.0)
    windows = {window.label(): window for window in section.windows}

    def good(told: Mapping[str, Any]) -> Good:
        name, window = str(told["learner"]), str(told["window"])
        if name not in stages.learners or window not in windows:
            raise LearningError(
                "HS311",
                f"the record names the learner {name!r} on the window {window!r}",
                place="learning",
                next_step=f"there are the learners {', '.join(stages.learners)}, the charter of then has the windows {', '.join(windows)}",
            )
        choice = Choice(name, windows[window], dict(told["params"]))
        rounds = [split.round(at) for at in range(split.rounds)]
        scores = np.vstack([bench.fit(train, choice).predict(judged) for train, judged in rounds])
        return Good(choice, metric.score(bench.judged(), scores), scores)

    members = made["params"].get("members")
    if members is None:
        return alone(bench, task, good(made))
    return together(bench, task, [(good(each), float(each["weight"])) for each in members])


def calibrated(found: Candidate, y: Floats, section: sections.Learning, metric: Metric) -> Candidate:
    """The candidate with its probabilities set right on the validation rows, as the section asks; ``y`` (n,) is what came on these."""
    if not found.plan.classes:
        return found
    calibrator = best_calibrator(found.judged, y, section.calibration, metric, section.seed)
    if calibrator is None:
        return found
    plan, oracle = found.plan, found.oracle
    return replace(
        found,
        plan=replace(plan, nodes=(*plan.nodes, *calibrator.nodes(plan.out))),
        oracle=lambda frame: calibrator.apply(oracle(frame)),
        judged=calibrator.apply(found.judged),
        calibration=calibrator.method,
    )


def bounded(found: Candidate, rows: pl.DataFrame, y: Floats, section: sections.Learning) -> Candidate:
    """The candidate with an interval around each score, where the section asks for them.

    Args:
        found: a regression; of a sum or a mean of several models the whole, not its members.
        rows: the validation rows, (n).
        y: what came on these, (n,).
        section: what is asked for.

    Raises:
        LearningError: HS351 or HS352, these rows cannot say how wide it must be.
    """
    if section.intervals is None:
        return found
    interval = conformal(found.plan, found.judged, y, decode_frame(found.plan.inputs, rows), section.intervals, section.seed)
    return replace(found, plan=replace(found.plan, interval=interval))


def _judged(bench: Bench, trial: Good) -> Floats:
    """Scores (n, k) of the validation rows by a model that learned from the train rows alone."""
    return bench.fit(bench.split.train, trial.choice).predict(bench.split.validation) if bench.split.folds else trial.scores


def _plan(task: sections.Task, goal: Goal, model: Model) -> Plan:
    """Preparation and learner in one; a learner that reads no features needs no preparation, only the inputs."""
    preparation, nodes = model.preparation, model.fitted.nodes
    if any(getattr(node, "source", None) == preparation.out for node in nodes):
        nodes = (*preparation.nodes, *nodes)
    return Plan(task.type, task.target, preparation.inputs, nodes, goal.classes)
