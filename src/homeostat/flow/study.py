"""Studies of a candidate on request: how its error falls with more rows, and what each column is worth. The holdout is not looked at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from homeostat.core.ids import digest, fact_id
from homeostat.errors import LearningError
from homeostat.flow.outlook import SHARES
from homeostat.flow.quick import without
from homeostat.flow.refitting import Refitting, refitting
from homeostat.stats.metrics import metric

if TYPE_CHECKING:
    from homeostat.core.facts import Fact
    from homeostat.core.ports import Progress
    from homeostat.flow.project import Project
    from homeostat.graph.plan import Floats

FEWEST_ROWS, DRAWS = 40, 200


@dataclass(frozen=True, slots=True)
class Ablated:
    """The model without some columns: its metric, and by what share of the whole model's error it is worse, with an interval."""

    group: str
    columns: tuple[str, ...]
    value: float
    worse: float
    low: float
    high: float


def learning_curve(project: Project, candidate: Fact, progress: Progress | None = None) -> Fact:
    """The ``study`` fact of the candidate's params fitted on growing random shares of its training rows, and what more rows promise.

    Raises:
        LearningError: HS331, see ``refitting``.
    """
    key = digest({"candidate": candidate.id, "kind": "learning curve", "shares": SHARES})
    known = project.ledger.get(fact_id("study", key))
    if known is not None:
        return known
    made = refitting(project, candidate)
    body = {**_head(made, candidate, "learning curve"), **_curve(made, _points(made, progress))}
    return project.record("study", key, body, subject=candidate.id, causes=(candidate.id,))


def ablation(project: Project, candidate: Fact, groups: Mapping[str, Sequence[str]], progress: Progress | None = None) -> Fact:
    """The ``study`` fact of the candidate's params fitted without each input column, and without each group of them.

    Columns whose names begin alike (before the first ``_`` or ``.``) are a group too. What is lost is paired with the whole model on
    the same resampled validation rows.

    Args:
        project: whose.
        candidate: which.
        groups: more groups, by name.
        progress: told before each fit.

    Raises:
        LearningError: HS332, a group names a column that is no input; HS331, see ``refitting``.
    """
    inputs = _inputs(project, candidate)
    for name, columns in groups.items():
        strange = [each for each in columns if each not in inputs]
        if strange or not columns:
            raise LearningError("HS332", f"the group {name!r} has {', '.join(strange) or 'no columns'}; inputs are {', '.join(inputs)}")
    every = {**{each: (each,) for each in inputs}, **_prefixes(inputs), **{name: tuple(columns) for name, columns in groups.items()}}
    key = digest({"candidate": candidate.id, "kind": "ablation", "groups": every})
    known = project.ledger.get(fact_id("study", key))
    if known is not None:
        return known
    made = refitting(project, candidate)
    found, failed = _ablated(made, every, progress)
    told = [asdict(each) for each in sorted(found, key=lambda each: -each.worse)]
    body = {**_head(made, candidate, "ablation"), "groups": told, "failed": failed}
    return project.record("study", key, body, subject=candidate.id, causes=(candidate.id,))


def _head(made: Refitting, candidate: Fact, kind: str) -> dict[str, Any]:
    success = made.charter.success
    rows = {"train": made.split.train.height, "validation": made.split.validation.height}
    return {"candidate": candidate.id, "kind": kind, "metric": success.metric, "confidence": success.confidence, "rows": rows}


def _points(made: Refitting, progress: Progress | None) -> list[tuple[int, Floats]]:
    rng = np.random.default_rng(made.learning.seed)
    train, found = made.split.train, []
    for share, repeats in SHARES:
        size = int(share * train.height)
        for _ in range(repeats if size >= FEWEST_ROWS else 0):
            if progress is not None:
                progress.update(f"fit on {size} rows")
            chosen = np.sort(rng.choice(train.height, size, replace=False))
            try:
                found.append((size, made.judged(train[chosen])))
            except LearningError:
                continue  # a small sample may lack a class: one point of the curve less
    return found


def _curve(made: Refitting, points: Sequence[tuple[int, Floats]]) -> dict[str, Any]:
    from homeostat.stats.intervals import bootstrap
    from homeostat.stats.learning_curve import learning_curve as through
    from homeostat.stats.learning_curve import measured_errors
    from homeostat.stats.resample import Resampling

    measured, how = metric(made.charter.success.metric), made.charter.success.confidence
    resampling = Resampling(how, DRAWS, made.learning.seed, made.block)
    told = []
    for size in sorted({size for size, _ in points}):
        models = [scores for own, scores in points if own == size]
        ends = [
            bootstrap(measured, made.y, scores, confidence=how, resamples=DRAWS, seed=made.learning.seed, block=made.block)
            for scores in models
        ]
        value = float(np.mean([measured.score(made.y, scores) for scores in models]))
        told.append({"rows": size, "models": len(models), "value": value, "low": min(e[0] for e in ends), "high": max(e[1] for e in ends)})
    errors, draws = measured_errors(measured, made.y, [scores for _, scores in points], resampling)
    curve = through([size for size, _ in points], errors, draws, confidence=how, seed=made.learning.seed)
    ahead = [] if curve is None else [asdict(each) for each in curve.forecasts if np.isfinite(each.rows)]
    return {"points": told, "forecasts": ahead, "trustworthy": curve is not None and curve.trustworthy}


def _inputs(project: Project, candidate: Fact) -> tuple[str, ...]:
    from homeostat.flow.registry import load_bundle

    return tuple(each.name for each in load_bundle(project, str(candidate.body["bundle"])).inputs())


def _prefixes(inputs: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Columns that begin alike, where these are several and not all: ``{"weather_*": ("weather_temp", "weather_wind")}``."""
    found: dict[str, list[str]] = {}
    for name in inputs:
        stem = name.split("." if "." in name else "_")[0]
        if stem != name:
            found.setdefault(f"{name[: len(stem) + 1]}*", []).append(name)
    return {stem: tuple(names) for stem, names in found.items() if 1 < len(names) < len(inputs)}


def _ablated(made: Refitting, groups: Mapping[str, tuple[str, ...]], progress: Progress | None) -> tuple[list[Ablated], dict[str, str]]:
    from homeostat.stats.paired import paired_bootstrap

    measured, y, train = metric(made.charter.success.metric), made.y, made.split.train
    whole, found, failed = made.judged(train), [], {}
    for name, columns in groups.items():
        if progress is not None:
            progress.update(f"fit without {name}")
        try:
            scores = made.judged(train, without(made.charter, columns))
        except LearningError as error:
            failed[name] = error.line()
            continue
        confidence = (1 + made.charter.success.confidence) / 2  # an end on each side
        paired = paired_bootstrap(measured, y, scores, whole, confidence=confidence, seed=made.learning.seed, block=made.block)
        found.append(Ablated(name, columns, paired.ours, -paired.difference, -paired.high, -paired.low))
    return found, failed
