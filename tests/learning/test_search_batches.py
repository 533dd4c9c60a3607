"""Batches, memory and ensembles of a search: what runs the trials, and what was remembered of them, change nothing."""

from __future__ import annotations

import pickle
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import cloudpickle
import numpy as np
import onnxruntime
import polars as pl
import pytest

from homeostat.core import sections
from homeostat.core.targets import encode_target
from homeostat.graph.decode import decode_frame
from homeostat.graph.encode import dump_plan
from homeostat.graph.interpret import run
from homeostat.graph.onnx import compile_plan
from homeostat.infra.engine import threads
from homeostat.learning.search import search
from homeostat.learning.together import one_by_one
from homeostat.learning.trials import Bench, Choice, Limits, Outcome, Stages
from homeostat.preparation.decide import decide
from homeostat.preparation.fit import fit
from homeostat.preparation.split import split
from homeostat.preparation.window import select
from homeostat.stats.metrics import metric

if TYPE_CHECKING:
    from homeostat.core.records import Split
    from homeostat.learning.candidate import Candidate

SECTION = sections.Preparation(split=sections.SplitPlan(kind="random"))
LEARNERS = ("naive", "linear", "lightgbm", "extra_trees")


class Remembered:
    """A memo in memory that gives out the first ``known`` trials of an earlier search, without their models."""

    def __init__(self, earlier: Remembered | None = None, known: int = 0) -> None:
        self.kept: dict[int, tuple[Choice, Outcome]] = {n: earlier.kept[n] for n in range(known)} if earlier else {}
        self.recalled = 0

    def recall(self, number: int, choice: Choice) -> Outcome | None:
        known = self.kept.get(number)
        if known is None or known[0] != choice:
            return None
        self.recalled += 1
        return replace(known[1], model=None)

    def keep(self, choice: Choice, outcome: Outcome) -> None:
        self.kept[outcome.trial.number] = (choice, outcome)


def searched(
    frame: pl.DataFrame, task: sections.Task, name: str, section: sections.Preparation = SECTION, **given: Any
) -> tuple[Candidate, Split]:
    parts = split(frame, task, section)
    options = {key: given.pop(key) for key in ("memo", "together", "clock", "start") if key in given}
    learning = sections.Learning(**{"learners": LEARNERS, "budget": sections.Budget(seconds=None, trials=9), **given})
    classes = ("no", "yes") if task.type == "binary" else ()
    decisions = decide(parts.train, task, section)
    stages = Stages(
        lambda rows, flavour, categories: fit(rows, task, section, flavour, classes, decisions),
        lambda rows, window: select(rows, task, window),
    )
    return search(parts, task, learning, metric(name), stages, **{"clock": lambda: 0.0, **options}), parts


def told(found: Candidate) -> list[tuple[Any, ...]]:
    return [(t.number, t.learner, t.window, dict(t.params), t.value) for t in found.trials]


@pytest.fixture(scope="module")
def rows(bank: pl.DataFrame) -> pl.DataFrame:
    return bank.head(2_400)


@pytest.fixture(scope="module")
def whole(rows: pl.DataFrame, bank_task: sections.Task) -> tuple[Candidate, Remembered]:
    memo = Remembered()
    return searched(rows, bank_task, "auc", memo=memo)[0], memo


def test_threads_and_one_by_one_come_to_the_same(rows: pl.DataFrame, bank_task: sections.Task, whole: tuple[Candidate, Remembered]) -> None:
    other, _ = searched(rows, bank_task, "auc", together=threads)
    assert told(other) == told(whole[0])
    assert dump_plan(other.plan) == dump_plan(whole[0].plan)
    np.testing.assert_array_equal(other.judged, whole[0].judged)


@pytest.mark.parametrize("known", [1, 4, 5, 8, 9])
def test_a_search_cut_off_at_any_trial_ends_with_the_same_model(
    rows: pl.DataFrame, bank_task: sections.Task, whole: tuple[Candidate, Remembered], known: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[int] = []
    plain = Bench.run
    monkeypatch.setattr(Bench, "run", lambda bench, number, choice, limits: (ran.append(number), plain(bench, number, choice, limits))[1])
    memo = Remembered(whole[1], known)
    again, _ = searched(rows, bank_task, "auc", memo=memo)
    assert memo.recalled == known
    assert ran == list(range(known, 9))
    assert told(again) == told(whole[0])
    assert dump_plan(again.plan) == dump_plan(whole[0].plan)
    np.testing.assert_array_equal(again.judged, whole[0].judged)


def test_a_remembered_trial_of_another_choice_is_not_taken(
    rows: pl.DataFrame, bank_task: sections.Task, whole: tuple[Candidate, Remembered]
) -> None:
    memo = Remembered(whole[1], 9)
    other, _ = searched(rows, bank_task, "auc", memo=memo, learners=("naive", "lightgbm"))
    fresh, _ = searched(rows, bank_task, "auc", learners=("naive", "lightgbm"))
    assert told(other) == told(fresh)


def test_seconds_of_remembered_trials_are_spent(rows: pl.DataFrame, bank_task: sections.Task) -> None:
    ticks = iter(range(10**6))
    budget = sections.Budget(seconds=30, trials=None)
    memo = Remembered()
    first, _ = searched(rows, bank_task, "auc", memo=memo, clock=lambda: float(next(ticks)), budget=budget, at_once=1)
    later = Remembered(memo, len(first.trials))
    ticks = iter(range(10**6))
    again, _ = searched(rows, bank_task, "auc", memo=later, clock=lambda: float(next(ticks)), budget=budget, at_once=1)
    assert len(first.trials) <= len(again.trials) <= len(first.trials) + 3


def test_an_ensemble_is_the_weighted_mean_of_its_refitted_members_in_one_graph(rows: pl.DataFrame, bank_task: sections.Task) -> None:
    found, parts = searched(rows, bank_task, "auc", learners=("linear", "lightgbm", "extra_trees", "random_forest"))
    assert found.learner.startswith("ensemble of ")
    members = found.params["members"]
    assert sum(each["weight"] for each in members) == pytest.approx(1.0)
    y = encode_target(parts.validation["y"], found.plan.classes)
    assert metric("auc").score(y, found.judged) == pytest.approx(found.value)
    assert found.value > max(trial.value for trial in found.trials if trial.value is not None)
    broken = parts.holdout.with_columns(age=pl.lit(None, dtype=pl.Int64), job=pl.lit("never seen"))
    for frame in (parts.holdout, broken):
        decoded = decode_frame(found.plan.inputs, frame)
        expected = found.oracle(frame)
        np.testing.assert_allclose(run(found.plan, *decoded), expected, rtol=0, atol=1e-9)
        session = onnxruntime.InferenceSession(compile_plan(found.plan), providers=["CPUExecutionProvider"])
        arrays = decoded._asdict()
        got = session.run(["score"], {each.name: arrays[each.name] for each in session.get_inputs()})[0]
        np.testing.assert_allclose(got, expected, rtol=0, atol=1e-9)


def test_members_of_a_champion_are_each_tried_first(rows: pl.DataFrame, bank_task: sections.Task) -> None:
    members = [
        {
            "learner": "lightgbm",
            "params": {"num_leaves": 17, "learning_rate": 0.05, "min_data_in_leaf": 30, "feature_fraction": 0.8, "lambda_l2": 1.0},
        },
        {"learner": "linear", "params": {"penalty": 7.0}},
    ]
    found, _ = searched(rows, bank_task, "auc", start={"learner": "ensemble of lightgbm, linear", "params": {"members": members}})
    first = [(t.learner, t.params.get("num_leaves") or t.params.get("penalty")) for t in found.trials[:3]]
    assert first == [("naive", None), ("lightgbm", 17), ("linear", 7.0)]


def test_folds_give_an_ensemble_out_of_fold_scores(rows: pl.DataFrame, bank_task: sections.Task) -> None:
    section = sections.Preparation(split=sections.SplitPlan(kind="random", folds=3))
    found, parts = searched(rows, bank_task, "auc", section, learners=("linear", "lightgbm", "extra_trees"))
    judged = np.concatenate([encode_target(parts.round(at)[1]["y"], found.plan.classes) for at in range(parts.rounds)])
    assert len(judged) == parts.development.height
    assert found.judged.shape == (parts.validation.height, 2)
    if found.learner.startswith("ensemble"):
        assert found.value > max(t.value for t in found.trials if t.value is not None) - 0.02


def test_what_one_job_raises_is_raised_when_all_have_ended() -> None:
    ended: list[int] = []
    told: list[tuple[int, int]] = []

    def do(number: int) -> int:
        if number == 1:
            raise ValueError("one")
        ended.append(number)
        return 10 * number

    with pytest.raises(ValueError, match="one"):
        threads(do, [(number,) for number in range(4)], done=lambda at, found: told.append((at, found)))
    assert sorted(ended) == [0, 2, 3]
    assert sorted(told) == [(0, 0), (2, 20), (3, 30)], "what has ended is told, whatever the others come to"
    assert threads(do, [(0,), (2,)]) == one_by_one(do, [(0,), (2,)]) == [0, 20]
    assert threads(do, []) == []


def test_a_trial_is_kept_while_others_of_its_batch_still_run(rows: pl.DataFrame, bank_task: sections.Task) -> None:
    kept = threading.Event()

    class Noted(Remembered):
        def keep(self, choice: Choice, outcome: Outcome) -> None:
            super().keep(choice, outcome)
            kept.set()

    plain = Bench.run

    def waits_for_the_other(bench: Bench, number: int, choice: Choice, limits: Limits) -> Outcome:
        if number == 0:
            assert kept.wait(60), "trial 1 is kept before trial 0 has ended"
        return plain(bench, number, choice, limits)

    memo = Noted()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Bench, "run", waits_for_the_other)
        searched(
            rows,
            bank_task,
            "auc",
            together=threads,
            memo=memo,
            learners=("naive", "linear"),
            budget=sections.Budget(seconds=None, trials=2),
        )
    assert list(memo.kept) == [1, 0]


def test_a_trial_whose_process_died_has_failed_and_the_search_goes_on(rows: pl.DataFrame, bank_task: sections.Task) -> None:
    """An engine that loses every job of linear says why; the rest is as it would be without that learner's results."""

    def losing(work: Any, jobs: Any, *, done: Any = None, lost: Any = None) -> Any:
        found = [lost(at, "it died") if job[1].learner == "linear" else work(*job) for at, job in enumerate(jobs)]
        for at, outcome in enumerate(found):
            done(at, outcome)
        return found

    memo = Remembered()
    found, _ = searched(rows, bank_task, "auc", together=losing, memo=memo, ensemble=False)
    dead = [trial for trial in found.trials if trial.learner == "linear"]
    assert dead
    assert all((trial.value, trial.reason) == (None, "it died") for trial in dead)
    assert found.learner in ("lightgbm", "extra_trees")
    assert len(memo.kept) == len(found.trials) == 9


def test_what_is_sent_of_a_bench_is_its_open_rows_and_no_more(rows: pl.DataFrame, bank_task: sections.Task) -> None:
    seen: list[bytes] = []

    def sent(work: Any, jobs: Any, *, done: Any = None, lost: Any = None) -> Any:
        packed = cloudpickle.dumps(work)
        seen.append(packed)
        assert all(len(cloudpickle.dumps(job)) < 4_000 for job in jobs)
        there = pickle.loads(packed)  # noqa: S301 - our own bytes
        assert there.__self__.split.holdout.height == 0
        back = [pickle.loads(cloudpickle.dumps(there(*job))) for job in jobs]  # noqa: S301 - our own bytes
        for at, outcome in enumerate(back):
            if done is not None:
                done(at, outcome)
        return back

    budget = sections.Budget(seconds=None, trials=4)
    found, parts = searched(rows, bank_task, "auc", together=sent, budget=budget)
    open_rows = sum(len(cloudpickle.dumps(part)) for part in (parts.train, parts.validation))
    assert max(len(packed) for packed in seen) < open_rows + 50_000
    here, _ = searched(rows, bank_task, "auc", budget=budget)
    assert told(found) == told(here)
    assert dump_plan(found.plan) == dump_plan(here.plan)
