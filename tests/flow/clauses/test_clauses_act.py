"""Every clause of the charter acts: for each a case changes it, runs what it acts on, and the outcome is another.

The cases lie beside this file, by part of the charter, each as ``CASES``: a function, of nothing or of pytest's ``request``, that gives
the outcome under one value of the clause and under another. A clause without a case fails here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest

from homeostat.charter.effects import EFFECTS

Case = Callable[..., tuple[Any, Any]]


def cases_in(path: Path) -> Mapping[str, Case]:
    spec = spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    found: Mapping[str, Case] = module.CASES
    return found


PARTS = [cases_in(path) for path in sorted(Path(__file__).parent.glob("*_cases.py"))]
CASES = {clause: case for part in PARTS for clause, case in part.items()}


def test_every_clause_has_one_case_and_every_case_a_clause() -> None:
    assert [clause for clause in EFFECTS if clause not in CASES] == [], "a clause that nothing acts on is an error in our code"
    assert sorted(clause for part in PARTS for clause in part) == sorted(EFFECTS)


@pytest.mark.parametrize("clause", CASES)
def test_a_changed_clause_changes_an_outcome(clause: str, request: pytest.FixtureRequest) -> None:
    case = CASES[clause]
    if case.__code__.co_argcount:
        before, after = case(request)
        assert before != after
        return
    (before, after), again = case(), case()
    assert before != after
    assert (before, after) == again, "only what the clause says makes the difference"
