"""The feasibility verdict measured on rows: honest when there is nothing to learn, and each number what it says it is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import roc_auc_score

from homeostat.app.cli.main import main
from homeostat.charter.load import parse_charter
from homeostat.core.records import Split
from homeostat.errors import LearningError
from homeostat.flow.feasible import assess_frame, source_rows
from homeostat.flow.project import Project, open_project
from homeostat.flow.quick import MOST_ROWS, set_aside, thinned
from homeostat.infra.clock import SystemClock

if TYPE_CHECKING:
    from homeostat.charter.evidence import Evidence
    from homeostat.charter.feasibility import Feasibility

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
N = 3000
TEXT = """\
name: synthetic
problem: {statement: a, objective: b, decision: c, business_metric: d}
task: {type: regression, target: y}
success: {metric: rmse, improvement: 0.1}
data: {source: data.csv}
"""


def assessed(frame: pl.DataFrame, text: str = TEXT) -> Feasibility:
    return assess_frame(Project(Path(), parse_charter(text, "homeostat.yaml"), SystemClock(), "test"), frame)


def evidence_of(frame: pl.DataFrame, text: str = TEXT) -> Evidence:
    found = assessed(frame, text).evidence
    assert found is not None
    return found


def rows(noise: float = 1.0, **columns: object) -> pl.DataFrame:
    """y = 3 a + b + noise; c has nothing to do with it."""
    rng = np.random.default_rng(0)
    frame = pl.DataFrame({name: rng.normal(size=N) for name in "abc"})
    drawn = pl.Series(rng.normal(0, noise, N))
    return frame.with_columns(y=3 * pl.col("a") + pl.col("b") + drawn).with_columns(**columns)  # type: ignore[arg-type]


@contextmanager
def example(name: str) -> Iterator[tuple[Project, pl.DataFrame]]:
    with open_project(EXAMPLES / name) as project:
        yield project, source_rows(project)[0]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["bike-demand", "bank-marketing"])
def test_shuffled_targets_are_no_go(name: str) -> None:
    """Four of the hundred seeds of ``benchmarks/feasibility.py``."""
    with example(name) as (project, frame):
        for seed in range(4):
            target, learning = project.charter.task.target, project.charter.learning.model_copy(update={"seed": seed})
            shuffled = frame.with_columns(frame[target].gather(np.random.default_rng(seed).permutation(frame.height)))
            told = assess_frame(replace(project, charter=project.charter.model_copy(update={"learning": learning})), shuffled)
            assert told.verdict == "no-go"
            assert [one.code for one in told.reasons if one.weight == "no-go"] == ["no_signal"]


@pytest.mark.slow
def test_bank_with_the_length_of_the_call_asks_whether_it_is_known() -> None:
    with example("bank-marketing") as (project, frame):
        task = project.charter.task.model_copy(update={"leave_out": ()})
        told = assess_frame(replace(project, charter=project.charter.model_copy(update={"task": task})), frame)
    (asked,) = [one for one in told.reasons if one.code == "carried"]
    assert asked.message.startswith("duration carries most of the skill")
    assert asked.weight == "question"
    assert told.verdict != "no-go"


@pytest.mark.slow
def test_bike_with_each_of_its_counts_names_it() -> None:
    with example("bike-demand") as (project, frame):
        for kept in ("casual", "registered"):
            task = project.charter.task
            left = task.model_copy(update={"leave_out": tuple(name for name in task.leave_out if name != kept)})
            told = assess_frame(replace(project, charter=project.charter.model_copy(update={"task": left})), frame)
            assert any(one.message.startswith(f"{kept}:") or one.message.startswith(f"{kept} carries") for one in told.reasons)


def test_what_is_known_of_the_rows_is_measured_right() -> None:
    found = evidence_of(rows())
    assert found.signal
    assert found.quick == pytest.approx(1.0, abs=0.12)  # the noise is all that is left
    assert found.low < found.quick < found.high
    assert found.naive.value == pytest.approx(np.sqrt(11), rel=0.1)
    assert found.naive.saving == pytest.approx(1 - found.quick / found.naive.value)
    assert (found.rows, found.judged_rows, found.holdout_rows, found.every) == (N, 600, 600, 1)
    assert found.power is not None
    assert found.power.chance(found.naive.saving) > 0.99
    assert found.rule is not None
    assert "a" in found.rule.words
    assert found.rule.low > 0
    assert found.carried is not None
    assert found.carried.columns == ("a",)
    assert found.carried.without == pytest.approx(1 - np.sqrt(10 / 11), abs=0.05)
    assert found.curve is not None
    assert len(found.curve.sizes) == 6
    assert found.cost is not None
    assert 0 < found.cost.latency_p99_ms < 100
    assert 0 < found.cost.size_mb < 1
    assert found.repeated == 0.0


def test_a_column_that_the_charter_calls_known_is_not_asked_about() -> None:
    text = TEXT.replace("improvement: 0.1", "improvement: 0.1, segments: [a]")
    assert evidence_of(rows(), text).carried is None


def test_a_rule_that_is_all_there_is() -> None:
    shops = pl.Series("shop", np.random.default_rng(1).choice(["north", "south", "west"], N))
    frame = rows(shop=shops).with_columns(y=pl.when(shops == "north").then(50.0).otherwise(10.0) + pl.col("c"))
    told = assessed(frame.drop("c"))
    (reason,) = [one for one in told.reasons if one.code == "rule_suffices"]
    assert "shop" in reason.message
    assert told.verdict == "go with risks"


def test_no_signal_stops_at_what_says_so() -> None:
    told = assessed(rows().with_columns(y=pl.col("y").shuffle(seed=1)))
    assert told.verdict == "no-go"
    assert [one.code for one in told.reasons] == ["no_signal"]
    assert told.evidence is not None
    assert (told.evidence.power, told.evidence.curve, told.evidence.cost) == (None, None, None)


def test_rows_with_equal_inputs_bound_what_can_be_reached() -> None:
    rng = np.random.default_rng(2)
    kind, size = rng.integers(0, 40, N), rng.integers(0, 5, N)
    frame = pl.DataFrame({"kind": kind, "size": size, "y": 2.0 * kind + rng.normal(0, 5, N)})
    asked = TEXT.replace("improvement: 0.1", "improvement: 0.1, threshold: 3")
    told = assessed(frame, asked)
    assert told.evidence is not None
    assert told.evidence.ceiling is not None
    assert told.evidence.ceiling.exact
    assert told.evidence.ceiling.low <= 5 <= told.evidence.ceiling.high
    (reason,) = [one for one in told.reasons if one.weight == "no-go"]
    assert (reason.code, reason.clause) == ("above_ceiling", "success.threshold")


def test_rows_with_near_inputs_estimate_what_can_be_reached() -> None:
    found = evidence_of(rows()).ceiling
    assert found is not None
    assert not found.exact
    assert found.low <= 1.0 <= found.high


def test_a_holdout_too_small_to_show_anything() -> None:
    tiny = TEXT + "preparation: {holdout: 0.02}\n"
    told = assessed(rows(noise=4.0), tiny)
    (reason,) = [one for one in told.reasons if one.code == "low_power"]
    assert "with 60 holdout rows" in reason.message
    assert reason.clause == "preparation.holdout"
    assert told.evidence is not None
    assert told.evidence.power is not None
    wanted = told.evidence.power.rows_for(told.evidence.naive.saving)
    assert wanted > 60


@pytest.mark.parametrize(("per_month", "code"), [(10.0, None), (1e9, "costs_more")])
def test_money(per_month: float, code: str | None) -> None:
    text = TEXT + f"value: {{over: 1, under: 2, per_month: {per_month}, per_prediction: 0.01, rows_per_month: 1000}}\n"
    told = assessed(rows(), text)
    assert told.evidence is not None
    balance = told.evidence.balance
    assert balance is not None
    assert balance.costs == per_month + 10
    assert balance.low < balance.per_month < balance.high
    # the naive answer misses by 3.3 standard deviations' worth of y, the quick model by 1: about 1.5 units of money a unit of error
    assert balance.per_month + balance.costs == pytest.approx(1000 * 1.5 * np.sqrt(2 / np.pi) * (np.sqrt(11) - 1), rel=0.15)
    assert [one.code for one in told.reasons if one.clause == "value"] == ([code] if code else [])


def test_a_column_that_gives_it_away_through_copies_across_the_split() -> None:
    rng = np.random.default_rng(3)
    once = rows().head(1500)
    told = assessed(pl.concat([once, once.sample(1500, with_replacement=True, seed=1)])[rng.permutation(N)])
    (reason,) = [one for one in told.reasons if one.code == "repeated_rows"]
    assert reason.number > 0.3
    few = pl.DataFrame({"a": rng.integers(0, 3, N), "y": rng.integers(0, 2, N) * 1.0 + rng.integers(0, 3, N)})
    assert evidence_of(few.with_columns(y=pl.col("y") + 2 * pl.col("a"))).repeated is None  # so few values are equal by chance


def test_classes_in_time_order() -> None:
    rng = np.random.default_rng(4)
    days = [datetime(2024, 1, 1, tzinfo=UTC) + timedelta(hours=i) for i in range(N)]
    x = rng.normal(size=N)
    frame = pl.DataFrame({"day": [day.date() for day in days], "x": x, "y": np.where(x + rng.normal(size=N) > 0, "yes", "no")})
    text = TEXT.replace("type: regression, target: y", "type: binary, target: y, time: day").replace("rmse", "auc")
    found = evidence_of(frame, text)
    assert found.quick == pytest.approx(roc_auc_score(frame["y"] == "yes", x), abs=0.05)
    assert found.power is not None
    assert found.power.rows == found.holdout_rows


def test_too_few_rows_are_an_answer() -> None:
    told = assessed(rows().head(30))
    assert (told.verdict, told.evidence) == ("no-go", None)


def test_rows_in_the_order_of_the_classes_are_an_answer_too() -> None:
    frame = rows().with_columns(y=pl.when(pl.col("y") > 2).then(pl.lit("yes")).otherwise(pl.lit("no")))
    told = assessed(frame.sort("y"), TEXT.replace("regression", "binary").replace("rmse", "auc"))
    assert [(one.weight, one.code) for one in told.reasons] == [("no-go", "cannot_learn"), ("risk", "sorted_by_target")]
    with pytest.raises(LearningError):
        assessed(frame.with_columns(y=pl.lit("no")), TEXT.replace("regression", "binary").replace("rmse", "auc"))


def test_a_class_that_only_some_parts_have() -> None:
    drawn = np.random.default_rng(5)
    kind = np.where(rows()["a"] > 0, "up", "down").astype(object)
    kind[drawn.choice(N, 6, replace=False)] = "rare"
    kind[[450, 460, 2100, 2950]] = "seldom"
    found = evidence_of(rows(y=pl.Series("y", kind.tolist())), TEXT.replace("regression", "multiclass").replace("rmse", "log_loss"))
    assert found.signal
    assert np.isfinite(found.quick)


def test_many_rows_are_thinned_evenly() -> None:
    many = pl.DataFrame({"x": np.arange(3 * MOST_ROWS)})
    parts, every = thinned(Split(many, many.head(100), many.head(7)))
    assert every == 4
    assert parts.train["x"].to_list()[:3] == [0, 4, 8]
    assert (parts.validation.height, parts.holdout.height) == (25, 7)
    assert thinned(Split(many.head(10), many.head(10), many))[1] == 1


def test_rows_set_aside_are_a_fifth_in_spans() -> None:
    frame = pl.DataFrame({"x": np.arange(1000)})
    cut = set_aside(frame)
    assert (cut.train.height, cut.validation.height, cut.holdout.height) == (800, 200, 0)
    assert cut.validation["x"].to_list()[:41] == [*range(160, 200), 360]
    assert sorted([*cut.train["x"], *cut.validation["x"]]) == list(range(1000))


def test_check_prints_what_a_newcomer_can_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "homeostat.yaml").write_text(TEXT)
    rows(z=pl.lit(1)).write_csv(tmp_path / "data.csv")
    assert main(["check", "--project", str(tmp_path)]) == 0
    printed = capsys.readouterr()
    lines = printed.out.splitlines()
    assert lines[0] == "synthetic: go with risks"
    assert lines[1] == "  risk     these columns never change: z -> task.leave_out"
    assert lines[2].startswith("  question a carries most of the skill: ")
    assert "what was measured" in lines
    assert {"rows", "quick", "naive", "rule", "power", "learning", "noise", "cost"} <= {line.split()[0] for line in lines if line}
    assert max(map(len, lines)) <= 100
    assert "fit a quick model" in printed.err
    assert main(["check", "--project", str(tmp_path), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["verdict"] == "go with risks"
    assert {"weight", "code", "message", "number", "clause"} == set(told["reasons"][0])
    assert told["evidence"]["naive"]["low"] < told["evidence"]["naive"]["saving"] < told["evidence"]["naive"]["high"]
    assert told["evidence"]["curve"]["forecasts"][-1]["rows"] is None  # infinitely many
    assert told["evidence"]["power"]["power"] == 0.8
    assert 0.99 < told["evidence"]["announced_power"] <= 1


def test_check_says_no_with_exit_code_3(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "homeostat.yaml").write_text(TEXT)
    rows().with_columns(y=pl.col("y").shuffle(seed=2)).write_csv(tmp_path / "data.csv")
    assert main(["check", "--project", str(tmp_path)]) == 3
    assert capsys.readouterr().out.startswith("synthetic: no-go\n  no-go    nothing beyond chance was learned: rmse")
