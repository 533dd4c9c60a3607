"""How well a version did on the labelled rows of a window, and the numbers that help to say why it did worse."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from homeostat.flow.arrays import load_arrays
from homeostat.flow.blocks import block_length
from homeostat.flow.labels import target_values
from homeostat.flow.measure import served_rule
from homeostat.flow.served import scores_of
from homeostat.stats.metrics import metric

if TYPE_CHECKING:
    from homeostat.core.records import Finding
    from homeostat.flow.project import Project
    from homeostat.flow.served import View
    from homeostat.monitoring.diagnose import Context
    from homeostat.monitoring.profile import Profile
    from homeostat.serving.bundle import Bundle
    from homeostat.stats.metrics import Metric


@dataclass(frozen=True, slots=True)
class Performance:
    """The success metric on a window's labelled rows with its interval, what was promised, and the finding if the promise is broken."""

    metric: Metric
    rows: int
    value: float
    low: float
    high: float
    expected: float
    known_region: float | None
    class_shares: float | None
    bias: float | None
    finding: Finding | None

    def told(self) -> dict[str, object]:
        """What the ledger keeps."""
        return {name: _number(getattr(self, name)) for name in ("value", "low", "high", "expected")}

    def context(self, base: Context) -> Context:
        """What the diagnosis needs to know beside the findings."""
        from homeostat.stats.metrics import error_of

        return replace(
            base,
            labelled=self.rows,
            expected_error=error_of(self.metric, self.expected),
            error=error_of(self.metric, self.value),
            error_in_known_region=self.known_region,
            error_at_class_shares=self.class_shares,
            bias_shift=self.bias,
        )


def judge_performance(project: Project, view: View, bundle: Bundle, reference: Profile) -> Performance:
    """Measure a window's performance against what the version was accepted with."""
    from homeostat.monitoring.performance import bias_shift, error_at_class_shares, error_in_known_region, known_region, performance_finding
    from homeostat.stats.intervals import bootstrap

    charter = project.charter
    classes = bundle.manifest.classes
    measured = metric(charter.success.metric).by(served_rule(bundle.manifest))
    y, scores = target_values(charter, classes, view.labelled), scores_of(view.labelled)
    value, expected = float(measured.score(y, scores)), float(view.version.fact.body["value"])
    low, high = bootstrap(
        measured, y, scores, confidence=charter.success.confidence, seed=charter.learning.seed, block=block_length(charter, view.labelled)
    )
    accepted = load_arrays(project.blobs.get(str(project.require(str(view.version.fact.body["evaluation"])).body["arrays"])))
    known = known_region(view.labelled, reference)
    shares = [float(np.mean(accepted["y"] == place)) for place in range(len(classes))]
    return Performance(
        metric=measured,
        rows=len(y),
        value=value,
        low=low,
        high=high,
        expected=expected,
        known_region=error_in_known_region(measured, y, scores, known, charter.monitor.min_rows),
        class_shares=error_at_class_shares(measured, y, scores, shares) if classes else None,
        bias=None if classes else bias_shift(y - scores[:, 0], accepted["y"] - accepted["ours"][:, 0]),
        finding=performance_finding(value, low, high, expected, measured, charter.monitor.degradation),
    )


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
