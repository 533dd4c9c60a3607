"""Tests of a candidate on request: its learners on its training rows, its bundle on its validation rows. The holdout is not looked at."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING

from homeostat.core.ids import digest, fact_id
from homeostat.flow.refitting import refitting

if TYPE_CHECKING:
    from homeostat.core.facts import Fact
    from homeostat.core.ports import Progress
    from homeostat.flow.project import Project
    from homeostat.flow.refitting import Refitting
    from homeostat.learning.model_tests import Tested

ROWS = 2_000
FORMAT = 1
"""Part of what names a test: one by other tests is made anew."""


def run_tests(project: Project, candidate: Fact, progress: Progress | None = None) -> Fact:
    """The ``model_test`` fact of a candidate: each test with what was measured, and whether all passed.

    Raises:
        LearningError: HS331, see ``refitting``.
    """
    from homeostat.learning.model_tests import answer_tests, failed
    from homeostat.serving.parity import stress_frame
    from homeostat.serving.predictor import Predictor

    key = digest({"candidate": candidate.id, "format": FORMAT})
    known = project.ledger.get(fact_id("model_test", key))
    if known is not None:
        return known
    from homeostat.flow.registry import load_bundle

    made = refitting(project, candidate)
    bundle = load_bundle(project, str(candidate.body["bundle"]))
    seed = made.learning.seed
    rows = made.split.validation.head(ROWS).select([each.name for each in bundle.inputs()])
    tests = answer_tests(Predictor(bundle).predict_frame, rows, stress_frame(rows, bundle.inputs(), seed), seed)
    tests = (*tests, *_learning(made, progress))
    body = {"candidate": candidate.id, "passed": not failed(tests), "tests": [asdict(each) for each in tests]}
    return project.record("model_test", key, body, subject=candidate.id, causes=(candidate.id,))


def _learning(made: Refitting, progress: Progress | None) -> tuple[Tested, ...]:
    """The tests of each learner of the candidate, with the params and window of its first model."""
    from homeostat.learning.model_tests import learning_tests

    bench = made.bench(made.split.train)
    found: list[Tested] = []
    first = {choice.learner: choice for choice, _ in reversed(made.choices)}
    for learner, choice in sorted(first.items()):
        if progress is not None:
            progress.update(f"test {learner}")
        prepared = bench.prepare(made.split.train, choice)
        goal = replace(bench.goal, source=prepared.preparation.out)
        found += learning_tests(learner, choice.learned, prepared.rows, goal, made.learning.seed)
    return tuple(found)
