"""The examination of a candidate on its holdout, kept as one blob that the evaluation names: what the report and the card are made from."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from homeostat.core.ids import canonical
from homeostat.flow.amounts import amounts
from homeostat.flow.out_of_fold import out_of_fold
from homeostat.flow.registry import load_bundle

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    import polars as pl
    from numpy.typing import NDArray

    from homeostat.charter.schema import Charter
    from homeostat.core.facts import Fact
    from homeostat.core.records import Split
    from homeostat.flow.project import Project
    from homeostat.graph.plan import Floats
    from homeostat.serving.bundle import Bundle

MOST_DEVELOPMENT = 100_000
"""Development rows that metrics are measured on beside the holdout: of more, every k-th."""
MOST_PERIODS = 40


def examine(project: Project, candidate: Fact, split: Split, arrays: Mapping[str, Floats], block: int) -> str:
    """Examine a candidate on the holdout rows whose targets and scores are in ``arrays``; the digest of the blob."""
    from homeostat.evaluation.evaluate import Decided
    from homeostat.evaluation.examine import Rows
    from homeostat.evaluation.examine import examine as examined
    from homeostat.evaluation.segments import coded_columns, segment_labels
    from homeostat.stats.metrics import metric
    from homeostat.stats.resample import Resampling

    charter, holdout = project.charter, split.holdout
    bundle = load_bundle(project, str(candidate.body["bundle"]))
    rows = Rows(
        y=arrays["y"],
        scores=arrays["ours"],
        baseline=arrays["baseline"] if charter.success.baseline.kind != "none" else None,
        columns=coded_columns(holdout, split.development, slicing_columns(charter, bundle, holdout)),
        segments=segment_labels(holdout, charter.success.segments),
        time=_periods(charter, holdout),
    )
    found = examined(
        rows,
        metric(charter.success.metric),
        task_type=charter.task.type,
        classes=tuple(candidate.body["classes"]),
        value=charter.value,
        decided=Decided(float(candidate.body["threshold"]), amounts(charter, holdout)),
        beside=_beside(project, candidate, split, bundle),
        how=Resampling(charter.success.confidence, seed=charter.learning.seed, block=block),
    )
    return project.blobs.put(canonical(asdict(found)))


def examination(project: Project, evaluation: Fact) -> dict[str, Any]:
    """What an evaluation's examination found, as plain values; one of a program that made none found nothing."""
    from homeostat.evaluation.examine import Examination

    nothing = asdict(Examination(decision="", loss=""))
    name = evaluation.body.get("examination")
    return {**nothing, **json.loads(project.blobs.get(str(name)))} if name else nothing


def slicing_columns(charter: Charter, bundle: Bundle, frame: pl.DataFrame) -> list[str]:
    """The columns slices are made of: the charter's segments and the inputs; no texts, no private columns, and not the time."""
    hidden = {*charter.privacy.never_use, *charter.privacy.never_log, charter.task.target, charter.task.time}
    inputs = [each.name for each in bundle.manifest.inputs if each.kind != "text"]
    return [name for name in dict.fromkeys((*charter.success.segments, *inputs)) if name in frame.columns and name not in hidden]


def _periods(charter: Charter, frame: pl.DataFrame) -> tuple[str, Sequence[str], NDArray[np.int64]] | None:
    import polars as pl

    from homeostat.monitoring.windows import moments
    from homeostat.preparation.analysis.periods import periods_of

    if charter.task.time is None or charter.task.time not in frame.columns:
        return None
    seconds = moments(frame[charter.task.time]).dt.epoch("us").cast(pl.Float64) / 1e6
    if seconds.null_count():
        return None
    found = periods_of(seconds, MOST_PERIODS)
    return found.unit, found.starts, found.place


def _beside(project: Project, candidate: Fact, split: Split, bundle: Bundle) -> dict[str, tuple[Floats, Floats]]:
    """Targets and scores of development rows by the candidate that learned from them, and out-of-fold ones."""
    from homeostat.core.targets import encode_target
    from homeostat.serving.predictor import Predictor

    development = split.development
    seen = development.gather_every(max(1, -(-development.height // MOST_DEVELOPMENT)))
    y = encode_target(seen[project.charter.task.target], tuple(candidate.body["classes"]))
    found = {"development": (y, Predictor(bundle).predict_frame(seen))}
    kept = out_of_fold(project, candidate)
    return found if kept is None else {**found, "out_of_fold": kept}
