"""Which features tell most of the target: by what a small forest of boosted trees gains from them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from homeostat.graph.plan import Floats, Ints

ROUNDS = 60
_SETTINGS: dict[str, Any] = {
    "num_leaves": 15,
    "learning_rate": 0.1,
    "min_data_in_leaf": 20,
    "seed": 0,
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,
    "verbose": -1,
}


def most_telling(features: Floats, y: Floats, classes: tuple[str, ...], keep: int) -> Ints:
    """The columns of features (n, p) kept, ascending: the ``keep`` with the largest gain, the earlier one when equal; all when p <= keep.

    Trees see what a feature tells together with others, and need no scale. Equal rows give equal choices. ``y`` holds values or class
    indices; rows of a class not listed (-1) are left out.

    Source: Breiman et al., "Classification and Regression Trees" (1984), section 5.3, importance as the sum of gains over splits.
    """
    import lightgbm

    if features.shape[1] <= keep:
        return np.arange(features.shape[1])
    known = y >= 0 if classes else np.ones(len(y), dtype=np.bool_)
    objective: dict[str, Any] = {"objective": "regression"}
    if classes:
        objective = {"objective": "binary"} if len(classes) == 2 else {"objective": "multiclass", "num_class": len(classes)}
    booster = lightgbm.train({**_SETTINGS, **objective}, lightgbm.Dataset(features[known], label=y[known]), num_boost_round=ROUNDS)
    gains = np.asarray(booster.feature_importance("gain"), dtype=np.float64)
    return np.sort(np.argsort(-gains, kind="stable")[:keep])
