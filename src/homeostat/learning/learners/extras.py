"""The learners whose library comes with an extra: whether it is installed, and the library itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib import import_module
from importlib.util import find_spec
from types import MappingProxyType
from typing import Any

from homeostat.errors import LearningError

EXTRAS: Mapping[str, tuple[str, str]] = MappingProxyType({"xgboost": ("XGBoost", "xgboost"), "neural": ("PyTorch", "torch")})
"""By learner: what its library is called, and the module, which is the extra's name too."""


def require(learners: Iterable[str]) -> None:
    """Say at once, before anything is fitted, that a learner's library is missing.

    Raises:
        LearningError: HS310, it is.
    """
    for learner in learners:
        if learner in EXTRAS and find_spec(EXTRAS[learner][1]) is None:
            raise _missing(learner)


def library(learner: str) -> Any:
    """The library of a learner, loaded.

    Raises:
        LearningError: HS310, it is not installed.
    """
    try:
        return import_module(EXTRAS[learner][1])
    except ImportError as missing:
        raise _missing(learner) from missing


def _missing(learner: str) -> LearningError:
    name, extra = EXTRAS[learner]
    return LearningError(
        "HS310",
        f"{name} is not installed, and the learner {learner} is asked for",
        place="learning.learners",
        next_step=f"pip install 'homeostat[{extra}]', or take {learner} out",
    )
