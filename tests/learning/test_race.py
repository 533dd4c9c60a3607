"""What ends a trial early, and whose turn it is: curves that fall behind, time that is over, folds that are given up."""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING

import numpy as np
import optuna
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeostat.core import sections
from homeostat.errors import Refusal
from homeostat.graph.plan import Plan
from homeostat.graph.size import bundle_mb
from homeostat.learning.candidate import Candidate, goal_of
from homeostat.learning.learners import LEARNERS
from homeostat.learning.proposals import JUDGES, SURE_FROM, Proposer
from homeostat.learning.search import search
from homeostat.learning.trials import UNLIMITED, Bench, Choice, Limits, Race, Stages
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
    race = Race(UNLIMITED, lambda: 0.0)
    for tenths in range(1, 171):
        assert not race.learning(tenths / 10, 100.0 - tenths)
    assert race.curve == [(0, 90.0), (1, 80.0), (2, 60.0), (3, 20.0), (4, -60.0)]


def test_a_fit_that_is_behind_ends_and_its_model_counts() -> None:
    bench, _ = bench_of()
    whole = bench.run(0, Choice("lightgbm", ALL, TREES))
    cut = bench.run(1, Choice("lightgbm", ALL, TREES), Limits({1: 0.0}))
    asked = cut.trial.curve
    assert [step for step, _ in asked] == [0, 1]
    assert asked == whole.trial.curve[:2]
    assert asked[0][1] > asked[1][1], "the error falls while it learns"
    assert cut.trial.value is not None
    assert cut.trial.params["rounds"] == 20, "twenty rounds at a rate of a tenth are a progress of two"
    assert whole.trial.params["rounds"] > 20
    assert cut.trial.value == pytest.approx(asked[1][1]), "the error on the way is the metric of the model so far"


def test_time_that_is_over_ends_a_fit_at_its_first_round() -> None:
    bench, _ = bench_of()
    cut = bench.run(0, Choice("lightgbm", ALL, TREES), Limits(until=0.0))
    assert cut.trial.params["rounds"] == 1
    assert cut.scores is not None


def test_folds_are_given_up_between_two_of_them_and_the_reason_is_told() -> None:
    bench, parts = bench_of(sections.Preparation(split=sections.SplitPlan(kind="random", folds=4)))
    given_up = bench.run(0, Choice("linear", ALL, {"penalty": 1.0}), Limits({1: 0.0}))
    assert (given_up.trial.value, given_up.scores) == (None, None)
    assert given_up.trial.reason.startswith("given up after 2 of 4 folds")
    assert [step for step, _ in given_up.trial.curve] == [0, 1]
    whole = bench.run(1, Choice("linear", ALL, {"penalty": 1.0}), Limits({3: 0.0}))
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
        assert made.behind(asked) == {}, "there is nobody to be behind"
        made.tell(asked, 5.0 + number, [(step, 10.0 + number - step) for step in range(5)])
    slow, quick = made.propose(), made.propose()
    limits = made.behind(slow)
    assert limits == made.behind(quick) == {step: 11.0 - step for step in range(SURE_FROM, 5)}
    race = Race(Limits(limits), lambda: 0.0)
    assert not race.lags(0, 99.0), "too early to say"
    assert race.lags(SURE_FROM, 50.0)
    assert not Race(Limits(limits), lambda: 0.0).lags(SURE_FROM, 1.0)
    made.tell(slow, None, [(0, 99.0), (SURE_FROM, 50.0)])
    assert made.behind(quick) == limits, "what was given up judges nobody"


CURVE = st.lists(st.sampled_from([0.1, 0.2, 0.3, 0.7, 1.1, math.nan]), min_size=1, max_size=6)


@given(st.lists(CURVE, max_size=6), CURVE)
def test_limits_are_the_median_rule_of_the_librarys_own_pruner(finished: list[list[float]], curve: list[float]) -> None:
    """Told step by step, its pruner ends a curve where ours says that it is behind."""
    made = proposer("lightgbm")
    study = optuna.create_study(pruner=optuna.pruners.MedianPruner(n_startup_trials=JUDGES, n_warmup_steps=SURE_FROM))
    for errors in finished:
        told = list(enumerate(errors))
        made.tell(made.propose(), 1.0, told)
        trial = study.ask()
        for step, error in told:
            trial.report(error, step)
        study.tell(trial, 1.0)
    race, trial = Race(Limits(made.behind(made.propose())), lambda: 0.0), study.ask()
    for step, error in enumerate(curve):
        trial.report(error, step)
        if all(math.isnan(each) for each in curve[: step + 1]):  # the library warns, and calls it behind where nobody has come
            assert race.lags(step, error) == (step in made.behind(made.propose()))
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # all of the others have no number there
            assert race.lags(step, error) == trial.should_prune()


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
