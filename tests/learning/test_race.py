"""What ends a trial early, and whose turn it is: curves that fall behind, time that is over, folds that are given up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest

from homeostat.core import sections
from homeostat.errors import Refusal
from homeostat.graph.plan import Plan
from homeostat.graph.size import bundle_mb
from homeostat.learning.candidate import Candidate, goal_of
from homeostat.learning.learners import LEARNERS
from homeostat.learning.proposals import JUDGES, SURE_FROM, Proposer
from homeostat.learning.search import search
from homeostat.learning.trials import Bench, Choice, Race, Stages
from homeostat.preparation.decide import decide
from homeostat.preparation.fit import fit
from homeostat.preparation.split import split
from homeostat.serving.bundle import build, pack
from homeostat.stats.metrics import metric

if TYPE_CHECKING:
    from homeostat.core.records import Split

ALL = sections.Window()
TASK = sections.Task(type="regression", target="y")
PREPARATION = sections.Preparation(split=sections.SplitPlan(kind="random"))
TREES = {"num_leaves": 15, "learning_rate": 0.1, "min_data_in_leaf": 5, "feature_fraction": 0.9, "lambda_l2": 0.1, "extra_trees": 0}


def rows(count: int = 600) -> pl.DataFrame:
    rng = np.random.default_rng(3)
    x, z = rng.normal(size=(2, count))
    return pl.DataFrame({"x": x, "z": z, "y": 10 + 3 * np.sin(2 * x) + z + rng.normal(size=count)})


def bench_of(section: sections.Preparation = PREPARATION) -> tuple[Bench, Split]:
    parts = split(rows(), TASK, section)
    decisions = decide(parts.train, TASK, section)
    stages = Stages(
        lambda frame, flavour, categories: fit(frame, TASK, section, flavour, (), decisions), lambda frame, window: (frame, None)
    )
    return Bench(parts, "y", goal_of(parts, TASK, metric("mae")), stages, 0, clock=lambda: 0.0), parts


def test_learning_is_looked_at_whenever_it_has_gone_twice_as_far() -> None:
    race = Race()
    for tenths in range(1, 171):
        assert not race.learning(tenths / 10, 100.0 - tenths)
    assert race.curve == [(0, 90.0), (1, 80.0), (2, 60.0), (3, 20.0), (4, -60.0)]


def test_a_fit_that_is_behind_ends_and_its_model_counts() -> None:
    bench, _ = bench_of()
    whole = bench.run(0, Choice("lightgbm", ALL, TREES))
    asked: list[tuple[int, float]] = []
    cut = bench.run(1, Choice("lightgbm", ALL, TREES), Race(lambda step, error: (asked.append((step, error)), step == 1)[1]))
    assert [step for step, _ in cut.trial.curve] == [0, 1]
    assert tuple(asked) == cut.trial.curve
    assert asked[0][1] > asked[1][1], "the error falls while it learns"
    assert cut.trial.value is not None
    assert cut.trial.params["rounds"] == 20, "twenty rounds at a rate of a tenth are a progress of two"
    assert whole.trial.params["rounds"] > 20
    assert cut.trial.value == pytest.approx(asked[1][1]), "the error on the way is the metric of the model so far"


def test_time_that_is_over_ends_a_fit_at_its_first_round() -> None:
    bench, _ = bench_of()
    cut = bench.run(0, Choice("lightgbm", ALL, TREES), Race(over=lambda: True))
    assert cut.trial.params["rounds"] == 1
    assert cut.scores is not None


def test_folds_are_given_up_between_two_of_them_and_the_reason_is_told() -> None:
    bench, parts = bench_of(sections.Preparation(split=sections.SplitPlan(kind="random", folds=4)))
    given_up = bench.run(0, Choice("linear", ALL, {"penalty": 1.0}), Race(lambda step, error: step == 1))
    assert (given_up.trial.value, given_up.scores) == (None, None)
    assert given_up.trial.reason.startswith("given up after 2 of 4 folds")
    assert [step for step, _ in given_up.trial.curve] == [0, 1]
    whole = bench.run(1, Choice("linear", ALL, {"penalty": 1.0}), Race(lambda step, error: step == 3))
    assert whole.trial.value is not None, "behind after the last fold: it has finished"
    assert [step for step, _ in whole.trial.curve] == list(range(parts.rounds))
    assert whole.trial.curve[-1][1] == pytest.approx(whole.trial.value)


def proposer(*learners: str) -> Proposer:
    _, parts = bench_of()
    return Proposer({name: LEARNERS[name] for name in learners}, (ALL,), 0, goal_of(parts, TASK, metric("mae")))


def test_a_curve_is_behind_when_half_of_the_finished_ones_were_better_by_then() -> None:
    made = proposer("lightgbm")
    for number in range(JUDGES):
        asked = made.propose()
        steps = [(step, 10.0 + number - step) for step in range(5)]
        assert not any(asked.behind(step, error) for step, error in steps), "there is nobody to be behind"
        made.tell(asked, 5.0 + number, steps)
    slow, quick = made.propose(), made.propose()
    assert not slow.behind(0, 99.0), "too early to say"
    assert slow.behind(SURE_FROM, 50.0)
    assert not quick.behind(SURE_FROM, 1.0)
    made.tell(slow, None, [(0, 99.0), (SURE_FROM, 50.0)])
    made.tell(quick, 3.0, [(SURE_FROM, 1.0)])


def test_what_is_told_of_a_recalled_trial_is_what_running_it_would_have_told() -> None:
    def asked_after(told: bool) -> list[dict[str, Any]]:
        made, params = proposer("lightgbm", "linear"), []
        made.warm_up()
        for number in range(10):
            asked = made.propose()
            curve = [(step, 10.0 + (number * 7) % 5 - step) for step in range(4)]
            if told:
                for step, error in curve:
                    asked.behind(step, error)
            made.tell(asked, None if number == 4 else 6.0 + (number * 3) % 4, curve)
            params.append({"learner": asked.choice.learner, **asked.choice.params})
        return params

    assert asked_after(True) == asked_after(False)


def test_the_better_a_learner_the_more_often_it_is_its_turn() -> None:
    made, turns = proposer("linear", "lightgbm", "extra_trees", "naive"), []
    worth = {"linear": 9.0, "lightgbm": 3.0, "extra_trees": 5.0}
    for _ in range(28):
        asked = made.propose()
        turns.append(asked.choice.learner)
        made.tell(asked, worth[asked.choice.learner])
    counts = [turns.count(name) for name in ("lightgbm", "extra_trees", "linear")]
    assert counts == sorted(counts, reverse=True)
    assert counts[0] >= 14
    assert counts[2] >= 3


def test_the_portfolio_comes_before_what_a_sampler_draws() -> None:
    made = proposer("linear")
    made.warm_up()
    first = [made.propose().choice.params for _ in range(2)]
    assert first == [{"penalty": 30.0, "l1": 0.0}, {"penalty": 10.0, "l1": 0.5}]


def test_what_is_too_large_cannot_win_and_members_together_neither() -> None:
    bench, parts = bench_of()
    section = sections.Learning(learners=("naive", "linear", "lightgbm"), budget=sections.Budget(seconds=None, trials=8))

    def found(most_mb: float | None) -> Candidate:
        return search(parts, TASK, section, metric("mae"), bench.stages, clock=lambda: 0.0, most_mb=most_mb)

    free = found(None)
    assert "lightgbm" in free.learner
    sizes = {trial.number: trial.size_mb for trial in free.trials}
    single = [trial for trial in free.trials if trial.learner == "lightgbm"]
    assert bundle_mb(free.plan.nodes) > min(trial.size_mb for trial in single)
    most = sorted(trial.size_mb for trial in single)[1]
    small = found(most)
    assert bundle_mb(small.plan.nodes) <= most * 1.5, "fitted again on more rows, with as many rounds"
    assert {trial.number: trial.size_mb for trial in small.trials} == sizes, "what is too large is tried and told"
    assert found(1e-3).learner in ("linear", "naive")
    with pytest.raises(Refusal, match=r"HS303.*more than the 1e-06 MB of success.size_mb"):
        found(1e-6)


def test_a_bundle_has_about_the_size_that_its_nodes_say() -> None:
    bench, parts = bench_of()
    model = bench.fit(parts.development, Choice("lightgbm", ALL, {**TREES, "num_leaves": 60, "rounds": 300}))
    plan = Plan("regression", "y", model.preparation.inputs, model.nodes, ())
    packed = pack(build(plan, name="sized", sample=parts.validation, ignored=["y"], facts={}, created="2026-01-01T00:00:00+00:00"))
    assert len(packed) / 1e6 == pytest.approx(bundle_mb(model.nodes), rel=0.35)
