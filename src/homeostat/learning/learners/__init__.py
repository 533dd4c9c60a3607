"""The learners a charter can name. Each is a module; libraries are loaded when it fits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from homeostat.learning.learners import lightgbm, linear, naive

if TYPE_CHECKING:
    from homeostat.learning.learner import Learner

LEARNERS: dict[str, Learner] = {"naive": naive, "linear": linear, "lightgbm": lightgbm}
