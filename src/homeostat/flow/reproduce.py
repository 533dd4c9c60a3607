"""A registered version trained again from its record alone, and whether the graph that comes out is the same, byte for byte."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from homeostat.core.ids import digest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from homeostat.core.facts import Fact
    from homeostat.core.ports import Progress
    from homeostat.core.records import Split
    from homeostat.flow.project import Project
    from homeostat.flow.registry import Version
    from homeostat.serving.bundle import Bundle

COMPARED_ROWS = 2_000
TOLERANCE = 1e-6
"""The largest difference of scores, relative to the largest score, at which a graph of other bytes still counts as the same model."""


def reproduce(project: Project, version: Version, progress: Progress | None = None) -> Fact:
    """Train a version again and return the ``reproduction`` fact: equal, alike or different, and what has changed around it.

    What is used is on record: the charter as it stood, the dataset version, the labels and quarantined windows of then, the section of
    learning, and the choice the search came to. The search itself is not repeated: its trials are on record.

    Raises:
        LearningError: HS311, the record cannot be trained again by this program, or the rows are no longer the ones of the record; HS381,
            the version was adopted.
    """
    from homeostat.flow.estimators import sources_of
    from homeostat.flow.origins import charter_then, learning_then, require_trained
    from homeostat.flow.registry import load_bundle
    from homeostat.infra.provenance import code_commit, environment

    candidate = project.require(str(version.fact.body["candidate"]))
    require_trained(candidate)
    run = project.require(str(candidate.body["run"]))
    learning = learning_then(run)
    with replace(project, charter=charter_then(project, candidate, run)) as then:
        if progress is not None:
            progress.update(f"reproduce {candidate.body['learner']}")
        made, split = _made(then, candidate, run, learning)
    sources = sources_of(project, learning)
    kept = load_bundle(project, str(candidate.body["bundle"]))
    graphs = [digest(bundle.graph) for bundle in (kept, made)]
    equal = graphs[0] == graphs[1]
    difference = 0.0 if equal else _difference(kept, made, split)
    now = environment()
    body = {
        "version": version.fact.id,
        "candidate": candidate.id,
        "recorded": graphs[0],
        "made": graphs[1],
        "outcome": "equal" if equal else "alike" if difference <= TOLERANCE else "different",
        "difference": difference,
        "tolerance": TOLERANCE,
        "changed": _changed(run.body["environment"], now) | _rewritten(run.body.get("estimators", {}), sources),
        "code": code_commit(project.root),
    }
    key = digest(
        {
            "version": version.fact.id,
            "made": graphs[1],
            "environment": now,
            "code": body["code"],
            **({"estimators": sources} if sources else {}),
        }
    )
    return project.record("reproduction", key, body, subject=version.fact.id, causes=(version.fact.id, candidate.id))


def _made(project: Project, candidate: Fact, run: Fact, learning: Any) -> tuple[Bundle, Split]:
    from homeostat.charter.effective import effective_task, never_inputs
    from homeostat.flow.develop import Aids, develop
    from homeostat.flow.estimators import learners_of
    from homeostat.flow.origins import split_then
    from homeostat.flow.packing import bundle_of
    from homeostat.preparation.decide import decide

    charter = project.charter
    split = split_then(project, candidate, run, learning)
    decisions = decide(split.train, effective_task(charter), charter.preparation, never_inputs(charter))
    found = develop(charter, learning, split, decisions, Aids(made=candidate.body, learners=learners_of(project, learning)))
    return bundle_of(project, found, split, run)[0], split


def _difference(kept: Bundle, made: Bundle, split: Split) -> float:
    """The largest difference of the scores of rows that both learned from, relative to the largest score; infinite for other inputs."""
    from homeostat.graph.decode import decode_frame
    from homeostat.graph.encode import load_plan
    from homeostat.graph.interpret import run

    rows = split.development.head(COMPARED_ROWS)
    before, after = (load_plan(bundle.plan) for bundle in (kept, made))
    if {source.name for source in after.inputs} != {source.name for source in before.inputs} or before.classes != after.classes:
        return float("inf")
    scores = [run(plan, *decode_frame(plan.inputs, rows)) for plan in (before, after)]
    return float(np.max(np.abs(scores[0] - scores[1])) / max(1.0, float(np.max(np.abs(scores[0])))))


def _changed(before: dict[str, Any], after: dict[str, Any]) -> dict[str, list[Any]]:
    """Of what a result depends on, what is another now than then: ``{"numpy": ["2.2.0", "2.3.0"]}``."""
    flat = [{**told, **told["libraries"]} for told in (before, after)]
    names = [name for name in flat[1] if name != "libraries"]
    return {name: [flat[0].get(name), flat[1][name]] for name in names if flat[0].get(name) != flat[1][name]}


def _rewritten(before: Mapping[str, Mapping[str, str]], now: Mapping[str, Mapping[str, str]]) -> dict[str, list[Any]]:
    """The team's own estimators whose source is another now, with the beginnings of both digests."""
    digests = {name: [told["sha256"][:12], now[name]["sha256"][:12]] for name, told in before.items() if name in now}
    return {f"estimator {name}": both for name, both in digests.items() if both[0] != both[1]}
