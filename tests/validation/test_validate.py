"""Verdicts: each gate passes and fails for the right reason, says so in a sentence, and fails when nothing was measured."""

from __future__ import annotations

import math
import re
from dataclasses import asdict, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homeostat.core.ids import canonical
from homeostat.core.records import Robustness, Score
from homeostat.core.sections import Guardrail, Objective, Problem, Scale, Success
from homeostat.errors import CharterError
from homeostat.stats.decisions import DecisionRule
from homeostat.validation.gates import Evidence
from homeostat.validation.validate import validate

RNG = np.random.default_rng(11)
Y = RNG.normal(200, 60, 500)
OURS = (Y + RNG.normal(0, 20, 500))[:, None]
WORSE = (Y + RNG.normal(0, 30, 500))[:, None]
NAIVE = np.full((500, 1), Y.mean())
GOOD = Evidence(
    metric="mae",
    y=Y,
    scores=OURS,
    baseline_scores=NAIVE,
    champion_scores=WORSE,
    latency_p99_ms=2.0,
    size_mb=0.5,
    parity_difference=1e-9,
    parity_flips=0,
    inputs=("hour", "temp"),
    champion_inputs=("hour", "temp"),
    robustness=Robustness(60, (), {"hour": 0.08, "temp": -0.01}),
)
ALONE = replace(GOOD, champion_scores=None, champion_inputs=None)


def judge(evidence: Evidence = GOOD, **clauses):
    verdict = validate(evidence, Success(metric=evidence.metric, **clauses), seed=0)
    canonical([asdict(result) for result in verdict.results])  # every verdict can be stored
    return {result.gate: result for result in verdict.results}


def binary(rows: int = 400):
    rng = np.random.default_rng(2)
    y = rng.integers(0, 2, rows).astype(np.float64)
    p = 1 / (1 + np.exp(-(2 * y - 1 + rng.normal(size=rows))))
    return y, np.column_stack([1 - p, p]), np.full((rows, 2), 0.5)


@pytest.mark.parametrize(("asked", "block"), [(0.9, 1), (0.8, 1), (0.95, 1), (0.9, 10)])
def test_the_coverage_fails_when_it_is_significantly_below_what_is_asked(asked: float, block: int) -> None:
    """As many rows inside as the exact one-sided binomial test at 5 % lets pass; one less fails."""
    from scipy.stats import binomtest

    rows = len(Y)
    least = next(n for n in range(rows + 1) if binomtest(n, rows, asked, alternative="less").pvalue >= 0.05)
    found = {}
    for inside in (least - 1, least, rows):
        ends = np.column_stack([Y - 1, Y + np.where(np.arange(rows) < inside, 1.0, -0.5)])
        verdict = validate(replace(GOOD, ends=ends, block=block), Success(metric="mae"), coverage=asked)
        found[inside] = next(each for each in verdict.results if each.gate == "coverage")
    assert found[least].value == least / rows
    assert found[rows].passed
    if block == 1:
        assert [found[inside].passed for inside in (least - 1, least)] == [False, True]
        assert f"of 500 rows lie inside their interval, {100 * asked:g}% are asked (one-sided 95% high end" in found[least - 1].detail
    else:
        assert found[least - 1].passed, "neighbours that hang together say less"


def test_intervals_that_are_asked_for_and_not_there_fail() -> None:
    verdict = validate(GOOD, Success(metric="mae"), coverage=0.9)
    (found,) = [each for each in verdict.results if each.gate == "coverage"]
    assert (found.passed, found.value, found.detail) == (False, None, "the candidate answers no intervals: failed")


def test_metrics_of_decisions_are_gated_at_the_served_decision() -> None:
    """Each side as it decides itself: the champion by its own threshold, the naive answer by the candidate's."""
    y, scores, even = binary()
    low, high = DecisionRule(0.2), DecisionRule(0.8)
    evidence = replace(
        GOOD, metric="accuracy", y=y, scores=scores, champion_scores=scores, baseline_scores=even, rule=low, champion_rule=high
    )
    found = judge(evidence, threshold=0.5, guardrails=(Guardrail(metric="recall", at_least=0.9),))
    right = {rule: ((scores[:, 1] >= rule.threshold) == (y == 1)).mean() for rule in (low, high)}
    recall = (scores[y == 1, 1] >= 0.2).mean()
    assert found["threshold"].value == pytest.approx(right[low])
    assert found["guardrail recall"].value == pytest.approx(recall)
    assert found["champion"].value == pytest.approx(1 - (1 - right[low]) / (1 - right[high]))
    assert found["baseline"].value == pytest.approx(1 - (1 - right[low]) / (1 - (y == 1).mean()))  # at 0.2 a half is a yes for all


@pytest.mark.parametrize(
    ("limits", "passed", "says"),
    [
        ({"at_least": 0.7}, True, "auc of buy 0.75 (0.7 to 0.8) is at least 0.7: passed"),
        ({"at_least": 0.8}, False, "auc of buy 0.75 (0.7 to 0.8) is not at least 0.8: failed"),
        ({"metric": "brier", "at_most": 0.2}, False, "brier of buy was not measured: failed"),
    ],
)
def test_an_objective_is_judged_by_its_own_metric(limits: dict[str, object], passed: bool, says: str) -> None:
    measured = (Score("auc", 0.5, 0.4, 0.6, 9), Score("auc", 0.75, 0.7, 0.8, 500, objective="buy"))
    each = Objective.model_validate({"name": "buy", "target": "b", "type": "binary", "positive": 1, "metric": "auc", **limits})
    verdict = validate(replace(GOOD, segment_scores=measured), Success(metric="mae"), objectives=(each,))
    found = next(result for result in verdict.results if result.gate.startswith("objective"))
    assert (found.gate, found.passed, found.detail) == (f"objective buy {each.metric}", passed, says)
    assert verdict.passed == passed


def test_a_good_challenger_passes_everything() -> None:
    success = Success(metric="mae", threshold=60, improvement=0.3, champion_margin=0.05, latency_p99_ms=5, size_mb=1)
    verdict = validate(GOOD, success, seed=0)
    assert verdict.passed
    assert [r.gate for r in verdict.results] == [
        "threshold",
        "baseline",
        "champion",
        "robustness",
        "latency_p99_ms",
        "size_mb",
        "parity",
        "contract",
    ]
    assert verdict == validate(GOOD, success, seed=0)


class TestThreshold:
    def test_the_sentence_names_value_interval_and_limit(self) -> None:
        result = judge(threshold=60)["threshold"]
        assert result.passed
        assert result.limit == 60
        assert result.value == pytest.approx(np.abs(Y - OURS[:, 0]).mean())
        assert result.detail == "mae 16.7 (15.6 to 17.8) is at most 60: passed"

    def test_not_reached(self) -> None:
        result = judge(threshold=10)["threshold"]
        assert not result.passed
        assert result.detail.endswith("is not at most 10: failed")

    def test_exactly_reached_passes(self) -> None:
        off_by_two = replace(ALONE, scores=np.round(Y)[:, None] + 2, y=np.round(Y))
        assert judge(off_by_two, threshold=2.0)["threshold"].passed
        assert not judge(off_by_two, threshold=1.999)["threshold"].passed

    def test_greater_is_better(self) -> None:
        y, ours, coin = binary()
        evidence = replace(ALONE, metric="auc", y=y, scores=ours, baseline_scores=coin)
        assert judge(evidence, threshold=0.7)["threshold"].passed
        result = judge(evidence, threshold=0.99)["threshold"]
        assert not result.passed
        assert "is not at least 0.99" in result.detail


class TestBaseline:
    def test_must_be_beaten_by_the_asked_share(self) -> None:
        result = judge(improvement=0.3)["baseline"]
        assert result.passed
        assert result.value == pytest.approx(1 - np.abs(Y - OURS[:, 0]).mean() / np.abs(Y - NAIVE[:, 0]).mean())
        assert "better than the naive baseline by " in result.detail
        assert "asked more than 30%" in result.detail
        assert not judge(improvement=0.9)["baseline"].passed

    def test_none_asked(self) -> None:
        assert "baseline" not in judge(replace(GOOD, baseline_scores=None), baseline="none")

    def test_of_a_ranking_metric_is_a_share_of_what_is_missing_to_1(self) -> None:
        y, ours, coin = binary()
        evidence = replace(ALONE, metric="auc", y=y, scores=ours, baseline_scores=coin)
        result = judge(evidence, improvement=0.05)["baseline"]
        assert result.passed
        from sklearn.metrics import roc_auc_score

        assert result.value == pytest.approx((roc_auc_score(y, ours[:, 1]) - 0.5) / 0.5)

    def test_not_scored_fails(self) -> None:
        result = judge(replace(GOOD, baseline_scores=None))["baseline"]
        assert not result.passed
        assert result.detail == "the naive baseline was not scored on the holdout: failed"


class TestChampion:
    def test_better_by_the_margin(self) -> None:
        result = judge(champion_margin=0.05)["champion"]
        assert result.passed
        assert result.limit == 0.05
        assert result.detail.startswith("better than the champion by ")
        assert "(mae 16.7 against 24; " in result.detail
        assert "one-sided 95% low end " in result.detail

    def test_not_surely_better_fails(self) -> None:
        same = replace(GOOD, champion_scores=OURS.copy())
        result = judge(same)["champion"]
        assert not result.passed
        assert result.detail.startswith("no better than the champion (")
        swapped = replace(GOOD, scores=WORSE, champion_scores=OURS)
        result = judge(swapped)["champion"]
        assert not result.passed
        assert result.value < 0
        assert result.detail.startswith("worse than the champion by ")

    def test_none_yet(self) -> None:
        result = judge(ALONE)["champion"]
        assert (result.passed, result.detail) == (True, "there is no champion yet: passed")

    def test_known_but_not_scored_fails(self) -> None:
        result = judge(replace(GOOD, champion_scores=None))["champion"]
        assert not result.passed
        assert "was not scored" in result.detail

    @pytest.mark.parametrize("theirs", [WORSE[:-1], np.hstack([WORSE, WORSE])])
    def test_other_rows_or_classes_fail(self, theirs) -> None:
        result = judge(replace(GOOD, champion_scores=theirs))["champion"]
        assert not result.passed
        assert "cannot be compared" in result.detail

    def test_perfect_champion(self) -> None:
        result = judge(replace(GOOD, champion_scores=Y[:, None]))["champion"]
        assert (result.passed, result.value) == (False, None)
        assert "worse than the champion, which makes no error" in result.detail
        assert not judge(replace(GOOD, scores=Y[:, None], champion_scores=Y[:, None]))["champion"].passed

    def test_nulls_in_the_champions_scores_fail(self) -> None:
        theirs = WORSE.copy()
        theirs[0] = np.nan
        assert not judge(replace(GOOD, champion_scores=theirs))["champion"].passed


class TestSegments:
    def scores(self, *values: tuple[str, float, int]):
        return tuple(Score("mae", value, value - 1, value + 1, rows, segment) for segment, value, rows in values)

    def test_within_the_gap(self) -> None:
        whole = Score("mae", 15.5, 14, 17, 500)
        found = (whole, *self.scores(("season=1", 14.0, 250), ("season=2", 17.0, 250)))
        result = judge(replace(GOOD, segment_scores=found), segments=("season",), segment_gap=0.2)["segments"]
        assert result.passed
        assert result.value == pytest.approx(17 / np.abs(Y - OURS[:, 0]).mean() - 1)
        assert result.detail == (
            "season=2 is the worst of 2 segments: mae 17 on 250 rows against 16.7 on all, "
            "1.6% more error, at most 20% more is allowed: passed"
        )

    def test_over_the_gap(self) -> None:
        found = self.scores(("season=1", 30.0, 100), ("season=2", 40.0, 60), ("season=3", 9.0, 300))
        result = judge(replace(GOOD, segment_scores=found), segments=("season",), segment_gap=0.2)["segments"]
        assert not result.passed
        assert "season=2 is the worst of 3" in result.detail
        assert "; 2 are over; rows in segments too small to judge: 40 of season: failed" in result.detail

    def test_each_column_must_be_judged(self) -> None:
        found = self.scores(("season=1", 14.0, 500))
        result = judge(replace(GOOD, segment_scores=found), segments=("season", "weather"), segment_gap=0.2)["segments"]
        assert not result.passed
        assert "no segment of weather could be judged" in result.detail
        other = (Score("rmse", 1.0, 1, 1, 500, "season=1"), Score("mae", math.nan, 1, 1, 500, "season=2"))
        assert not judge(replace(GOOD, segment_scores=other), segments=("season",), segment_gap=0.2)["segments"].passed

    def test_a_gap_without_columns_fails(self) -> None:
        result = judge(segment_gap=0.2)["segments"]
        assert not result.passed
        assert "names no column" in result.detail

    def test_no_error_at_all(self) -> None:
        perfect = replace(ALONE, scores=Y[:, None], segment_scores=self.scores(("s=1", 0.0, 500)))
        assert judge(perfect, segments=("s",), segment_gap=0.1)["segments"].passed
        odd = replace(perfect, segment_scores=self.scores(("s=1", 1.0, 500)))
        assert not judge(odd, segments=("s",), segment_gap=0.1)["segments"].passed

    def test_greater_is_better_compares_what_is_missing_to_1(self) -> None:
        y, ours, _ = binary()
        found = (Score("auc", 0.6, 0.5, 0.7, 400, "g=a"),)
        evidence = replace(ALONE, metric="auc", y=y, scores=ours, segment_scores=found, baseline_scores=None)
        assert not judge(evidence, segments=("g",), segment_gap=0.5, baseline="none")["segments"].passed


class TestLimits:
    def test_latency_and_size(self) -> None:
        result = judge(latency_p99_ms=2, size_mb=0.4)
        assert result["latency_p99_ms"].passed
        assert result["latency_p99_ms"].detail == "99 of 100 predictions take at most 2 ms, 2 ms are allowed: passed"
        assert not result["size_mb"].passed
        assert result["size_mb"].detail == "the bundle has 0.5 MB, 0.4 MB are allowed: failed"

    @pytest.mark.parametrize("odd", [None, math.nan, math.inf, -1.0])
    def test_what_was_not_measured_fails(self, odd: float | None) -> None:
        result = judge(replace(GOOD, latency_p99_ms=odd, size_mb=odd), latency_p99_ms=2, size_mb=1)
        assert not result["latency_p99_ms"].passed
        assert not result["size_mb"].passed
        assert "the latency was not measured" in result["latency_p99_ms"].detail

    def test_parity(self) -> None:
        assert judge()["parity"].passed
        assert not judge(replace(GOOD, parity_flips=1))["parity"].passed
        assert not judge(replace(GOOD, parity_difference=1e-4))["parity"].passed
        for missing in ({"parity_difference": None}, {"parity_flips": None}, {"parity_difference": math.nan}):
            assert not judge(replace(GOOD, **missing))["parity"].passed
        result = judge(replace(GOOD, parity_difference=3e-7, parity_flips=2))["parity"]
        assert result.detail == (
            "the bundle differs from the library's own prediction by at most 3e-07 (1e-07 allowed) and decides 2 rows differently: failed"
        )


class TestGuardrails:
    def test_another_metric_has_a_limit_of_its_own(self) -> None:
        rails = (Guardrail(metric="rmse", at_most=30), Guardrail(metric="r2", at_least=0.99))
        result = judge(guardrails=rails)
        rmse = float(np.sqrt(np.mean((Y - OURS[:, 0]) ** 2)))
        assert result["guardrail rmse"].value == pytest.approx(rmse)
        assert (result["guardrail rmse"].passed, result["guardrail rmse"].limit) == (True, 30)
        assert not result["guardrail r2"].passed
        assert result["guardrail r2"].detail.startswith("r2 0.8")
        assert result["guardrail r2"].detail.endswith("is not at least 0.99: failed")
        stricter = judge(guardrails=(Guardrail(metric="rmse", at_most=rmse - 0.01),))
        assert not stricter["guardrail rmse"].passed

    def test_what_cannot_be_measured_fails(self) -> None:
        broken = OURS.copy()
        broken[0] = np.nan
        result = judge(replace(ALONE, scores=broken), guardrails=(Guardrail(metric="rmse", at_most=30),))["guardrail rmse"]
        assert not result.passed
        assert "rmse cannot be measured" in result.detail


class TestRunning:
    ONLINE = Problem(statement="s", objective="o", decision="d", business_metric="b", scale=Scale(requests_per_second=50))

    def test_memory(self) -> None:
        assert judge(replace(GOOD, memory_mb=120.0), memory_mb=120)["memory_mb"].passed
        result = judge(replace(GOOD, memory_mb=120.0), memory_mb=100)["memory_mb"]
        assert result.detail == "a process that answers with the bundle holds 120 MB, 100 MB are allowed: failed"
        assert not judge(GOOD, memory_mb=100)["memory_mb"].passed

    @pytest.mark.parametrize(("capacity", "passed"), [(50.0, True), (49.9, False), (None, False), (math.nan, False)])
    def test_capacity(self, capacity: float | None, passed: bool) -> None:
        verdict = validate(replace(GOOD, capacity_per_second=capacity), Success(metric="mae"), problem=self.ONLINE)
        (result,) = [one for one in verdict.results if one.gate == "capacity"]
        assert result.passed is passed
        assert ("50 are needed (problem.scale.requests_per_second)" in result.detail) is (capacity in (50.0, 49.9))


class TestTests:
    """Which paired test the gates use, and what they say of it."""

    def sentence(self, evidence: Evidence, **clauses) -> str:
        return judge(evidence, **clauses)["champion"].detail

    def test_each_metric_is_judged_by_the_test_that_is_right_for_it(self) -> None:
        assert "paired bootstrap: one-sided 95% low end" in self.sentence(GOOD)
        assert "Diebold-Mariano test: one-sided 95% low end" in self.sentence(replace(GOOD, block=10))
        y, ours, coin = binary()
        by_auc = replace(GOOD, metric="auc", y=y, scores=ours, champion_scores=coin, baseline_scores=coin)
        assert "DeLong's test: one-sided 95% low end" in self.sentence(by_auc)
        assert re.search(r"McNemar's test: one-sided p \S+e-\d+, asked less than 0.05", self.sentence(replace(by_auc, metric="accuracy")))

    def test_the_charter_can_ask_for_another(self) -> None:
        assert "paired bootstrap" in self.sentence(replace(GOOD, block=10), test="bootstrap")
        assert "Diebold-Mariano" in self.sentence(GOOD, test="diebold_mariano")

    def test_a_margin_that_a_test_cannot_carry_is_told(self) -> None:
        y, ours, coin = binary()
        evidence = replace(GOOD, metric="accuracy", y=y, scores=ours, champion_scores=coin, baseline_scores=coin)
        result = judge(evidence, test="mcnemar", champion_margin=0.05)
        assert "paired bootstrap, since McNemar's test carries no margin: one-sided 95% low end" in result["champion"].detail
        assert "McNemar's test: one-sided p" in result["baseline"].detail

    def test_mcnemar_can_say_no(self) -> None:
        y, ours, _ = binary()
        evidence = replace(GOOD, metric="accuracy", y=y, scores=ours, champion_scores=ours.copy(), baseline_scores=ours)
        result = judge(evidence)["champion"]
        assert (result.passed, result.value) == (False, 0)
        assert "McNemar's test: one-sided p 1, asked less than 0.05" in result.detail


class TestCalibration:
    def test_the_distance_of_probabilities_from_what_comes(self) -> None:
        rng = np.random.default_rng(1)
        p = rng.random(5_000)
        y = (rng.random(5_000) < p).astype(float)
        good = replace(ALONE, metric="auc", y=y, scores=np.column_stack([1 - p, p]), baseline_scores=np.full((5_000, 2), 0.5))
        result = judge(good, calibration_error=0.03)["calibration"]
        assert result.passed
        assert result.detail.startswith("what is said and what comes differ by 0.0")
        assert result.detail.endswith("on average (15 bins of equal mass, debiased), 0.03 is allowed: passed")
        sure = np.clip(1.5 * (p - 0.5) + 0.5, 0, 1)
        result = judge(replace(good, scores=np.column_stack([1 - sure, sure])), calibration_error=0.03)["calibration"]
        assert not result.passed
        assert result.value > 0.08

    def test_of_several_classes_the_mean(self) -> None:
        rng = np.random.default_rng(1)
        scores = rng.dirichlet([1, 1, 1], 300)
        y = rng.integers(0, 3, 300).astype(float)
        evidence = replace(ALONE, metric="log_loss", y=y, scores=scores, baseline_scores=np.full((300, 3), 1 / 3))
        result = judge(evidence, calibration_error=0.03)["calibration"]
        assert not result.passed
        assert "debiased, mean of 3 classes" in result.detail

    def test_what_cannot_be_measured_fails(self) -> None:
        broken = OURS.copy()
        broken[0] = np.nan
        result = judge(replace(ALONE, scores=broken), calibration_error=0.03)["calibration"]
        assert not result.passed
        assert "the calibration error cannot be measured" in result.detail


class TestRobustness:
    def test_what_nulls_cost_is_told_and_limited_only_where_asked(self) -> None:
        result = judge()["robustness"]
        assert (result.passed, result.value, result.limit) == (True, 0.08, None)
        assert result.detail == (
            "60 rows with nulls, unseen and extreme values all got an answer; nulls in a tenth of the rows add at most 8% to the error "
            "of mae (hour): passed"
        )
        assert judge(robustness=0.08)["robustness"].passed
        result = judge(robustness=0.05)["robustness"]
        assert not result.passed
        assert result.detail.endswith("(hour), 5% is allowed: failed")

    def test_rows_that_broke_the_bundle_fail_it(self) -> None:
        found = Robustness(60, ("hour = null: 3 answers are not finite", "temp = 1e12: RequestError"), {"hour": 0.0})
        result = judge(replace(GOOD, robustness=found))["robustness"]
        assert not result.passed
        assert result.detail == ("of 60 rows made to break the bundle some did: hour = null: 3 answers are not finite and 1 more: failed")

    @pytest.mark.parametrize("found", [None, Robustness(0, (), {})])
    def test_what_was_not_tried_fails(self, found: Robustness | None) -> None:
        assert not judge(replace(GOOD, robustness=found))["robustness"].passed

    def test_a_limit_on_what_was_not_measured_fails(self) -> None:
        found = Robustness(60, (), {})
        assert judge(replace(GOOD, robustness=found))["robustness"].passed
        assert not judge(replace(GOOD, robustness=found), robustness=0.5)["robustness"].passed


class TestContract:
    def test_the_champions_requests_must_stay_right(self) -> None:
        kinds = {"hour": "number", "season": "category"}
        good = judge(replace(GOOD, inputs=kinds, champion_inputs=kinds, needed_inputs=("hour",)))["contract"]
        assert good.passed
        bad = judge(
            replace(GOOD, inputs={"hour": "category", "wind": "number"}, champion_inputs=kinds, needed_inputs=("hour", "wind")),
        )["contract"]
        assert not bad.passed
        assert bad.value == 3
        assert bad.detail == (
            "requests made for the champion would break: season is no longer accepted; wind is needed and callers don't send it; "
            "hour was a number and is a category: failed"
        )

    def test_more_may_be_accepted_than_was_sent(self) -> None:
        assert judge(replace(GOOD, inputs=("hour", "temp", "id"), champion_inputs=("hour", "temp"), needed_inputs=("hour",)))[
            "contract"
        ].passed

    def test_what_the_champion_ignored_must_still_be_ignored(self) -> None:
        more = replace(GOOD, inputs=("hour", "temp", "note"), needed_inputs=("hour", "temp"), champion_optional=("note",))
        assert judge(more)["contract"].passed
        result = judge(replace(more, champion_optional=("note", "wind")))["contract"]
        assert not result.passed
        assert "wind is no longer accepted" in result.detail

    def test_unless_said_otherwise_all_inputs_are_needed(self) -> None:
        result = judge(replace(GOOD, inputs=("hour", "temp", "wind")))["contract"]
        assert not result.passed
        assert "wind is needed and callers don't send it" in result.detail

    def test_no_champion_and_unknown_inputs(self) -> None:
        assert judge(ALONE)["contract"].passed
        assert "the inputs of the candidate" in judge(replace(GOOD, inputs=None))["contract"].detail
        assert "the inputs of the champion" in judge(replace(GOOD, champion_inputs=None))["contract"].detail
        assert not judge(replace(GOOD, champion_inputs=None))["contract"].passed


class TestNothingToMeasure:
    @pytest.mark.parametrize("rows", [0, 1])
    def test_no_rows(self, rows: int) -> None:
        few = replace(GOOD, y=Y[:rows], scores=OURS[:rows], baseline_scores=NAIVE[:rows], champion_scores=WORSE[:rows])
        result = judge(few, segments=("s",), segment_gap=0.1)
        assert not any(result[name].passed for name in ("baseline", "champion", "segments"))

    def test_null_scores_fail_every_gate_on_the_metric(self) -> None:
        broken = OURS.copy()
        broken[0] = np.nan
        result = judge(replace(ALONE, scores=broken), threshold=100, segments=("s",), segment_gap=0.1)
        assert not any(result[name].passed for name in ("threshold", "baseline", "champion", "segments"))
        assert "mae cannot be measured on the 500 rows of the holdout" in result["threshold"].detail

    def test_one_class_fails_auc(self) -> None:
        _, ours, coin = binary()
        result = judge(replace(ALONE, metric="auc", y=np.zeros(400), scores=ours, baseline_scores=coin), threshold=0.1)
        assert not any(result[name].passed for name in ("threshold", "baseline", "champion"))

    @pytest.mark.parametrize("threshold", [math.nan, math.inf])
    def test_an_odd_threshold_fails(self, threshold: float) -> None:
        success = Success(metric="mae").model_copy(update={"threshold": threshold})
        assert not validate(GOOD, success).results[0].passed

    def test_an_unknown_metric_is_an_error_not_a_verdict(self) -> None:
        with pytest.raises(CharterError):
            judge(replace(GOOD, metric="lift"))


@given(st.integers(0, 5000), st.floats(0, 0.9), st.floats(0, 0.9))
@settings(max_examples=25, deadline=None)
def test_a_stricter_charter_never_passes_what_a_laxer_one_fails(seed: int, one: float, other: float) -> None:
    rng = np.random.default_rng(seed)
    y = rng.normal(size=40)
    evidence = replace(
        GOOD, y=y, scores=(y + 0.5 * rng.normal(size=40))[:, None], baseline_scores=np.zeros((40, 1)), champion_scores=y[:, None] + 0.4
    )
    lax, strict = (judge(evidence, improvement=m, champion_margin=m) for m in sorted((one, other)))
    for gate in ("baseline", "champion"):
        assert lax[gate].passed >= strict[gate].passed
