"""What is hard on a search: a class missing in a fold, three rows, thousands of columns, as many values as rows, learners that fail."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest

from homeostat.core import sections
from homeostat.core.targets import classes_of
from homeostat.errors import LearningError, Refusal
from homeostat.learning.learner import Fitted, Goal, Rows
from homeostat.learning.learners import LEARNERS, naive
from homeostat.learning.search import search
from homeostat.learning.trials import Stages
from homeostat.preparation.split import split
from homeostat.preparation.window import select
from homeostat.stats.metrics import metric

if TYPE_CHECKING:
    from homeostat.core.records import Split
    from homeostat.learning.candidate import Candidate

RNG = np.random.default_rng(0)
ALL = ("naive", "linear", "lightgbm", "extra_trees", "random_forest", "xgboost")
NUMBER = sections.Task(type="regression", target="y")
CLASS = sections.Task(type="binary", target="y", positive="yes")


def found(frame: pl.DataFrame, task: sections.Task, name: str, preparation: sections.Preparation | None = None, **given: Any) -> Candidate:
    from homeostat.preparation.fit import fit

    prepare = preparation or sections.Preparation()
    parts: Split = split(frame, task, prepare)
    classes = classes_of(parts.train[task.target], task)
    stages = Stages(
        lambda rows, flavour, categories: fit(rows, task, prepare, flavour, classes),
        lambda rows, window: select(rows, task, window),
        learners=given.pop("known", LEARNERS),
    )
    learning = sections.Learning(**{"learners": ALL, "budget": sections.Budget(seconds=None, trials=len(ALL)), "ensemble": False, **given})
    return search(parts, task, learning, metric(name), stages, clock=lambda: 0.0)


def reasons(candidate: Candidate) -> dict[str, str]:
    return {trial.learner: trial.reason for trial in candidate.trials}


def test_a_fold_with_one_class_fails_its_trials_and_no_more() -> None:
    """All rows of a class are of one group: the fold that is judged on it has learned from one class, the others are judged on one."""
    by_group = sections.Preparation(split=sections.SplitPlan(kind="group", group="g", folds=3))
    group = np.arange(240) % 12
    frame = pl.DataFrame({"x": RNG.normal(size=240), "g": [f"g{at}" for at in group]})
    learned = split(frame.with_columns(y=pl.lit("no")), CLASS, by_group).train["g"][0]
    frame = frame.with_columns(y=pl.when(pl.col("g") == learned).then(pl.lit("yes")).otherwise(pl.lit("no")))
    told = found(frame, CLASS, "log_loss", by_group, learners=("naive", "linear"))
    assert told.learner == "naive"
    assert "class" in reasons(told)["linear"]
    with pytest.raises(Refusal, match=r"HS303.*one class only"):
        found(frame, CLASS, "auc", by_group, learners=("naive",))


def test_three_rows_are_too_few_and_that_is_said() -> None:
    with pytest.raises(LearningError, match="HS302"):
        found(pl.DataFrame({"x": [1.0, 2.0, 3.0], "y": [1.0, 2.0, 3.0]}), NUMBER, "mae")


@pytest.mark.slow
def test_two_thousand_columns() -> None:
    x = RNG.normal(size=(120, 2_000))
    frame = pl.DataFrame(x, schema=[f"c{at}" for at in range(2_000)]).with_columns(y=pl.Series(x[:, 7] * 5))
    told = found(frame, NUMBER, "mae", learners=("naive", "linear"))
    assert set(reasons(told).values()) == {""}
    assert told.learner == "linear"


def test_a_column_with_a_value_of_its_own_for_each_row() -> None:
    x = RNG.normal(size=3_000)
    frame = pl.DataFrame({"x": x, "id": [f"customer-{at}" for at in range(3_000)], "y": x + RNG.normal(size=3_000)})
    told = found(frame, NUMBER, "mae", learners=("naive", "linear", "lightgbm"))
    assert set(reasons(told).values()) == {""}
    assert told.value < 1.2


def failing(fit: Callable[..., Fitted]) -> Any:
    return SimpleNamespace(flavour="linear", defaults={}, portfolio=lambda goal: (), space=lambda trial, goal: {}, fit=fit)


def raises(*_: Any) -> Fitted:
    raise RuntimeError("no way")


def says_nan(rows: Rows, goal: Goal, *_: Any) -> Fitted:
    constant = naive.fit(rows, goal, {}, 0)
    return Fitted(constant.nodes, lambda features: np.full((len(features), 1), np.nan), {})


def takes_all(*_: Any) -> Fitted:
    raise MemoryError("cannot allocate")


def test_learners_that_fail_are_on_record_and_the_search_goes_on() -> None:
    known = {**LEARNERS, "raising": failing(raises), "silent": failing(says_nan), "greedy": failing(takes_all)}
    frame = pl.DataFrame({"x": RNG.normal(size=90), "y": RNG.normal(size=90)})
    told = found(frame, NUMBER, "mae", learners=("raising", "silent", "greedy", "linear"), known=known)
    assert told.learner == "linear"
    assert reasons(told)["raising"] == "RuntimeError: no way"
    assert reasons(told)["silent"].startswith("mae is nan: predictions that are no numbers")
    assert reasons(told)["greedy"] == "MemoryError: cannot allocate"
    with pytest.raises(
        Refusal, match=r"HS303.*all 2 trials failed \(raising on all: RuntimeError: no way; silent on all: mae is nan"
    ) as no:
        found(frame, NUMBER, "mae", learners=("raising", "silent"), known=known, budget=sections.Budget(seconds=None, trials=2))
    assert no.value.exit_code == 3
