"""What the charter says of rows that a model learns from: the task, weak labels, preparation and the search."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest
import yaml

from homeostat.charter.effective import effective_task
from homeostat.charter.load import load_charter
from homeostat.core import sections
from homeostat.core.objectives import with_combined
from homeostat.flow.baseline import lookback_s
from homeostat.flow.develop import develop
from homeostat.flow.preparing import stages_of, training_window
from homeostat.flow.project import Project, open_project
from homeostat.graph.decode import decode_frame
from homeostat.graph.interpret import bounds, run
from homeostat.learning.learner import Goal, Rows
from homeostat.learning.learners import LEARNERS
from homeostat.learning.own.learner import Learned, Own, Task
from homeostat.learning.own.work import learn
from homeostat.learning.search import search
from homeostat.preparation.decide import decide
from homeostat.preparation.split import split
from homeostat.preparation.supervised import training_view
from homeostat.stats.metrics import metric
from homeostat.testing.charters import revised

if TYPE_CHECKING:
    from homeostat.charter.schema import Charter
    from homeostat.learning.candidate import Candidate

Outcomes = tuple[Any, Any]
RNG = np.random.default_rng(4)
COUNT = 400
SAID = ("good", "bad", "late", "again", "never", "soon")
Y = RNG.normal(size=COUNT)
ROWS = pl.DataFrame(
    {
        "t": [date(2024, 6, 1) - timedelta(days=n // 4) for n in range(COUNT)],  # the newest first
        "hr": [n % 4 for n in range(COUNT)],
        "y": Y,
        "old": RNG.normal(size=COUNT),
        "code": [n % 60 for n in range(COUNT)],
        "word": [str(n % 60) for n in range(COUNT)],
        "price": np.exp(RNG.normal(size=COUNT) * 2).tolist(),
        "said": [" ".join(RNG.choice(SAID, 4)) for _ in range(COUNT)],
        "came": np.where(RNG.normal(size=COUNT) + Y > 1.5, "yes", "no").tolist(),
    }
).with_columns(price=pl.when(pl.int_range(COUNT) % 9 > 0).then("price"))
CHARTER = revised(
    load_charter(Path(__file__).resolve().parents[3] / "examples" / "bike-demand" / "homeostat.yaml"),
    {
        "task": {"type": "regression", "target": "y", "time": "t", "entity": ["hr", "t"], "leave_out": ["came"]},
        "preparation": {},
        "success": {"metric": "mae"},
        "learning": {"learners": ["naive", "linear"], "budget": {"seconds": None, "trials": 4}},
    },
)
COMES = revised(
    CHARTER,
    {
        "task": {"type": "binary", "target": "came", "positive": "yes", "time": "t", "leave_out": ["y"]},
        "success": {"metric": "log_loss"},
        "learning": {"learners": ["linear"], "budget": {"seconds": None, "trials": 1}, "windows": [{"kind": "all"}]},
    },
)


def both(outcome: Callable[[Charter], Any], before: dict[str, Any], after: dict[str, Any], of: Charter = CHARTER) -> Callable[[], Outcomes]:
    """The outcome of the charter revised so and so."""
    return lambda: (outcome(revised(of, before)), outcome(revised(of, after)))


def inputs(charter: Charter) -> dict[str, str]:
    """The columns a model is given, with their kinds."""
    return {each.column: str(each.kind) for each in decide(ROWS, effective_task(charter), charter.preparation) if not each.drop}


def parts(charter: Charter) -> Any:
    """The rows to learn from, to compare on and to judge by, and how many lie between."""
    found = split(ROWS.with_row_index("n"), charter.task, charter.preparation)
    return [part["n"].to_list() for part in (found.train, found.validation, found.holdout)], found.left_out


def straddled(charter: Charter) -> dict[str, int]:
    """Of columns how many of their values are on both sides of the seal."""
    found = split(ROWS, charter.task, charter.preparation)
    return {name: len({*found.development[name]} & {*found.holdout[name]}) for name in ("word", "hr")}


def features(charter: Charter) -> dict[str, list[float]]:
    """What a linear learner is given: each feature by its name, on the training rows."""
    cut = split(ROWS, charter.task, charter.preparation)
    preparation, made = stages_of(charter, cut).fit_preparation(cut.train, "linear", "")
    return dict(zip(preparation.features, made.T.round(9).tolist(), strict=True))


def found(charter: Charter, rows: pl.DataFrame = ROWS) -> Candidate:
    cut, ticks = split(rows, charter.task, charter.preparation), iter(range(10_000))
    measured = metric(charter.success.metric)
    return search(cut, charter.task, charter.learning, measured, stages_of(charter, cut), clock=lambda: float(next(ticks)))


def searched(charter: Charter) -> Any:
    """Learner, window, params and value of each trial."""
    return [(trial.learner, trial.window, dict(trial.params), trial.value) for trial in found(charter).trials]


def learned(charter: Charter) -> list[float]:
    """What the model found says of all rows."""
    return np.asarray(found(charter).oracle(ROWS)[:, -1]).round(9).tolist()


def ranges(charter: Charter) -> list[list[float]]:
    """The ends around what a model says of all rows, whose noise grows with the hour."""
    rows = ROWS.with_columns(y=pl.col("y") * (1 + pl.col("hr")))
    cut = split(rows, charter.task, charter.preparation)
    found = develop(charter, charter.learning, cut, decide(cut.train, charter.task, charter.preparation))
    assert found.plan.interval is not None
    decoded = decode_frame(found.plan.inputs, rows)
    return bounds(found.plan.interval, found.plan.out, run(found.plan, *decoded), decoded).round(9).tolist()


def averaged(charter: Charter) -> Any:
    """What wins where a line and trees each know a part of the truth."""
    steps = (pl.col("hr") == 1).cast(pl.Float64) * 1.5
    return found(charter, ROWS.with_columns(y=pl.col("y") * 0.3 + pl.col("old") * 2.0 + steps)).learner


def right(charter: Charter) -> list[float]:
    """The probabilities of the model that a charter asks for."""
    cut, task = split(ROWS, charter.task, charter.preparation), effective_task(charter)
    model = develop(charter, charter.learning, cut, decide(cut.train, task, charter.preparation))
    return np.asarray(model.oracle(ROWS)[:, -1]).round(9).tolist()


def taken(charter: Charter) -> Any:
    """The rows one fit sees, counted by class, and their weights."""
    cut = split(ROWS, charter.task, charter.preparation)
    rows, weights = training_window(charter, cut.train, charter.learning.windows[0])
    return rows.height, sorted(rows["came"].value_counts().rows()), None if weights is None else weights.sum()


def answers(charter: Charter) -> Any:
    """What the found plan can say: its task, classes and width."""
    plan = found(charter).plan
    return plan.task, plan.classes, found(charter).oracle(ROWS[:5]).shape[1]


SEVERAL: list[dict[str, Any]] = [
    {"name": "size", "target": "y", "metric": "mae", "weight": 3.0},
    {"name": "chance", "target": "came", "type": "binary", "positive": "yes", "metric": "log_loss", "weight": -2.0},
]


def summed(charter: Charter) -> Any:
    """The models of several objectives, each with its classes and value, what they read, and what their sum says."""
    task = effective_task(charter)
    cut = split(with_combined(ROWS, charter.task.target, charter.objectives), charter.task, charter.preparation)
    sums = develop(charter, charter.learning, cut, decide(cut.train, task, charter.preparation))
    members = {name: (member.plan.classes, round(member.value, 9)) for name, member in sums.members.items()}
    read = sorted({each.name for member in sums.members.values() for each in member.plan.inputs})
    return members, read, np.asarray(sums.oracle(ROWS)[:9, 0]).round(9).tolist()


def objective(at: int, clause: str, value: Any, **also: Any) -> Callable[[], Outcomes]:
    """With a clause of one of several objectives set otherwise, and what must be changed with it."""
    changed = [each | ({clause: value, **also} if place == at else {}) for place, each in enumerate(SEVERAL)]
    weighted = {"task.target": "worth", "task.leave_out": [], "learning.budget": {"seconds": None, "trials": 4}}
    return both(summed, *(weighted | {"objectives": each} for each in (SEVERAL, changed)))


def joined(charter: Charter) -> Any:
    """How many served rows the first three labels are those of."""
    from homeostat.monitoring.join import join_labels

    return join_labels(ROWS.select("t", "hr").head(8), ROWS.select("t", "hr", "y").head(3), "y", charter.task.entity).matched


def column(name: str, before: dict[str, Any], after: dict[str, Any]) -> Callable[[], Outcomes]:
    return both(features, *({"preparation.columns": {name: choice}} for choice in (before, after)))


# Weak labels

RULES = [{"name": "high", "when": "x > 1", "label": "yes"}, {"name": "low", "when": "x < -1", "label": "no"}]
SPAM = {
    "name": "spam",
    "problem": {"statement": "s", "objective": "o", "decision": "d", "business_metric": "b"},
    "task": {"type": "binary", "target": "y", "positive": "yes"},
    "success": {"metric": "log_loss", "baseline": "none"},
    "data": {"source": "rows.csv"},
    "learning": {"learners": ["linear"], "budget": {"seconds": None, "trials": 1}},
}


@contextmanager
def weakly(folder: Path, labelling: dict[str, Any]) -> Iterator[Project]:
    """A project that has taken in rows, each third without a label."""
    from homeostat.flow.ingest import ingest

    rng = np.random.default_rng(3)
    x = rng.normal(size=240)
    truth = np.where(x + rng.normal(size=240) > 0, "yes", "no")
    folder.mkdir()
    (folder / "homeostat.yaml").write_text(yaml.safe_dump(SPAM | {"labelling": {"rules": RULES, **labelling}}))
    told = ["x,y", *(f"{x[n]:.4f},{truth[n] if n % 3 else ''}" for n in range(240))]
    (folder / "rows.csv").write_text("\n".join(told) + "\n")
    with open_project(folder) as project:
        ingest(project)
        yield project


def weak(outcome: Callable[[Project], Any], before: dict[str, Any], after: dict[str, Any]) -> Callable[[pytest.FixtureRequest], Outcomes]:
    def case(request: pytest.FixtureRequest) -> Outcomes:
        told = []
        for name, labelling in (("before", before), ("after", after)):
            with weakly(request.getfixturevalue("tmp_path") / name, labelling) as project:
                told.append(outcome(project))
        return told[0], told[1]

    return case


def rules_told(project: Project) -> list[str]:
    from homeostat.flow.labelling import told_rules

    return [rule["name"] for rule in told_rules(project)["rules"]]


def weakly_labelled(project: Project) -> Any:
    """The rows that only rules have labelled, with these labels."""
    from homeostat.flow.training_rows import training_rows

    return training_rows(project, project.latest("dataset", "")).weak.select("x", "y").rows()


def trained(project: Project) -> Any:
    from homeostat.flow.train import first_order, train

    body = train(project, first_order(project, project.latest("dataset", ""))).body
    return body["weakly_labelled"], body["validation_value"]


def queued(project: Project) -> Any:
    from homeostat.flow.labelling import write_queue

    write_queue(project, project.root / "queue.csv", None)
    return pl.read_csv(project.root / "queue.csv").height


# The team's own estimators

MINE = {"path": "sklearn.linear_model:SGDRegressor", "space": {"alpha": {"low": 1e-4, "high": 1.0}}, "params": {"max_iter": 40}}
STEPS = {"low": 10, "high": 90}
TREE = {"path": "sklearn.tree:DecisionTreeRegressor", "space": {}, "params": {"max_depth": 3}}


class Here:
    """Fits in this process: what the clauses about trials say does not depend on where they run."""

    def fit(self, task: Task, over: Callable[[], bool]) -> Learned:
        module, _, called = task.estimator.path.partition(":")
        return learn(getattr(import_module(module), called), task)

    def predict(self, task: Task, model: bytes, features: Any) -> Any:
        from homeostat.learning.own.work import answers

        return answers(pickle.loads(model), features, task.goal)[0]  # noqa: S301 - what fit gave


def tried(charter: Charter) -> Any:
    """Params and value of the trials of an estimator of the team's own."""
    own = {name: Own(name, each, Here()) for name, each in charter.learning.estimators.items()}
    cut = split(ROWS, charter.task, charter.preparation)
    stages = stages_of(charter, cut, learners={**LEARNERS, **own})
    trials = search(cut, charter.task, charter.learning, metric("mae"), stages, clock=lambda: 0.0).trials
    return [(dict(trial.params), trial.value) for trial in trials]


def mine(before: dict[str, Any], after: dict[str, Any], trials: int = 1) -> Callable[[], Outcomes]:
    """With clauses of the estimator set otherwise."""
    learning = {"learners": ["mine"], "budget": {"seconds": None, "trials": trials}, "ensemble": False}
    return both(tried, *({"learning": learning | {"estimators": {"mine": MINE | each}}} for each in (before, after)))


def spaced(before: dict[str, Any], after: dict[str, Any], trials: int = 1) -> Callable[[], Outcomes]:
    """With the values of a parameter set otherwise."""
    params = {} if "max_iter" in {*before, *after} else MINE["params"]
    return mine(*({"space": each, "params": params} for each in (before, after)), trials)


GREEDY = """
class Greedy:
    def fit(self, x, y):
        held = bytearray(200_000_000)
        while True: pass
    def predict(self, x): return x
"""


def limited(before: dict[str, Any], after: dict[str, Any]) -> Callable[[pytest.FixtureRequest], Outcomes]:
    """How an estimator ends that takes much memory, and then all the time there is."""

    def case(request: pytest.FixtureRequest) -> Outcomes:
        folder = request.getfixturevalue("tmp_path")
        (folder / "learners.py").write_text(GREEDY)
        return ended(folder, before), ended(folder, after)

    return case


def ended(folder: Path, limits: dict[str, float]) -> str:
    from homeostat.core.sections import Estimator
    from homeostat.errors import LearningError
    from homeostat.flow.estimators import Processes

    rows, goal = Rows(np.zeros((4, 1)), np.arange(4.0)), Goal("regression", (), metric("mae"))
    own = Own("mine", Estimator(path="learners:Greedy", **limits), Processes(folder))
    with pytest.raises(LearningError) as caught:
        own.fit(rows, goal, {}, 0)
    return caught.value.message


SEASON = {"kind": "seasonal", "period": "7d"}
SERIES = pl.DataFrame(
    {"t": [datetime(2024, 6, 1) + timedelta(hours=2 * n) for n in range(40)], "y": [n % 7 for n in range(40)], "open": range(40)}
)


def forecast(*, then: Any, **clause: Any) -> Callable[[], Outcomes]:
    """The rows of a forecast under one value of a clause, and under another."""
    ((name, first),) = clause.items()
    told = {"step": "2h", "horizon": 2, "lags": [0], "windows": [3], "season": [3], "every": 1}

    def rows(value: Any) -> Any:
        task = sections.Task.model_validate({"type": "regression", "target": "y", "time": "t", "forecast": {**told, name: value}})
        return training_view(SERIES, task).to_dicts()

    return lambda: (rows(first), rows(then))


CASES = {
    "task.type": both(
        answers,
        {},
        {"task.type": "binary", "task.target": "came", "task.positive": "yes", "task.leave_out": ["y"], "success.metric": "auc"},
    ),
    "task.target": both(inputs, {}, {"task.target": "old"}),
    "task.positive": both(answers, {"task.positive": "yes"}, {"task.positive": "no"}, COMES),
    "task.time": both(parts, {}, {"task.time": None, "learning.windows": [{"kind": "all"}], "task.entity": []}),
    "task.entity": both(joined, {"task.entity": ["t"]}, {"task.entity": ["t", "hr"]}),
    "task.label_delay": both(lookback_s, {"success.baseline": SEASON}, {"success.baseline": SEASON, "task.label_delay": "8d"}),
    "task.forecast.step": forecast(step="1h", then="2h"),
    "task.forecast.horizon": forecast(horizon=2, then=[2, 4]),
    "task.forecast.lags": forecast(lags=[0], then=[1]),
    "task.forecast.windows": forecast(windows=[4], then=[6]),
    "task.forecast.season": forecast(season=[4], then=[6]),
    "task.forecast.known": forecast(known=[], then=["open"]),
    "task.forecast.every": forecast(every=2, then=6),
    "task.leave_out": both(inputs, {}, {"task.leave_out": ["came", "code"]}),
    "objectives[].name": objective(0, "name", "amount"),
    "objectives[].target": objective(0, "target", "old"),
    "objectives[].type": objective(1, "type", "regression", target="code", positive=None, metric="mae"),
    "objectives[].positive": objective(1, "positive", "no"),
    "objectives[].metric": objective(0, "metric", "rmse"),
    "objectives[].weight": objective(1, "weight", 5.0),
    "privacy.never_use": both(inputs, {}, {"privacy.never_use": ["code"]}),
    "labelling.rules[].name": weak(rules_told, {}, {"rules": [RULES[0] | {"name": "loud"}, RULES[1]]}),
    "labelling.rules[].when": weak(weakly_labelled, {}, {"rules": [RULES[0] | {"when": "x > 1.5"}, RULES[1]]}),
    "labelling.rules[].label": weak(weakly_labelled, {}, {"rules": [RULES[0] | {"label": "no"}, RULES[1]]}),
    "labelling.weight": weak(trained, {"weight": 0.1}, {"weight": 1.0}),
    "labelling.queue": weak(queued, {}, {"queue": 7}),
    "preparation.types": both(inputs, {}, {"preparation.types": {"code": "category"}}),
    "preparation.split.kind": both(parts, {}, {"preparation.split": {"kind": "random"}}),
    "preparation.split.group": both(straddled, *({"preparation.split": {"kind": "group", "group": name}} for name in ("old", "word"))),
    "preparation.split.gap": both(parts, {}, {"preparation.split.gap": "3d"}),
    "preparation.split.folds": both(searched, {}, {"preparation.split.folds": 4}),
    "preparation.holdout": both(parts, {}, {"preparation.holdout": 0.4}),
    "preparation.validation": both(parts, {}, {"preparation.validation": 0.4}),
    "preparation.max_categories": both(features, {}, {"preparation.max_categories": 10}),
    "preparation.columns.*.drop": column("old", {}, {"drop": True}),
    "preparation.columns.*.impute": column("price", {"impute": "median"}, {"impute": "zero"}),
    "preparation.columns.*.indicator": column("price", {}, {"indicator": False}),
    "preparation.columns.*.clip": column("price", {}, {"clip": False}),
    "preparation.columns.*.transform": column("price", {}, {"transform": "none"}),
    "preparation.columns.*.encode": column("word", {"encode": "target"}, {"encode": "frequency"}),
    "preparation.text_terms": both(lambda charter: list(features(charter)), {}, {"preparation.text_terms": 3}),
    "preparation.select": both(features, {}, {"preparation.select": 2}),
    "preparation.pca": both(features, {}, {"preparation.pca": 2}),
    "preparation.imbalance": both(learned, {}, {"preparation.imbalance": "oversample"}, COMES),
    "preparation.sample.rows": both(taken, *({"preparation.sample": {"rows": rows}} for rows in (200, 100)), COMES),
    "preparation.sample.kind": both(
        taken, *({"preparation.sample": {"rows": 100, "kind": kind}} for kind in ("random", "stratified")), COMES
    ),
    "learning.learners": both(searched, {}, {"learning.learners": ["naive"]}),
    "learning.estimators.*.path": mine({}, {"path": "sklearn.linear_model:Ridge", "params": {}}),
    "learning.estimators.*.flavour": mine(*(TREE | {"flavour": flavour} for flavour in ("linear", "tree"))),
    "learning.estimators.*.space.*.low": spaced(*({"max_iter": STEPS | {"low": low}} for low in (10, 30))),
    "learning.estimators.*.space.*.high": spaced(*({"max_iter": STEPS | {"high": high}} for high in (90, 60))),
    "learning.estimators.*.space.*.log": spaced(*({"max_iter": STEPS | {"log": log}} for log in (False, True))),
    "learning.estimators.*.space.*.start": spaced({"max_iter": STEPS}, {"max_iter": STEPS | {"start": 12}}),
    "learning.estimators.*.space.*.choices": spaced(
        *({"loss": {"choices": each}} for each in (["squared_error", "huber"], ["huber", "a"]))
    ),
    "learning.estimators.*.params": mine({}, {"params": {"max_iter": 2}}),
    "learning.estimators.*.seconds": limited({"seconds": 0.5}, {"seconds": 1}),
    "learning.estimators.*.memory_mb": limited(*({"seconds": 5, "memory_mb": size} for size in (150, 400))),
    "learning.budget.seconds": both(searched, *({"learning.budget": {"seconds": seconds, "trials": 30}} for seconds in (500, 8))),
    "learning.budget.trials": both(searched, {}, {"learning.budget": {"seconds": None, "trials": 6}}),
    "learning.at_once": both(searched, *({"learning.budget.trials": 24, "learning.at_once": size} for size in (1, 4))),
    "learning.ensemble": both(
        averaged, *({"learning.learners": ["linear", "random_forest"], "learning.ensemble": may} for may in (True, False))
    ),
    "learning.ensemble_mb": both(
        averaged, *({"learning.learners": ["linear", "random_forest"], "learning.ensemble_mb": most} for most in (500, 1e-6))
    ),
    "learning.intervals.method": both(ranges, *({"learning.intervals": {"method": method}} for method in ("absolute", "scaled"))),
    "learning.intervals.by": both(
        ranges, *({"preparation.validation": 0.8, "learning.intervals": {"method": "absolute", "by": by}} for by in (None, "hr"))
    ),
    "learning.calibration": both(right, *({"learning.calibration": method} for method in ("none", "platt")), COMES),
    "learning.seed": both(searched, *({"learning.budget.trials": 10, "learning.seed": seed} for seed in (0, 1))),
    "learning.windows[].kind": both(taken, *({"learning.windows": [{"kind": kind, "length": "30d"}]} for kind in ("recent", "decay"))),
    "learning.windows[].length": both(taken, *({"learning.windows": [{"kind": "recent", "length": span}]} for span in ("30d", "50d"))),
}
