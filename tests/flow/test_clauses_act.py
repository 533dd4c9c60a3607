"""Every clause of the charter acts: for each a case changes it, runs what it acts on, and the outcome is another.

The cases lie in ``clauses/``, by part of the charter, as ``CASES``: each is a function of nothing, or of pytest's ``request``, that gives
the outcome under one value of the clause and under another. A clause without a case fails here.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from homeostat.charter.effects import EFFECTS
from homeostat.flow.project import Project, open_project
from homeostat.testing.charters import revised

if TYPE_CHECKING:
    from homeostat.core.facts import Fact

Case = Callable[..., tuple[Any, Any]]


def cases_in(path: Path) -> Mapping[str, Case]:
    spec = spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    found: Mapping[str, Case] = module.CASES
    return found


PARTS = [cases_in(path) for path in sorted((Path(__file__).parent / "clauses").glob("*_cases.py"))]
CASES = {clause: case for part in PARTS for clause, case in part.items()}


SAID = {
    "name": "other-name",
    "problem.statement": "another statement",
    "problem.objective": "another objective",
    "problem.decision": "another decision",
    "problem.business_metric": "another metric",
    "problem.metric_mapping": {"metric": "mae", "business_better": "lower", "business_then": "falls", "because": "another reason"},
    "value.currency": "USD",
}


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory, _trained: Path) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """What a version, its evaluation and its bundle carry, from the charter of ``trained`` and from one that says everything otherwise."""
    folder = Path(shutil.copytree(_trained, tmp_path_factory.mktemp("said") / "bike"))
    with open_project(folder) as project:
        before = carried(project, project.ledger.find("version")[0])
        other = replace(project, charter=revised(project.charter, {**SAID, "learning.learners": ["naive"]}))
        with other:
            yield before, carried(other, trained_anew(other))


def trained_anew(project: Project) -> Fact:
    from homeostat.flow.evaluate import evaluate as on_holdout
    from homeostat.flow.train import first_order, train
    from homeostat.flow.validate import validate as register

    return register(project, on_holdout(project, train(project, first_order(project, project.ledger.find("dataset")[0]))))


def carried(project: Project, version: Fact) -> dict[str, Any]:
    from homeostat.flow.registry import load_bundle

    manifest = load_bundle(project, str(version.body["bundle"])).manifest
    evaluation = project.require(str(version.body["evaluation"]))
    return {
        "manifest": {"name": manifest.name, **manifest.facts},
        "version": dict(version.body["problem"]),
        "currency": evaluation.body["currency"],
    }


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
