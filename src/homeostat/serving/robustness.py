"""Robustness: real rows changed to break the bundle, and what nulls cost. All on the graph itself, through the predictor that serves."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import numpy as np

from homeostat.core.records import Robustness
from homeostat.serving.parity import STRESS_ROWS, constant, odd_values
from homeostat.serving.predictor import Predictor
from homeostat.stats.metrics import error_of, metric

if TYPE_CHECKING:
    from collections.abc import Iterator

    import polars as pl

    from homeostat.graph.plan import Floats
    from homeostat.serving.bundle import Bundle

SHARE = 0.1
"""Of the rows, in which an input is null when its worth is measured."""
MOST_CELLS = 500_000_000
SUM_TOLERANCE = 1e-6
SHOWN = 24


def robustness(bundle: Bundle, frame: pl.DataFrame, y: Floats, metric_name: str, seed: int) -> Robustness:
    """Try hostile rows made from a frame's, as columns and as rows of a request; and measure what nulls do to a metric.

    Each input in turn is null, unseen or extreme (texts: empty, very long; numbers far beyond any seen; dates centuries away), and at
    last all are null. Every answer must be finite, probabilities lie in 0..1 and sum to 1, and nothing may raise.

    Args:
        bundle: what is tried.
        frame: rows with its inputs.
        y: what came on them, ``(n,)``.
        metric_name: the success metric.
        seed: of the choice of rows.
    """
    if frame.is_empty():
        return Robustness(0, (), {})
    predictor, rng = Predictor(bundle), np.random.default_rng(seed)
    few = frame[np.sort(rng.choice(frame.height, min(STRESS_ROWS, frame.height), replace=False))]
    tried, broken = 0, []
    for name, rows in _hostile(bundle, few, frame):
        tried += rows.height
        wrong = _wrong(predictor, rows)
        if wrong:
            broken.append(f"{name} {wrong}")
    return Robustness(tried, tuple(broken), _growth(predictor, frame, y, metric_name, rng))


def _hostile(bundle: Bundle, few: pl.DataFrame, frame: pl.DataFrame) -> Iterator[tuple[str, pl.DataFrame]]:
    """Rows of ``few`` with one input changed, and in what words; the last ones are null in all inputs."""
    inputs = bundle.inputs()
    for each in inputs:
        for value in (None, *odd_values(each, frame[each.name])):
            yield f"{each.name} = {_shown(value)}:", few.with_columns(constant(frame[each.name], value))
    yield "every input null:", few.with_columns([constant(frame[each.name], None) for each in inputs])


def _shown(value: Any) -> str:
    if value is None:
        return "null"
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}... ({len(text)} characters)"


def _wrong(predictor: Predictor, rows: pl.DataFrame) -> str:
    """What is wrong with the answers to these rows; empty when nothing is. The first is asked as a request too."""
    names = predictor.manifest.required()
    first = {name: _plain(value) for name, value in zip(names, rows.select(names).row(0), strict=True)}
    try:
        scores, _ = predictor.decide_frame(rows)
        if not np.isfinite(scores).all():
            return f"{int((~np.isfinite(scores)).any(axis=1).sum())} answers are not finite"
        alone, _ = predictor.score_rows([first])
    except Exception as error:  # noqa: BLE001 - told as the finding it is: whatever a row raises, it broke the bundle
        return f"{type(error).__name__}: {' '.join(str(error).split())}"[:200]
    scores = np.concatenate([scores, alone])
    if predictor.manifest.classes:
        off = (np.abs(scores.sum(axis=1) - 1) > SUM_TOLERANCE) | (scores < -SUM_TOLERANCE).any(axis=1)
        if off.any():
            return f"{int(off.sum())} answers are no probabilities: one sums to {scores[off][0].sum():.6g}"
    return ""


def _plain(value: Any) -> Any:
    return value.isoformat() if hasattr(value, "isoformat") else value


def _growth(predictor: Predictor, frame: pl.DataFrame, y: Floats, metric_name: str, rng: np.random.Generator) -> dict[str, float]:
    """By input, the share by which the error grows with nulls in a tenth of the rows; only rows that change are scored again."""
    import polars as pl

    names = predictor.manifest.required()
    most = max(1_000, int(MOST_CELLS / max(len(names), 1) ** 2))
    if frame.height > most:
        kept = np.sort(rng.choice(frame.height, most, replace=False))
        frame, y = frame[kept], y[kept]
    measured, scores = metric(metric_name), predictor.predict_frame(frame)
    error = error_of(measured, measured.score(y, scores))
    if not np.isfinite(error):
        return {}
    found = {}
    for name in names:
        chosen = np.sort(rng.choice(frame.height, max(1, int(SHARE * frame.height)), replace=False))
        changed = scores.copy()
        changed[chosen] = predictor.predict_frame(frame[chosen].with_columns(pl.lit(None, dtype=frame.schema[name]).alias(name)))
        now = error_of(measured, measured.score(y, changed))
        if np.isfinite(now):
            found[name] = now / error - 1 if error > 0 else sys.float_info.max * (now > 0)
    return found
