"""The learners a charter can name. Each is a module; libraries are loaded when it fits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from homeostat.learning.learners import lightgbm, linear, naive, neural, xgboost
from homeostat.learning.learners.forest import Forest

if TYPE_CHECKING:
    from homeostat.learning.learner import Learner

LEARNERS: dict[str, Learner] = {
    "naive": naive,
    "linear": linear,
    "lightgbm": lightgbm,
    "xgboost": xgboost,
    "random_forest": Forest("random_forest"),
    "extra_trees": Forest("extra_trees"),
    "neural": neural,
}
