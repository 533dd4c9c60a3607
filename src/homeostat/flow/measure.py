"""The success metric as it is measured: one of decisions looks at the decision that is served, not at a score of one half."""

from __future__ import annotations

from typing import TYPE_CHECKING

from homeostat.stats.decisions import DecisionRule
from homeostat.stats.metrics import metric

if TYPE_CHECKING:
    from homeostat.charter.schema import Charter
    from homeostat.serving.manifest import Manifest
    from homeostat.stats.metrics import Metric


def success_metric(charter: Charter, classes: tuple[str, ...]) -> Metric:
    """The success metric before there is a model: by the decision rule that follows from the charter alone.

    Raises:
        CharterError: HS113, a class of the data has no costs.
    """
    from homeostat.learning.threshold import known_rule

    return metric(charter.success.metric).by(known_rule(charter.value, charter.task.type, classes))


def served_rule(manifest: Manifest) -> DecisionRule:
    """The rule by which a bundle decides."""
    return DecisionRule(manifest.threshold, manifest.costs)
