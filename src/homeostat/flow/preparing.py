"""Stage 4 as a search takes it: the decisions about columns, and how windows, samples and balanced classes follow from the charter."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import polars as pl

    from homeostat.charter.schema import Charter
    from homeostat.core import sections
    from homeostat.core.records import Decision, Split
    from homeostat.graph.plan import Floats
    from homeostat.learning.learner import Learner
    from homeostat.learning.trials import Stages


def stages_of(
    charter: Charter, split: Split, decisions: Sequence[Decision] | None = None, learners: Mapping[str, Learner] | None = None
) -> Stages:
    """What a search of this charter on this split is given of stage 4.

    Args:
        charter: task, preparation and seed.
        split: classes are those of its training rows, and so are the decisions unless they are given.
        decisions: as ``decide`` took them.
        learners: by name; None: those that come with this program.

    Raises:
        LearningError: HS301, one class only; HS304 or HS308, see ``preparation.decide``.
        CharterError: HS106, classes are to be balanced in a regression.
    """
    from homeostat.charter.effective import effective_task
    from homeostat.core.targets import classes_of
    from homeostat.learning.learners import LEARNERS
    from homeostat.learning.trials import Stages
    from homeostat.preparation.balance import balancer
    from homeostat.preparation.decide import CATEGORY_ENCODINGS, decide, encoded
    from homeostat.preparation.fit import fit

    task, section = effective_task(charter), charter.preparation
    classes = classes_of(split.train[task.target], task)
    taken = decide(split.train, task, section) if decisions is None else decisions
    return Stages(
        fit_preparation=lambda frame, flavour, categories: fit(frame, task, section, flavour, classes, encoded(taken, categories)),
        select_window=partial(_window_rows, charter.task, charter.labelling.weight, charter.preparation.sample, charter.learning.seed),
        balance=balancer(task, section, classes, charter.learning.seed),
        categories={"tree": CATEGORY_ENCODINGS} if encoded(taken, "ordinal") != tuple(taken) else {},
        learners=LEARNERS if learners is None else learners,
    )


def training_window(charter: Charter, frame: pl.DataFrame, window: sections.Window) -> tuple[pl.DataFrame, Floats | None]:
    """The rows of a window and their weights: those of age, times that of weak labels; no more rows than the charter's sample."""
    return _window_rows(charter.task, charter.labelling.weight, charter.preparation.sample, charter.learning.seed, frame, window)


def _window_rows(
    task: sections.Task, weak: float, size: sections.Sampling | None, seed: int, frame: pl.DataFrame, window: sections.Window
) -> tuple[pl.DataFrame, Floats | None]:
    """The same, of the clauses it rests on: a search that runs elsewhere sends these, and not the charter with its addresses."""
    from homeostat.preparation.labelling import weigh
    from homeostat.preparation.sample import sample
    from homeostat.preparation.window import select

    rows, weights = select(frame, task, window)
    weights = weigh(rows, weights, weak)
    taken = sample(rows, task, size, seed)
    if taken is None:
        return rows, weights
    return rows[taken], None if weights is None else weights[taken]


def told(decisions: Sequence[Decision]) -> dict[str, dict[str, Any]]:
    """Decisions as a fact tells them: by column of the data, with what is done and why, and without what is not done."""
    return {each.column: _told(each) for each in decisions if not each.column.startswith("_")}


def _told(decision: Decision) -> dict[str, Any]:
    always = ("kind", "reason", "by")
    body = {name: value for name, value in asdict(decision).items() if name in always or value not in (False, "none", "", None)}
    del body["column"]
    if decision.number is not None:
        body["number"] = float(f"{decision.number:.6g}")
    return body
