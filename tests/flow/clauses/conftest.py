"""What several cases of clauses share: a version of a charter, and one of a charter that says everything otherwise."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from homeostat.flow.project import Project, open_project
from homeostat.testing.charters import revised

if TYPE_CHECKING:
    from homeostat.core.facts import Fact

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
