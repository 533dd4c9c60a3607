from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime
import polars as pl
import pytest

from homeostat.core import sections
from homeostat.core.records import Split, Trial
from homeostat.core.targets import classes_of, encode_target
from homeostat.errors import LearningError, Refusal
from homeostat.graph.decode import decode_frame
from homeostat.graph.encode import dump_plan
from homeostat.graph.interpret import run
from homeostat.graph.onnx import compile_plan
from homeostat.graph.plan import Constant
from homeostat.learning.learner import Goal
from homeostat.learning.learners import LEARNERS
from homeostat.learning.proposals import clipped
from homeostat.learning.search import search
from homeostat.learning.trials import Stages
from homeostat.stats.metrics import better, metric

if TYPE_CHECKING:
    from homeostat.learning.candidate import Candidate

DAY = timedelta(days=1)
ALL = sections.Window()
SECTION = sections.Preparation()


def stages_for(task: sections.Task, split: Split) -> Stages:
    from homeostat.preparation.fit import fit
    from homeostat.preparation.window import select

    classes = classes_of(split.train[task.target], task)
    return Stages(
        lambda frame, flavour, categories: fit(frame, task, SECTION, flavour, classes), lambda frame, window: select(frame, task, window)
    )


def ticking(step: float = 0.0) -> Callable[[], float]:
    """A clock that moves by ``step`` at each look."""
    looks = iter(range(10**9))
    return lambda: next(looks) * step


def searched(frame: pl.DataFrame, task: sections.Task, name: str, **given: Any) -> tuple[Candidate, Split]:
    from homeostat.preparation.split import split

    parts = split(frame, task, SECTION)
    options = {key: given.pop(key) for key in ("start", "progress", "refit", "clock") if key in given}
    learning = sections.Learning(**{"budget": sections.Budget(seconds=None), **given})
    found = search(parts, task, learning, metric(name), stages_for(task, parts), **{"clock": ticking(), **options})
    return found, parts


def best_of(trials: tuple[Trial, ...], learner: str, name: str) -> float:
    values = [t.value for t in trials if t.learner == learner and t.value is not None]
    return max(values) if metric(name).greater_is_better else min(values)


def check_parity(found: Candidate, frame: pl.DataFrame) -> None:
    decoded = decode_frame(found.plan.inputs, frame)
    expected = found.oracle(frame)
    tolerance = 1e-9 * max(1.0, float(np.abs(expected).max()))
    np.testing.assert_allclose(run(found.plan, *decoded), expected, rtol=0, atol=tolerance)
    session = onnxruntime.InferenceSession(compile_plan(found.plan), providers=["CPUExecutionProvider"])
    arrays = decoded._asdict()
    scores = session.run(["score"], {each.name: arrays[each.name] for each in session.get_inputs()})[0]
    np.testing.assert_allclose(scores, expected, rtol=0, atol=tolerance)


def holed(frame: pl.DataFrame, found: Candidate) -> pl.DataFrame:
    """The same rows with nulls in every input and texts never seen."""
    rows = np.arange(frame.height)
    made = frame
    for at, each in enumerate(found.plan.inputs):
        made = made.with_columns(pl.when(pl.Series(rows % 7 == at % 7)).then(None).otherwise(pl.col(each.name)).alias(each.name))
        if each.kind == "category":
            made = made.with_columns(
                pl.when(pl.Series(rows % 5 == at % 5)).then(pl.lit("never seen")).otherwise(each.name).alias(each.name)
            )
    return made


def test_bike_trees_beat_linear_beats_naive(bike: pl.DataFrame, bike_task: sections.Task) -> None:
    found, parts = searched(bike, bike_task, "mae")
    tree, linear, naive = (best_of(found.trials, name, "mae") for name in ("lightgbm", "linear", "naive"))
    assert tree < 0.8 * linear < 0.8 * naive
    assert (found.learner, found.value) == ("lightgbm", tree)
    assert found.params["rounds"] > 10
    check_parity(found, parts.holdout)
    check_parity(found, holed(parts.holdout, found))
    y = encode_target(parts.holdout["cnt"], ())
    assert metric("mae").score(y, found.oracle(parts.holdout)) < 0.6 * naive


def test_bank_ranks_better_than_chance_and_holds_parity_on_nulls(bank: pl.DataFrame, bank_task: sections.Task) -> None:
    found, parts = searched(bank, bank_task, "auc")
    assert best_of(found.trials, "naive", "auc") == 0.5
    assert best_of(found.trials, "linear", "auc") > 0.72
    assert best_of(found.trials, "lightgbm", "auc") > 0.75
    assert found.plan.classes == ("no", "yes")
    assert found.judged.shape == (parts.validation.height, 2)
    y = encode_target(parts.validation["y"], found.plan.classes)
    assert metric("auc").score(y, found.judged) == found.value  # by the model that saw no validation row
    check_parity(found, holed(parts.holdout, found))
    linear, _ = searched(bank, bank_task, "auc", learners=("linear",))
    check_parity(linear, holed(parts.holdout, linear))


def test_several_classes(bank: pl.DataFrame) -> None:
    task = sections.Task(type="multiclass", target="job", leave_out=("duration", "contact_month"))
    frame = bank.with_columns(job=pl.col("job").replace({"admin.": "office", "management": "office", "technician": "works"}))
    frame = frame.filter(pl.col("job").is_in(["office", "works", "blue-collar", "retired"])).head(2_500)
    found, parts = searched(frame, task, "log_loss")
    assert found.learner != "naive"
    assert found.plan.classes == ("blue-collar", "office", "retired", "works")
    check_parity(found, holed(parts.holdout, found))


def test_the_same_seed_gives_the_same_search(bike: pl.DataFrame, bike_task: sections.Task) -> None:
    given = {"budget": sections.Budget(seconds=None, trials=8), "windows": (ALL, sections.Window(kind="decay", length=30 * DAY)), "seed": 3}
    one, _ = searched(bike.head(1_500), bike_task, "mae", **given)
    two, _ = searched(bike.head(1_500), bike_task, "mae", **given)
    assert len(one.trials) == 8
    assert one.trials == two.trials
    assert dump_plan(one.plan) == dump_plan(two.plan)
    assert [t.number for t in one.trials] == list(range(8))
    proposed = [dict(t.params) for t in one.trials[5:]]
    assert all(params not in [dict(t.params) for t in one.trials[:5]] for params in proposed), "the sampler tries something new"


def shifting(count: int = 1_200) -> pl.DataFrame:
    """A row an hour; what x does to y turns round at 45% of the rows, within train."""
    draw = np.random.default_rng(0)
    x = draw.normal(size=count)
    sign = np.where(np.arange(count) < count * 0.45, 1.0, -1.0)
    at = pl.Series("at", np.arange(count) * 3_600)
    return pl.DataFrame({"at": pl.from_epoch(at), "x": x, "kind": draw.choice(["a", "b"], count), "y": 10 * sign * x})


SHIFT = sections.Task(type="regression", target="y", time="at")


def test_the_recent_window_wins_after_a_shift() -> None:
    windows = (ALL, sections.Window(kind="recent", length=6 * DAY))
    found, parts = searched(shifting(), SHIFT, "mae", learners=("naive", "linear"), windows=windows)
    assert (found.learner, found.window) == ("linear", "recent 6d")
    by_window = {t.window: t.value for t in found.trials if t.learner == "linear"}
    assert by_window["recent 6d"] is not None
    assert by_window["all"] is not None
    assert by_window["recent 6d"] < 0.1 * by_window["all"]
    y = parts.holdout["y"].to_numpy()
    assert np.abs(found.oracle(parts.holdout)[:, 0] - y).mean() < 1.0, "the refit's window reaches back from the end of validation"


def test_a_failing_trial_is_recorded_and_the_search_goes_on() -> None:
    """The two days before validation know one class only, which logistic regression refuses."""
    at = pl.int_range(pl.len())
    frame = shifting().with_columns(y=pl.when((pl.col("y") > 0) | at.is_between(660, 719)).then(pl.lit("yes")).otherwise(pl.lit("no")))
    task = sections.Task(type="binary", target="y", positive="yes", time="at")
    windows = (ALL, sections.Window(kind="recent", length=2 * DAY))
    found, _ = searched(frame, task, "log_loss", learners=("naive", "linear"), windows=windows)
    failed = [t for t in found.trials if t.value is None]
    assert [(t.learner, t.window) for t in failed] == [("linear", "recent 2d")]
    assert "class" in failed[0].reason
    assert found.window == "all"
    with pytest.raises(Refusal, match=r"HS303.*all 1 trials failed \(linear on recent 2d.*class"):
        searched(frame, task, "log_loss", learners=("linear",), windows=windows[1:])


def test_naive_wins_only_when_nothing_beats_it() -> None:
    frame = pl.DataFrame({"x": np.random.default_rng(1).normal(size=400), "y": [4.0] + [3.0] * 399})
    task = sections.Task(type="regression", target="y")
    found, parts = searched(frame, task, "mae", learners=("linear", "naive"))
    assert found.learner == "naive", "its median is right in every validation row"
    assert found.plan.nodes == (found.plan.nodes[0],)
    assert isinstance(found.plan.nodes[0], Constant)
    check_parity(found, parts.holdout)


def test_a_budget_of_seconds_ends_the_search_once_every_learner_was_tried() -> None:
    late, _ = searched(
        shifting(),
        SHIFT,
        "mae",
        learners=("naive", "linear"),
        windows=(ALL, sections.Window(kind="recent", length=6 * DAY)),
        budget=sections.Budget(seconds=0.5),
        clock=ticking(1.0),
    )
    assert [t.learner for t in late.trials] == ["naive", "linear"]
    longer, _ = searched(shifting(), SHIFT, "mae", learners=("linear",), budget=sections.Budget(seconds=40.0), clock=ticking(1.0))
    assert 5 < len(longer.trials) < 40
    neither, _ = searched(shifting(), SHIFT, "mae", learners=("naive", "linear"))
    assert len(neither.trials) == 2


def test_the_champions_params_are_tried_first_on_every_window() -> None:
    windows = (ALL, sections.Window(kind="recent", length=6 * DAY))
    start = {"learner": "linear", "params": {"penalty": 0.25, "rounds": 9}}
    found, _ = searched(shifting(), SHIFT, "mae", learners=("naive", "linear"), windows=windows, start=start)
    assert [(t.learner, t.window, dict(t.params)) for t in found.trials] == [
        ("naive", "all", {}),
        ("linear", "all", {"penalty": 0.25, "l1": 0.0}),
        ("linear", "all", {"penalty": 1.0, "l1": 0.0}),
        ("linear", "recent 6d", {"penalty": 0.25, "l1": 0.0}),
        ("linear", "recent 6d", {"penalty": 1.0, "l1": 0.0}),
    ]


def test_without_a_time_column_only_the_whole_window_competes() -> None:
    task = sections.Task(type="regression", target="y", leave_out=("at",))
    windows = (sections.Window(kind="recent", length=6 * DAY), ALL)
    found, _ = searched(shifting(), task, "rmse", learners=("naive", "linear"), windows=windows)
    assert {t.window for t in found.trials} == {"all"}


def test_without_refit_the_winner_has_not_seen_the_validation_rows() -> None:
    told: list[tuple[str, float | None]] = []
    found, parts = searched(
        shifting(),
        SHIFT,
        "mae",
        learners=("lightgbm",),
        refit=False,
        budget=sections.Budget(seconds=None, trials=2),
        progress=lambda message, done: told.append((message, done)),
    )
    score = metric("mae").score(parts.validation["y"].to_numpy(), found.oracle(parts.validation))
    assert score == found.value
    assert better(metric("mae"), found.value, float("inf"))
    assert [done for _, done in told] == [0.5, 1.0]
    assert "best mae" in told[-1][0]


def test_one_class_only_is_refused() -> None:
    frame = shifting().with_columns(y=pl.lit("yes"))
    parts = Split(frame[:600], frame[600:800], frame[800:])
    task = sections.Task(type="binary", target="y", time="at")
    stages = Stages(lambda *_: pytest.fail("not reached"), lambda *_: pytest.fail("not reached"))
    with pytest.raises(LearningError, match="HS301"):
        search(parts, task, sections.Learning(), metric("auc"), stages, clock=ticking())


@pytest.mark.parametrize("amounts", [False, True])
@pytest.mark.parametrize("name", [name for name in LEARNERS if name != "naive"])
def test_defaults_and_portfolio_lie_in_the_space(name: str, amounts: bool) -> None:
    learner, goal = LEARNERS[name], Goal("regression", (), metric("mae"), amounts=amounts)
    asked = dict(clipped(learner, {}, goal))
    assert {key: asked[key] for key in learner.defaults} == dict(learner.defaults)
    for params in learner.portfolio(goal):
        assert dict(clipped(learner, params, goal)) == dict(params)
