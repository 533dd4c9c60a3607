"""From scores to decided classes, and the metrics that look at decisions alone.

A metric of decisions is measured on the decision that is served: ``DecisionRule.taken`` turns scores into decisions, written as
scores again (1 in the column of the decided class), and the kernels here read nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from homeostat.stats.kernels import Sums, decide, share
from homeostat.stats.money import least_cost

if TYPE_CHECKING:
    from homeostat.stats.kernels import Floats, Kernel, Weighted

OfCounts = Callable[["Floats", "Floats", "Floats", "Floats"], "Floats"]


@dataclass(frozen=True, slots=True)
class DecisionRule:
    """How scores become a class: binary by ``threshold``, more classes by the largest score, or with ``costs`` the least expected cost."""

    threshold: float = 0.5
    costs: tuple[tuple[float, ...], ...] = ()

    def classes(self, scores: Floats) -> Floats:
        """The decided class index of each row of scores (n, k) as float64 ``(n,)``.

        >>> DecisionRule(0.3).classes(np.array([[0.7, 0.3], [0.8, 0.2]])).tolist()
        [1.0, 0.0]
        """
        if scores.shape[1] > 2 and self.costs:
            return least_cost(scores, np.asarray(self.costs)).astype(np.float64)
        return decide(scores, self.threshold)

    def taken(self, scores: Floats) -> Floats:
        """The decisions as scores (n, k): 1 for the decided class, 0 for the others. A row of scores that are no numbers stays so."""
        taken = np.asarray(self.classes(scores)[:, None] == np.arange(scores.shape[1]), dtype=np.float64)
        return np.where(np.isfinite(scores).all(axis=1, keepdims=True), taken, np.nan)

    def label(self) -> str:
        """The rule in words.

        >>> DecisionRule(0.2).label()
        'positive from a score of 0.2'
        """
        return "the class of least expected cost" if self.costs else f"positive from a score of {self.threshold:.6g}"


HALF = DecisionRule()
"""The decision when nothing is said about what outcomes are worth."""


def wrong_rows(y: Floats, scores: Floats) -> Floats:
    """1.0 where the decided class isn't the one that came, else 0.0."""
    return np.asarray(decide(scores) != y, dtype=np.float64)


def of_counts(formula: OfCounts) -> Kernel:
    """A metric of two classes that follows from what true and false positives, false and true negatives weigh."""

    def kernel(y: Floats, scores: Floats) -> Weighted:
        came, acted = y == 1, decide(scores) == 1
        cells = np.column_stack([came & acted, ~came & acted, came & ~acted, ~came & ~acted]).astype(np.float64)

        return Sums(cells, lambda sums: np.where(sums.sum(axis=1) > 0, formula(*sums.T), np.nan))

    return kernel


def precision(tp: Floats, fp: Floats, fn: Floats, tn: Floats) -> Floats:
    """TP / (TP + FP); NaN when nothing was decided positive."""
    return share(tp, tp + fp)


def recall(tp: Floats, fp: Floats, fn: Floats, tn: Floats) -> Floats:
    """TP / (TP + FN); NaN when nothing positive came."""
    return share(tp, tp + fn)


def specificity(tp: Floats, fp: Floats, fn: Floats, tn: Floats) -> Floats:
    """TN / (TN + FP); NaN when nothing negative came."""
    return share(tn, tn + fp)


def f1(tp: Floats, fp: Floats, fn: Floats, tn: Floats) -> Floats:
    """2 TP / (2 TP + FP + FN); 0 when the positive class neither came nor was decided, as scikit-learn."""
    return 2 * share(tp, 2 * tp + fp + fn, empty=0.0)


def matthews(tp: Floats, fp: Floats, fn: Floats, tn: Floats) -> Floats:
    """The correlation of what came with what was decided; 0 when either is one class only, as scikit-learn.

    Source: Matthews 1975.
    """
    spread = np.sqrt(tp + fp) * np.sqrt(tp + fn) * np.sqrt(tn + fp) * np.sqrt(tn + fn)
    return share(tp * tn - fp * fn, spread, empty=0.0)


def of_classes(formula: Callable[[Floats, Floats, Floats], Floats]) -> Kernel:
    """A metric that follows from what each class weighs among what came, what was decided, and where both agree: each ``(b, labels)``."""

    def kernel(y: Floats, scores: Floats) -> Weighted:
        decided = decide(scores)
        labels = np.unique(np.concatenate([y, decided]))
        came, given = (y[:, None] == labels).astype(np.float64), (decided[:, None] == labels).astype(np.float64)
        cells, width = np.hstack([came, given, came * given]), len(labels)

        return Sums(cells, lambda sums: formula(sums[:, :width], sums[:, width : 2 * width], sums[:, 2 * width :]))

    return kernel


def f1_macro(came: Floats, given: Floats, both: Floats) -> Floats:
    """Mean of each class's F1 over the classes that came or were decided."""
    per_class = 2 * share(both, came + given, empty=0.0)
    return share(per_class.sum(axis=1), (came + given > 0).sum(axis=1).astype(np.float64))


def f1_weighted(came: Floats, given: Floats, both: Floats) -> Floats:
    """Mean of each class's F1, a class counted as often as it came."""
    per_class = 2 * share(both, came + given, empty=0.0)
    return share((per_class * came).sum(axis=1), came.sum(axis=1))


def recall_mean(came: Floats, given: Floats, both: Floats) -> Floats:
    """Mean over the classes that came of the share of their rows that was decided right."""
    return share(share(both, came, empty=0.0).sum(axis=1), (came > 0).sum(axis=1).astype(np.float64))
