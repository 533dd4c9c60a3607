"""Evaluation and verdict on real hours: last week's count as the model, against the mean and against yesterday's count."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import homeostat
from homeostat.core.records import Robustness
from homeostat.core.sections import Success
from homeostat.evaluation.evaluate import evaluate
from homeostat.evaluation.segments import segment_labels
from homeostat.stats.resample import default_block
from homeostat.validation.gates import Evidence
from homeostat.validation.validate import validate

HOURS = pl.read_csv(Path(homeostat.__file__).parent / "data" / "bike_hourly.csv")["cnt", "season", "hr", "workingday"]
SUCCESS = Success(metric="mae", threshold=90, improvement=0.2, segments=("workingday", "hr"), segment_gap=0.6, confidence=0.95)


@pytest.fixture(scope="module")
def evidence() -> Evidence:
    frame = HOURS[6000:8000]
    count = HOURS["cnt"].to_numpy().astype(np.float64)
    y, week, day = count[6000:8000], count[6000 - 168 : 8000 - 168, None], count[6000 - 24 : 8000 - 24, None]
    block = default_block(len(y))
    scores = evaluate(y, week, task_type="regression", success=SUCCESS, segments=segment_labels(frame, SUCCESS.segments), block=block)
    return Evidence(
        metric="mae",
        y=y,
        scores=week,
        baseline_scores=np.full((len(y), 1), count[:6000].mean()),
        champion_scores=day,
        segment_scores=scores,
        parity_difference=0.0,
        parity_flips=0,
        inputs=("hr",),
        champion_inputs=("hr",),
        robustness=Robustness(9, (), {"hr": 0.1}),
        block=block,
    )


def test_segments_are_scored_on_their_own_rows(evidence: Evidence) -> None:
    losses = np.abs(evidence.y - evidence.scores[:, 0])
    off = HOURS["workingday"][6000:8000].to_numpy() == 0
    by_name = {s.segment: s for s in evidence.segment_scores if s.metric == "mae"}
    assert by_name[""].value == pytest.approx(losses.mean())
    assert by_name["workingday=0"].value == pytest.approx(losses[off].mean())
    assert by_name["workingday=0"].rows + by_name["workingday=1"].rows == 2000
    assert sum(s.rows for name, s in by_name.items() if name.startswith("hr=")) == 2000
    assert len([name for name in by_name if name.startswith("hr=")]) == 4


def test_blocks_widen_the_interval_of_dependent_hours(evidence: Evidence) -> None:
    alone = evaluate(evidence.y, evidence.scores, task_type="regression", success=SUCCESS)[0]
    whole = evidence.segment_scores[0]
    assert whole.high - whole.low > 1.3 * (alone.high - alone.low)


def test_the_verdict(evidence: Evidence) -> None:
    """Last week's hour beats the mean by half its error, but not surely yesterday's hour, and is worse in the afternoon than allowed."""
    verdict = validate(evidence, SUCCESS, seed=0)
    assert not verdict.passed
    passed = {r.gate: r.passed for r in verdict.results}
    assert passed == {
        "threshold": True,
        "baseline": True,
        "champion": False,
        "segments": False,
        "robustness": True,
        "parity": True,
        "contract": True,
    }
    told = {r.gate: r.detail for r in verdict.results}
    assert told["threshold"].startswith("mae 57.2 (")
    assert told["baseline"].startswith("better than the naive baseline by 48% of its error (mae 57.2 against 110; ")
    assert told["champion"].startswith("better than the champion by 2.2% of its error (")
    assert told["segments"].startswith("hr=12 to 18 is the worst of 6 segments: mae 97.7 on 503 rows against 57.2 on all, 70.7% more error")


def test_without_time_blocks_the_segments_gate_says_the_same(evidence: Evidence) -> None:
    alone = validate(replace(evidence, block=1), SUCCESS, seed=0)
    blocks = validate(evidence, SUCCESS, seed=0)
    assert [r for r in alone.results if r.gate == "segments"] == [r for r in blocks.results if r.gate == "segments"]
