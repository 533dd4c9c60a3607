"""Stage 5: the model a charter asks for, searched on one split; with several objectives a model for each, added up by their weights."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from homeostat.charter.effective import charter_of, effective_task
from homeostat.infra.engine import Engine, engine_of, one_thread

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import polars as pl

    from homeostat.charter.schema import Charter
    from homeostat.core import sections
    from homeostat.core.ports import Progress
    from homeostat.core.records import Decision, Split
    from homeostat.graph.plan import Floats, Plan
    from homeostat.learning.candidate import Candidate
    from homeostat.learning.learner import Learner
    from homeostat.learning.search import Memo
    from homeostat.learning.search import Progress as Say


@dataclass(frozen=True, slots=True, eq=False)
class Aids:
    """What helps a search beside its rows.

    Args:
        start: ``{"learner": ..., "params": {...}}`` of the champion, and ``models`` with the same by objective.
        progress: told after each batch of trials.
        memo: remembers the trials of an objective; of the only one under an empty name.
        made: a candidate on record, ``{"learner": ..., "window": ..., "params": {...}}`` or ``models`` with the same by objective: it is
            fitted again, and nothing is searched.
        learners: by name, where there are others than those of this program.
    """

    start: Mapping[str, Any] | None = None
    progress: Progress | None = None
    memo: Callable[[str], Memo] | None = None
    made: Mapping[str, Any] | None = None
    learners: Mapping[str, Learner] | None = None


NO_AIDS = Aids()


@dataclass(frozen=True, slots=True, eq=False)
class _Own:
    """The aids of one search: where it starts, whom it tells, what it remembers or has on record, its learners, and what runs it."""

    start: Mapping[str, Any] | None
    say: Say | None
    memo: Memo | None
    made: Mapping[str, Any] | None
    learners: Mapping[str, Learner] | None
    engine: Engine


def develop(
    charter: Charter, learning: sections.Learning, split: Split, decisions: tuple[Decision, ...], aids: Aids = NO_AIDS
) -> Candidate:
    """The best model within the budget; several objectives share it, each a part of it.

    Args:
        charter: what is wanted.
        learning: learners, windows, budget and seed of this search.
        split: the rows; the holdout is not looked at.
        decisions: about the columns, shared by all objectives since they look at inputs only.
        aids: where to start, whom to tell, who remembers.
    """
    with engine_of(charter.store, learning.at_once) as engine, one_thread():
        found = _searched(charter, learning, split, decisions, aids, engine)
    if learning.intervals is None:
        return found
    from homeostat.core.targets import encode_target
    from homeostat.learning.candidate import bounded

    return bounded(found, split.validation, encode_target(split.validation[charter.task.target], ()), learning)


def _searched(
    charter: Charter, learning: sections.Learning, split: Split, decisions: tuple[Decision, ...], aids: Aids, engine: Engine
) -> Candidate:
    if not charter.objectives:
        say = partial(_say, aids.progress) if aids.progress else None
        memo = aids.memo("") if aids.memo else None
        return _one(charter, learning, split, decisions, _Own(aids.start, say, memo, aids.made, aids.learners, engine))
    every = charter.objectives
    own = learning.model_copy(update={"budget": _share(learning.budget, len(every))})
    known, made = ((given or {}).get("models", {}) for given in (aids.start, aids.made))
    members = {}
    for at, each in enumerate(every):
        told = partial(_say_member, partial(_say, aids.progress), each.name, at, len(every)) if aids.progress else None
        memo = aids.memo(each.name) if aids.memo else None
        helped = _Own(known.get(each.name), told, memo, made.get(each.name), aids.learners, engine)
        members[each.name] = _one(charter_of(charter, each), own, split, decisions, helped)
    return _summed(charter, split, members)


def weights_of(charter: Charter) -> dict[str, float]:
    """The weight of each objective; empty where there are none."""
    return {each.name: each.weight for each in charter.objectives}


def told_interval(plan: Plan, learning: sections.Learning) -> dict[str, Any]:
    """What a ``candidate`` fact says of its intervals; nothing where there are none."""
    if plan.interval is None or learning.intervals is None:
        return {}
    return {"intervals": {"coverage": plan.interval.coverage, "method": plan.interval.method, "by": learning.intervals.by or ""}}


def member_scores(member: Candidate, scores: Floats) -> Floats:
    """What counts of a member's scores (n, k): the value, or the probability of the positive class: (n,)."""
    return scores[:, len(member.plan.classes[1:])]


def _say(progress: Progress, message: str, done: float | None = None) -> None:
    progress.update(f"train {message}", done=done)


def _say_member(say: Say, name: str, at: int, members: int, message: str, done: float | None = None) -> None:
    say(f"{name}: {message}", None if done is None else (at + done) / members)


def _share(budget: sections.Budget, members: int) -> sections.Budget:
    """What one member may spend."""
    seconds = None if budget.seconds is None else budget.seconds / members
    return budget.model_copy(update={"seconds": seconds, "trials": None if budget.trials is None else math.ceil(budget.trials / members)})


def _one(
    charter: Charter,
    learning: sections.Learning,
    split: Split,
    decisions: Sequence[Decision],
    aids: _Own,
) -> Candidate:
    """One model with calibration and decision: searched, or fitted again as it is on record."""
    from homeostat.core.targets import classes_of, encode_target
    from homeostat.flow.amounts import amounts
    from homeostat.flow.measure import success_metric
    from homeostat.flow.preparing import stages_of
    from homeostat.learning.candidate import again, calibrated
    from homeostat.learning.search import search
    from homeostat.learning.threshold import with_decision

    task, stages = effective_task(charter), stages_of(charter, split, decisions, aids.learners)
    measured = success_metric(charter, classes_of(split.train[task.target], task))
    if aids.made is None:
        found = search(
            split,
            task,
            learning,
            measured,
            stages,
            clock=aids.engine.clock,
            start=aids.start,
            progress=aids.say,
            together=aids.engine.together,
            memo=aids.memo,
            most_mb=charter.success.size_mb,
        )
    else:
        found = again(split, task, learning, measured, stages, aids.made)
    y = encode_target(split.validation[task.target], found.plan.classes)
    found = calibrated(found, y, learning, measured)
    return replace(found, plan=with_decision(found.plan, charter.value, y, found.judged, amounts(charter, split.validation)))


def _summed(charter: Charter, split: Split, members: Mapping[str, Candidate]) -> Candidate:
    """The members as one: a plan whose score is their weighted sum, judged by the success metric on the validation rows."""
    from homeostat.core.targets import encode_target
    from homeostat.graph.merge import weighted_sum
    from homeostat.learning.candidate import Candidate
    from homeostat.stats.metrics import metric

    weights = weights_of(charter)

    def summed(frame: pl.DataFrame) -> Floats:
        return _sum(weights, {name: member_scores(member, member.oracle(frame)) for name, member in members.items()})

    judged = _sum(weights, {name: member_scores(member, member.judged) for name, member in members.items()})
    y = encode_target(split.validation[charter.task.target], ())
    windows = list(dict.fromkeys(member.window for member in members.values()))
    return Candidate(
        plan=weighted_sum({name: member.plan for name, member in members.items()}, weights, charter.task.target),
        learner=" + ".join(member.learner for member in members.values()),
        window=" + ".join(windows),
        params={name: dict(member.params) for name, member in members.items()},
        value=metric(charter.success.metric).score(y, judged),
        judged=judged,
        trials=(),
        oracle=summed,
        members=dict(members),
        single=any(member.single for member in members.values()),
    )


def _sum(weights: Mapping[str, float], scores: Mapping[str, Floats]) -> Floats:
    return np.asarray(sum(weights[name] * said for name, said in scores.items()))[:, None]
