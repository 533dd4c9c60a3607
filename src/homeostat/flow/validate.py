"""Stage 7 as a journey: gates, verdict, registration of a signed version."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from homeostat.charter.effective import purpose
from homeostat.core.ids import fact_id
from homeostat.errors import ProjectError, Refusal
from homeostat.flow.arrays import load_arrays
from homeostat.flow.evaluate import judging_digest
from homeostat.flow.measure import served_rule
from homeostat.flow.registry import load_bundle
from homeostat.flow.signing import ensure_key, signed

if TYPE_CHECKING:
    from homeostat.core.facts import Fact
    from homeostat.core.records import Verdict
    from homeostat.flow.project import Project
    from homeostat.serving.manifest import Manifest


def validate(project: Project, evaluation: Fact) -> Fact:
    """Put an evaluated candidate through the charter's gates, register it with the verdict, return the ``version`` fact.

    A version that failed is registered too: what was rejected, and why, is evidence.

    Raises:
        ProjectError: HS608, the charter judges by other clauses now than when the holdout was opened.
        Refusal: HS710, the project's signing key is not here, or out of date.
    """
    if evaluation.body["judged_by"] != judging_digest(project.charter):
        raise ProjectError(
            "HS608",
            "the charter's success, objectives, value, problem or seed changed since this evaluation",
            place="success",
            next_step="run `homeostat evaluate` again",
        )
    candidate = project.require(str(evaluation.body["candidate"]))
    verdict_key = evaluation.id
    known = project.ledger.get(fact_id("version", verdict_key))
    if known is not None:
        return known
    ensure_key(project)
    verdict = _verdict(project, candidate, evaluation)
    body: dict[str, object] = {"passed": verdict.passed, "gates": [asdict(result) for result in verdict.results]}
    charter = project.charter_fact()
    judged = project.record("verdict", verdict_key, body, causes=(evaluation.id, charter.id))
    whole = next(s for s in evaluation.body["scores"] if s["metric"] == candidate.body["metric"] and not s["segment"])
    version: dict[str, object] = {
        "name": project.charter.name,
        "problem": purpose(project.charter),
        "charter": charter.id,
        "bundle": candidate.body["bundle"],
        "profile": candidate.body["profile"],
        "candidate": candidate.id,
        "evaluation": evaluation.id,
        "verdict": judged.id,
        "dataset": candidate.body["dataset"],
        "run": candidate.body["run"],
        "learner": candidate.body["learner"],
        **({"objectives": [each.model_dump(mode="json") for each in project.charter.objectives]} if project.charter.objectives else {}),
        "window": candidate.body["window"],
        "metric": candidate.body["metric"],
        "value": whole["value"],
        "low": whole["low"],
        "high": whole["high"],
        "passed": verdict.passed,
        "measures": measures_of(candidate, evaluation),
    }
    causes = (candidate.id, evaluation.id, judged.id)
    covers = (str(candidate.body["dataset"]), charter.id, *causes)
    return project.record("version", verdict_key, signed(project, "version", verdict_key, version, covers), causes=causes)


def measures_of(candidate: Fact, evaluation: Fact) -> dict[str, float]:
    """What versions are found and sorted by: holdout metrics (of an objective ``objective.metric``), intervals, size, latency."""
    scores = [score for score in evaluation.body["scores"] if not score["segment"]]
    metrics = {".".join(filter(None, (score["objective"], score["metric"]))): score["value"] for score in scores}
    for covered in evaluation.body.get("intervals", ())[:1]:
        metrics |= {"coverage": covered["coverage"], "interval_width": covered["width"], "interval_score": covered["score"]}
    body = candidate.body
    return metrics | {"size_mb": body["size_mb"], "latency_p99_ms": body["latency_p99_ms"], "train_rows": body["rows"]["train"]}


def _verdict(project: Project, candidate: Fact, evaluation: Fact) -> Verdict:
    from homeostat.core.records import Robustness, Score
    from homeostat.validation.gates import Evidence
    from homeostat.validation.validate import validate as judge

    serving = project.ledger.get(str(evaluation.body["champion"])) if evaluation.body["champion"] else None
    ours = load_bundle(project, str(candidate.body["bundle"])).manifest
    theirs = load_bundle(project, str(serving.body["bundle"])).manifest if serving else None
    arrays = load_arrays(project.blobs.get(str(evaluation.body["arrays"])))
    parity = candidate.body["parity"]
    evidence = Evidence(
        metric=project.charter.success.metric,
        y=arrays["y"],
        scores=arrays["ours"],
        baseline_scores=arrays.get("baseline"),
        champion_scores=arrays.get("champion"),
        ends=arrays.get("ends"),
        segment_scores=tuple(Score(**score) for score in evaluation.body["scores"]),
        latency_p99_ms=float(candidate.body["latency_p99_ms"]),
        size_mb=float(candidate.body["size_mb"]),
        memory_mb=candidate.body["memory_mb"],
        capacity_per_second=float(candidate.body["capacity_per_second"]),
        parity_difference=float(parity["max_difference"]),
        parity_flips=int(parity["flips"]),
        parity_limit=float(parity["tolerance"]),
        inputs=dict.fromkeys(ours.ignored, "") | _kinds(ours),
        needed_inputs=ours.required(),
        champion_inputs=_kinds(theirs) if theirs else None,
        champion_optional=theirs.ignored if theirs else (),
        block=int(evaluation.body["block"]),
        robustness=Robustness(**evaluation.body["robustness"]),
        rule=served_rule(ours),
        champion_rule=served_rule(theirs) if theirs else served_rule(ours),
    )
    charter = project.charter
    asked = charter.learning.intervals
    coverage = asked.coverage if asked is not None else None
    return judge(evidence, charter.success, charter.learning.seed, charter.problem, charter.objectives, coverage)


def _kinds(manifest: Manifest) -> dict[str, str]:
    return {source.name: source.kind for source in manifest.inputs}


def failed_gates(project: Project, version: Fact) -> list[str]:
    """The sentences of the gates a version failed; empty when it passed."""
    verdict = project.require(str(version.body["verdict"]))
    return [str(gate["detail"]) for gate in verdict.body["gates"] if not gate["passed"]]


def require_gates(project: Project, version: Fact) -> None:
    """Make sure that every gate of the version's verdict passed.

    Raises:
        Refusal: HS701, one did not.
    """
    failed = failed_gates(project, version)
    if failed:
        told = f"{len(failed)} gate(s) failed: {'; '.join(failed)}; no approval replaces them"
        raise Refusal("HS701", told, place=version.id, next_step=f"`homeostat show {version.id}` shows all of them")
