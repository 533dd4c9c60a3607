"""A version's bill of materials: CycloneDX 1.6 with a model card, from recorded facts only. The same version gives the same bytes.

Source: CycloneDX specification 1.6 (ECMA-424), component type ``machine-learning-model``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING, Any
from uuid import NAMESPACE_URL, uuid5

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from homeostat.core.facts import Fact

SPEC = "1.6"
LICENCES = {
    "homeostat": "Apache-2.0",
    "numpy": "BSD-3-Clause",
    "polars": "MIT",
    "scikit-learn": "BSD-3-Clause",
    "lightgbm": "MIT",
    "xgboost-cpu": "Apache-2.0",
    "torch": "BSD-3-Clause",
    "optuna": "MIT",
    "scipy": "BSD-3-Clause",
    "onnx": "Apache-2.0",
    "onnxruntime": "MIT",
    "deltalake": "Apache-2.0",
}
"""Of the libraries that a run's record names (``infra.provenance``), as each project states it. A data set's is not on record."""


@dataclass(frozen=True, slots=True)
class Lineage:
    """What a version was made from: its number and the facts behind it, and of its bundle the parts' digests and the interface.

    ``inputs`` and ``outputs`` are names with kinds; ``parts`` the files in the bundle with their SHA-256.
    """

    number: int
    version: Fact
    candidate: Fact
    evaluation: Fact
    verdict: Fact
    dataset: Fact
    run: Fact
    charter: Fact
    inputs: Sequence[tuple[str, str]]
    outputs: Sequence[tuple[str, str]]
    parts: Mapping[str, str]

    @property
    def content(self) -> Mapping[str, Any]:
        """What the charter said when the version was judged."""
        said: Mapping[str, Any] = self.charter.body["content"]
        return said


def bill_of_materials(made: Lineage) -> bytes:
    """The bill of materials as UTF-8 JSON."""
    model, data, charter = f"version/{made.number}", made.dataset.id, made.charter.id
    libraries = dict(_libraries(made.run.body["environment"]))
    named = f"{made.version.id}:{made.version.body['bundle']}"
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": SPEC,
        "serialNumber": f"urn:uuid:{uuid5(NAMESPACE_URL, named)}",
        "version": 1,
        "metadata": {
            "timestamp": made.version.at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
            "tools": {
                "components": [{"type": "application", "name": "homeostat", "version": _text(made.run.body["environment"]["homeostat"])}]
            },
            "component": _model(made, model),
        },
        "components": [_data(made), _charter(made), *libraries.values()],
        "dependencies": [
            {"ref": model, "dependsOn": sorted([data, charter, *libraries])},
            *({"ref": each} for each in sorted([data, charter, *libraries])),
        ],
    }
    return (json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()


def _model(made: Lineage, ref: str) -> dict[str, Any]:
    body = made.version.body
    return {
        "type": "machine-learning-model",
        "bom-ref": ref,
        "name": str(body["name"]),
        "version": str(made.number),
        "description": str(body["problem"]["statement"]),
        "hashes": [_sha256(str(body["bundle"]))],
        "components": [
            {"type": "file", "bom-ref": f"{ref}/{name}", "name": name, "hashes": [_sha256(digest)]} for name, digest in made.parts.items()
        ],
        "modelCard": {
            "bom-ref": f"{ref}/card",
            "modelParameters": _parameters(made),
            "quantitativeAnalysis": {"performanceMetrics": [_metric(score) for score in made.evaluation.body["scores"]]},
            "considerations": _considerations(made),
        },
        "properties": _properties(_about(made)),
    }


def _parameters(made: Lineage) -> dict[str, Any]:
    body = made.candidate.body
    return {
        "approach": {"type": "semi-supervised" if body.get("weakly_labelled") else "supervised"},
        "task": str(made.content["task"]["type"]),
        "architectureFamily": str(body["learner"]),
        "modelArchitecture": f"{body['learner']}, training window {body['window']}, calibration {body.get('calibration') or 'none'}",
        "datasets": [{"ref": made.dataset.id}],
        "inputs": [{"format": f"{name}: {kind}"} for name, kind in made.inputs],
        "outputs": [{"format": f"{name}: {kind}"} for name, kind in made.outputs],
    }


def _metric(score: Mapping[str, Any]) -> dict[str, Any]:
    interval = {"lowerBound": repr(score["low"]), "upperBound": repr(score["high"])}
    of = " ".join(filter(None, (f"objective={score['objective']}" if score.get("objective") else "", score["segment"])))
    return {"type": score["metric"], "value": repr(score["value"]), "confidenceInterval": interval, **({"slice": of} if of else {})}


def _considerations(made: Lineage) -> dict[str, Any]:
    """What the charter says of use, limits and people, and what the gates found of them."""
    problem, content = made.version.body["problem"], made.content
    people = problem["stakeholders"]
    gates = {gate["gate"]: gate["detail"] for gate in made.verdict.body["gates"]}
    private = [(what, content["privacy"].get(clause, ())) for clause, what in PRIVACY.items()]
    said = {
        "users": [one["name"] for one in people if one["role"] == "user"],
        "useCases": [str(problem[name]) for name in ("decision", "objective")],
        "technicalLimitations": [gates[name] for name in ("robustness", "calibration") if name in gates],
        "performanceTradeoffs": [
            detail for name, detail in gates.items() if name.startswith(("threshold", "guardrail", "latency", "size"))
        ],
        "ethicalConsiderations": [
            {"name": f"personal data in {', '.join(columns)}", "mitigationStrategy": what} for what, columns in private if columns
        ],
        "fairnessAssessments": [
            {"groupAtRisk": f"rows by {column}", **({"mitigationStrategy": gates["segments"]} if "segments" in gates else {})}
            for column in content["success"]["segments"]
        ],
    }
    return {name: value for name, value in said.items() if value}


PRIVACY = {
    "never_use": "never an input of the model, nor of anything derived from it",
    "never_store": "dropped before anything is written",
    "never_log": "left out of the prediction log",
    "pseudonymise": "stored and logged as a keyed hash only",
}


def _about(made: Lineage) -> Iterator[tuple[str, object]]:
    """Facts of ours that CycloneDX has no field for."""
    body, candidate, run = made.version.body, made.candidate.body, made.run.body
    yield from ((name, getattr(made, name).id) for name in ("version", "candidate", "evaluation", "verdict", "run", "dataset", "charter"))
    yield from (("commit", run["code"]["commit"]), ("uncommitted_changes", bool(run["code"]["dirty"])), ("actor", made.run.actor))
    yield from (("metric", body["metric"]), ("passed", body["passed"]), ("holdout_rows", made.evaluation.body["rows"]))
    yield from ((f"gate:{gate['gate']}", gate["detail"]) for gate in made.verdict.body["gates"])
    yield from ((f"parameter:{name}", value) for name, value in sorted(candidate["params"].items()))
    yield ("seed", made.content["learning"]["seed"])
    yield from ((name, candidate[name]) for name in ("latency_p99_ms", "size_mb", "memory_mb"))
    signature = body.get("signature")
    if signature:
        told = {"algorithm": "Ed25519", **{name: signature[name] for name in ("key", "at", "value")}}
        yield from ((f"signature:{name}", value) for name, value in told.items())


def _data(made: Lineage) -> dict[str, Any]:
    body = made.dataset.body
    sources = [(f"source:{each['path']}", f"sha256 {each['sha256']}, {each['rows']} rows") for each in body["sources"]]
    privacy = made.content["privacy"]
    sensitive = sorted({column for clause in ("never_use", "never_store", "pseudonymise") for column in privacy.get(clause, ())})
    told = {
        "type": "dataset",
        "name": f"{made.version.body['name']} rows",
        "description": f"{body['rows']} curated rows, {made.evaluation.body['rows']} of them sealed as the holdout (table {body['table']})",
        "contents": {"properties": _properties(sources)},
        **({"sensitiveData": sensitive} if sensitive else {}),
    }
    return {
        "type": "data",
        "bom-ref": made.dataset.id,
        "name": f"{made.version.body['name']} rows",
        "version": str(body["version"]),
        "hashes": [_sha256(str(body["digest"]))],
        "data": [told],
    }


def _charter(made: Lineage) -> dict[str, Any]:
    name, digest = "homeostat.yaml", str(made.charter.body["digest"])
    return {
        "type": "data",
        "bom-ref": made.charter.id,
        "name": name,
        "description": "the charter, by the digest of its content",
        "hashes": [_sha256(digest)],
        "data": [{"type": "configuration", "name": name}],
    }


def _libraries(environment: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The environment of the run: this program and its libraries, by the reference of each."""
    for name, number in {"homeostat": environment["homeostat"], **environment["libraries"]}.items():
        if number is None:
            continue
        ref = f"pkg:pypi/{name}@{number}"
        licence = [{"license": {"id": LICENCES[name]}}] if name in LICENCES else []
        told = {"type": "library", "bom-ref": ref, "name": name, "version": number, "purl": ref}
        yield ref, told | ({"licenses": licence} if licence else {})
    number = str(environment["python"])
    ref = f"python@{number}"
    yield ref, {"type": "platform", "bom-ref": ref, "name": "python", "version": number, "description": str(environment["platform"])}


def _properties(told: Iterator[tuple[str, object]] | Sequence[tuple[str, object]]) -> list[dict[str, str]]:
    return [{"name": f"homeostat:{name}", "value": _text(value)} for name, value in told]


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)


def _sha256(digest: str) -> dict[str, str]:
    return {"alg": "SHA-256", "content": digest}
