"""Causes: each planted on its own, told from the others through the whole chain, and each rule by itself."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest

from homeostat.core.records import Finding
from homeostat.core.sections import Monitor
from homeostat.graph.plan import Input
from homeostat.monitoring.diagnose import Context, diagnose
from homeostat.monitoring.observe import observe
from homeostat.monitoring.performance import error_at_class_shares, error_in_known_region, known_region, performance_finding
from homeostat.monitoring.profile import profile, reference_profile
from homeostat.stats.intervals import bootstrap
from homeostat.stats.metrics import METRICS

if TYPE_CHECKING:
    from homeostat.core.records import Diagnosis

SECTION = Monitor(significance=0.01, min_effect=0.1, degradation=0.2)
INPUTS = (Input("x", "number"), Input("z", "number"))


def made(kind: str, column: str = "x") -> Finding:
    return Finding(kind, column, "ks", 0.4, 1e-9, f"{column}: {kind} 0.400")  # type: ignore[arg-type]


Sample = tuple[pl.DataFrame, np.ndarray, np.ndarray]


def two_columns(x: np.ndarray, y: np.ndarray, logit: np.ndarray, rng: np.random.Generator) -> Sample:
    p = 1 / (1 + np.exp(-logit))
    return pl.DataFrame({"x": x, "z": rng.normal(size=len(x))}), y, np.column_stack([1 - p, p])


def by_inputs(rng: np.random.Generator, rows: int, center: float = 0.0, slope: float = 3.0) -> Sample:
    """First x, then y given x. The truth is P(y = 1 | x) = sigmoid(3 x); the model knows it for |x| < 1.5 and knows nothing beyond."""
    x = rng.normal(center, 0.5, rows)
    y = (rng.random(rows) < 1 / (1 + np.exp(-slope * x))).astype(np.float64)
    return two_columns(x, y, np.where(np.abs(x) < 1.5, 3 * x, 0.0), rng)


def by_classes(rng: np.random.Generator, rows: int, share: float = 0.1) -> Sample:
    """First y, then x given y. The model is right for a share of 10%."""
    y = (rng.random(rows) < share).astype(np.float64)
    x = rng.normal(np.where(y == 1, 1.0, -1.0))
    return two_columns(x, y, 2 * x + np.log(0.1 / 0.9), rng)


def chain(base: Sample, recent: Sample) -> Diagnosis:
    """Profile, observe, performance, diagnose."""
    loss = METRICS["log_loss"]
    (frame, y, scores), (window, now, seen) = base, recent
    reference = reference_profile(frame, INPUTS, prediction=scores[:, 1], target=y.astype(int).astype(str).tolist())
    current = profile(window, reference, prediction=seen[:, 1], target=now.astype(int).astype(str).tolist())
    accepted, value = loss.score(y, scores), loss.score(now, seen)
    low, high = bootstrap(loss, now, seen, confidence=0.95, resamples=200, seed=0)
    lost = performance_finding(value, low, high, accepted, loss, SECTION.degradation)
    context = Context(
        rows=window.height,
        min_rows=SECTION.min_rows,
        labelled=window.height,
        degradation=SECTION.degradation,
        expected_error=accepted,
        error=value,
        error_in_known_region=error_in_known_region(loss, now, seen, known_region(window, reference), 100),
        error_at_class_shares=error_at_class_shares(loss, now, seen, (1 - y.mean(), y.mean())),
    )
    return diagnose([*observe(current, reference, SECTION), *([lost] if lost else [])], context)


def planted(kind: str, seed: int) -> Diagnosis:
    rng = np.random.default_rng(seed)
    if kind == "label_shift":
        return chain(by_classes(rng, 8_000), by_classes(rng, 3_000, share=0.5))
    base = by_inputs(rng, 8_000)
    center, slope = (1.7 if kind == "covariate_shift" else 0.0), (-1.0 if kind == "concept_change" else 3.0)
    frame, y, scores = by_inputs(rng, 3_000, center, slope)
    return chain(base, (frame.with_columns(z=pl.lit(0.0)) if kind == "broken_data" else frame, y, scores))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kind", ["healthy", "broken_data", "covariate_shift", "label_shift", "concept_change"])
def test_a_planted_cause_is_named(kind: str, seed: int) -> None:
    assert planted(kind, seed).cause == kind


PERFORMANCE = Finding("performance", "", "mae", 0.5, None, "mae 60 against 40 when accepted")
KNOWN = Context(rows=1_000, min_rows=100, labelled=1_000, degradation=0.2, expected_error=40, error=60)


def context(**changes: float) -> Context:
    return replace(KNOWN, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("findings", "known", "cause", "columns", "number"),
    [
        ([], KNOWN, "healthy", (), "1,000"),
        ([], context(rows=99), "too_few_rows", (), "99 usable rows"),
        ([made("input_drift")], context(rows=99), "too_few_rows", (), "100 are needed"),
        ([made("broken_rows"), PERFORMANCE], KNOWN, "broken_data", ("x",), "0.400"),
        ([made("broken_rows", column="")], context(rows=10), "broken_data", (), "0.400"),
        ([made("null_rate"), made("input_drift", column="z")], KNOWN, "broken_data", ("x",), "0.400"),
        (
            [made("input_drift"), made("prediction_drift", column="prediction")],
            KNOWN,
            "covariate_shift",
            ("x",),
            "error 60, 40 when accepted",
        ),
        ([made("input_drift")], context(labelled=0), "covariate_shift", ("x",), "not known yet"),
        ([made("prediction_drift", column="prediction")], context(labelled=0), "covariate_shift", (), "prediction"),
        ([made("target_drift", column="target")], KNOWN, "healthy", (), "inputs did not move"),
        ([made("target_drift", column="target")], context(labelled=0), "label_shift", ("target",), "not known yet"),
        ([PERFORMANCE], KNOWN, "concept_change", (), "60 against 40"),
        ([PERFORMANCE, made("input_drift")], context(error_in_known_region=49), "concept_change", ("x",), "49, above 48"),
        ([PERFORMANCE, made("input_drift")], context(error_in_known_region=47), "covariate_shift", ("x",), "47, within 48"),
        ([PERFORMANCE, made("input_drift")], context(bias_shift=-0.7), "concept_change", ("x",), "-0.70 usual errors"),
        ([PERFORMANCE, made("input_drift")], context(bias_shift=0.1), "covariate_shift", ("x",), "+0.10"),
        ([PERFORMANCE, made("input_drift")], KNOWN, "concept_change", ("x",), "too few rows like"),
        (
            [PERFORMANCE, made("target_drift", column="target")],
            context(error_at_class_shares=41),
            "label_shift",
            ("target",),
            "41, within 48",
        ),
        ([PERFORMANCE, made("target_drift", column="target")], context(error_at_class_shares=55), "concept_change", (), "60"),
    ],
)
def test_each_rule(findings: list[Finding], known: Context, cause: str, columns: tuple[str, ...], number: str) -> None:
    diagnosis = diagnose(findings, known)
    assert (diagnosis.cause, diagnosis.columns) == (cause, columns)
    assert number in diagnosis.reason


def test_a_long_list_is_cut_and_counted() -> None:
    many = [Finding("input_drift", f"c{i}", "ks", i / 10, 0.0, f"c{i} moved") for i in range(6)]
    diagnosis = diagnose(many, KNOWN)
    assert diagnosis.reason.endswith("c5 moved; c4 moved; c3 moved; and 3 more")
    assert diagnosis.columns == ("c5", "c4", "c3", "c2", "c1", "c0")
