"""Learners whose library is an extra: what is said where it is missing."""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np
import polars as pl
import pytest

from homeostat.core import sections
from homeostat.core.records import Split
from homeostat.errors import LearningError
from homeostat.learning.learner import Goal, Rows
from homeostat.learning.learners import extras, neural
from homeostat.learning.search import search
from homeostat.learning.trials import Stages
from homeostat.stats.metrics import metric

GOAL = Goal("regression", (), metric("mae"))
FRAME = pl.DataFrame({"x": [1.0, 2.0, 3.0], "y": [1.0, 2.0, 3.0]})
PARTS = Split(FRAME, FRAME, FRAME)


def test_without_its_library_the_search_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extras, "find_spec", lambda name: None if name == "torch" else importlib.util.find_spec(name))
    nothing = Stages(lambda *_: pytest.fail("not reached"), lambda *_: pytest.fail("not reached"))
    learning = sections.Learning(learners=("naive", "neural"))
    with pytest.raises(LearningError, match=r"HS310.*PyTorch is not installed.*homeostat\[torch\]"):
        search(PARTS, sections.Task(type="regression", target="y"), learning, metric("mae"), nothing, clock=lambda: 0.0)
    extras.require(["linear", "lightgbm"])


def test_a_library_that_cannot_be_loaded_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(name: str) -> Any:
        raise ImportError(name)

    monkeypatch.setattr(extras, "import_module", gone)
    with pytest.raises(LearningError, match="HS310") as refused:
        neural.fit(Rows(np.zeros((9, 1)), np.arange(9.0)), GOAL, neural.defaults, 0)
    assert "homeostat[torch]" in str(refused.value.next_step)
