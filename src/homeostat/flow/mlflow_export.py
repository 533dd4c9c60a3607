"""A version on an MLflow server: its run with metrics and trials, the model, a registered version with aliases. It gets there once."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from homeostat.core.addresses import without_secrets
from homeostat.core.ids import digest
from homeostat.flow.promotion import stage_history, stage_of
from homeostat.flow.signing import trusted_bundle

if TYPE_CHECKING:
    from collections.abc import Mapping

    from homeostat.core.facts import Fact
    from homeostat.core.ports import Progress
    from homeostat.flow.project import Project
    from homeostat.flow.registry import Version
    from homeostat.serving.bundle import Bundle
    from homeostat.serving.manifest import Field, Manifest

VERSION_TAG = "homeostat.version"
MODEL_TAG = "homeostat.logged_model"
MOST_TRIALS = 20
LONGEST_PARAM = 500
MOST_MOVES = 25
"""Of its history that a version carries in a tag, which has at most 5,000 characters: the newest."""
ALIASES = {"champion": "champion", "staging": "candidate", "candidate": "candidate"}
"""The alias that says of a version in a stage what it is."""


@dataclass(frozen=True, slots=True)
class Exported:
    """Where a version is on the server; ``new`` tells whether this export brought it there."""

    run: str
    model: str
    number: str
    alias: str
    new: bool


def export_version(  # noqa: PLR0913 - one keyword per option of the command
    project: Project,
    version: Version,
    uri: str,
    *,
    experiment: str = "",
    model: str = "",
    trials: int = MOST_TRIALS,
    progress: Progress | None = None,
) -> Exported:
    """Bring a version to a server, or find it there, and set the alias and tags of its stage.

    An export that was broken off is taken up again: the run and the model that are there are used.

    Args:
        project: the project.
        version: whose signature and bundle are checked first.
        uri: of the tracking server, which is the registry too.
        experiment: its name on the server; the project's if empty.
        model: the registered model's name; the project's if empty.
        trials: that many of the best become runs below the version's.
        progress: told what is being done.

    Raises:
        Unreachable: HS801, the server does not answer.
        LearningError: HS386, it refuses; HS384, MLflow is not installed.
        Refusal: HS711 or HS712, the version is not what was signed.
    """
    from homeostat.infra.mlflow_server import asking

    bundle = trusted_bundle(project, version)
    name = model or project.charter.name
    with asking(uri) as client:
        if progress is not None:
            progress.update(f"export version {version.number}")
        experiment_id = _experiment(client, experiment or project.charter.name)
        run, fresh = _run(client, project, version, experiment_id, trials)
        model_id = _logged_model(client, project, version, bundle, (experiment_id, run))
        if fresh:
            client.set_terminated(run, status="FINISHED")
        number, made = _registered(client, project, version, name, (run, model_id))
        alias = _aliased(client, project, version, name, number)
    found = Exported(run, name, number, alias, fresh or made)
    body = {"version": version.fact.id, "to": without_secrets(uri), "run": run, "model": name, "number": number}
    project.record("export", digest(body), body, subject=version.fact.id, causes=(version.fact.id,))
    return found


def _experiment(client: Any, name: str) -> str:
    known = client.get_experiment_by_name(name)
    return str(known.experiment_id if known is not None else client.create_experiment(name))


def _run(client: Any, project: Project, version: Version, experiment: str, trials: int) -> tuple[str, bool]:
    """The version's run: the one that is there, or a new one with all that is on record."""
    found = client.search_runs([experiment], filter_string=f"tags.`{VERSION_TAG}` = '{version.fact.id}'", max_results=1)
    if found and found[0].data.tags.get("homeostat.complete") == "yes":
        return str(found[0].info.run_id), False
    if found:
        client.set_terminated(found[0].info.run_id, status="FAILED")
        client.delete_run(found[0].info.run_id)
    candidate = project.require(str(version.fact.body["candidate"]))
    run = client.create_run(
        experiment, start_time=_ms(candidate), tags=_tags(project, version, candidate), run_name=f"version {version.number}"
    )
    run_id = str(run.info.run_id)
    _log(client, run_id, _ms(version.fact), metrics_of(project, version, candidate), _params(candidate))
    for trial in _best(project, candidate, trials):
        _log_trial(client, experiment, run_id, trial, str(candidate.body["metric"]))
    client.set_tag(run_id, "homeostat.complete", "yes")
    return run_id, True


def _ms(fact: Fact) -> int:
    return int(fact.at.timestamp() * 1000)


def _log(client: Any, run: str, at: int, metrics: Mapping[str, float], params: Mapping[str, str]) -> None:
    """``at`` is when they were measured, in milliseconds since 1970."""
    from mlflow.entities import Metric, Param

    client.log_batch(
        run,
        metrics=[Metric(name, value, at, 0) for name, value in metrics.items()],
        params=[Param(name, value[:LONGEST_PARAM]) for name, value in params.items()],
    )


def metrics_of(project: Project, version: Version, candidate: Fact) -> dict[str, float]:
    """Each metric on the whole holdout with the ends of its interval, the success metric on validation rows, gates' values, the cost."""
    evaluation = project.require(str(version.fact.body["evaluation"]))
    verdict = project.require(str(version.fact.body["verdict"]))
    found: dict[str, float] = {}
    for score in evaluation.body["scores"]:
        if not score["segment"]:
            name = "holdout." + ".".join(filter(None, (score["objective"], score["metric"])))
            found |= {name: score["value"], f"{name}.low": score["low"], f"{name}.high": score["high"]}
    if candidate.body["validation_value"] is not None:
        found[f"validation.{candidate.body['metric']}"] = candidate.body["validation_value"]
    found |= {f"gate.{gate['gate']}": float(gate["passed"]) for gate in verdict.body["gates"]}
    found |= {name: candidate.body[name] for name in ("size_mb", "latency_p99_ms", "memory_mb") if candidate.body[name] is not None}
    return {name: float(value) for name, value in found.items()}


def _params(candidate: Fact) -> dict[str, str]:
    body = candidate.body
    flat = {f"params.{name}": value if isinstance(value, str) else json.dumps(value) for name, value in dict(body["params"]).items()}
    told = {name: str(body[name]) for name in ("learner", "window", "calibration", "threshold", "metric")}
    return told | {f"rows.{name}": str(count) for name, count in dict(body["rows"]).items()} | flat


def _tags(project: Project, version: Version, candidate: Fact) -> dict[str, str]:
    run = project.require(str(candidate.body["run"]))
    dataset = project.require(str(candidate.body["dataset"]))
    head = project.audit.head()
    told = {
        VERSION_TAG: version.fact.id,
        "homeostat.number": str(version.number),
        "homeostat.bundle": version.bundle,
        "homeostat.passed": "yes" if version.fact.body["passed"] else "no",
        "homeostat.dataset": dataset.id,
        "homeostat.data_digest": str(dataset.body["digest"]),
        "homeostat.charter": str(version.fact.body["charter"]),
        "homeostat.ledger_head": f"{head.number}:{head.chain}",
        "mlflow.source.git.commit": str(run.body["code"]["commit"]),
        "mlflow.source.name": "homeostat",
        "mlflow.user": version.fact.actor,
    }
    origin = candidate.body.get("origin")
    return told | ({f"homeostat.origin.{name}": str(value) for name, value in origin.items()} if origin else {})


def _best(project: Project, candidate: Fact, most: int) -> list[Fact]:
    """The best trials of a candidate's search by its metric; of several objectives the first ones."""
    from homeostat.stats.metrics import metric

    facts = [project.require(cause) for cause in candidate.causes if cause.startswith("trial-")]
    done = [fact for fact in facts if fact.body["value"] is not None]
    if not any(fact.body.get("objective") for fact in done):
        best = metric(str(candidate.body["metric"])).greater_is_better
        done.sort(key=lambda fact: -fact.body["value"] if best else fact.body["value"])
    return done[:most]


def _log_trial(client: Any, experiment: str, parent: str, trial: Fact, metric_name: str) -> None:
    body = trial.body
    tags = {"mlflow.parentRunId": parent, "homeostat.trial": trial.id}
    run = client.create_run(experiment, start_time=_ms(trial), tags=tags, run_name=f"trial {body['number']}")
    params = {name: value if isinstance(value, str) else json.dumps(value) for name, value in dict(body["params"]).items()}
    metrics = {f"validation.{metric_name}": float(body["value"]), "seconds": float(body["seconds"])}
    _log(client, run.info.run_id, _ms(trial), metrics, {"learner": str(body["learner"]), "window": str(body["window"]), **params})
    client.set_terminated(run.info.run_id, status="FINISHED", end_time=_ms(trial) + int(1000 * body["seconds"]))


def _logged_model(client: Any, project: Project, version: Version, bundle: Bundle, where: tuple[str, str]) -> str:
    """The model of the run: the one that is there, or a new one."""
    experiment, run = where
    known = client.get_run(run).data.tags.get(MODEL_TAG)
    if known:
        return str(known)
    tags = {VERSION_TAG: version.fact.id, "homeostat.bundle": version.bundle}
    logged = client.create_logged_model(experiment, name="model", source_run_id=run, tags=tags)
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "model"
        write_model(bundle, target, run=run, model_id=str(logged.model_id))
        client.log_model_artifacts(logged.model_id, str(target))
    client.finalize_logged_model(logged.model_id, "READY")
    client.set_tag(run, MODEL_TAG, logged.model_id)
    return str(logged.model_id)


def write_model(bundle: Bundle, folder: Path, *, run: str = "", model_id: str = "") -> None:
    """Write a bundle as an MLflow model folder: loadable by ``mlflow.pyfunc`` (needs homeostat) and ``mlflow.onnx`` (the bare graph).

    The ONNX flavour takes decoded inputs, ``numbers`` and ``codes``; the Python function takes the raw columns.
    """
    import onnx
    from mlflow.models import Model

    from homeostat import __version__
    from homeostat.infra.mlflow_server import quiet_mlflow
    from homeostat.serving.bundle import pack
    from homeostat.serving.mlflow_model import BUNDLE_FILE

    mlflow = quiet_mlflow()
    described = Model(run_id=run or None, model_id=model_id or None, signature=_signature(bundle.manifest))
    with tempfile.TemporaryDirectory() as beside:
        data = Path(beside) / BUNDLE_FILE
        data.write_bytes(pack(bundle))
        mlflow.pyfunc.save_model(
            str(folder),
            loader_module="homeostat.serving.mlflow_model",
            data_path=str(data),
            mlflow_model=described,
            pip_requirements=[f"homeostat=={__version__}", f"mlflow=={mlflow.__version__}"],
            input_example=_example(bundle.manifest),
        )
    (folder / "model.onnx").write_bytes(bundle.graph)
    described.add_flavor("onnx", onnx_version=onnx.__version__, data="model.onnx", providers=["CPUExecutionProvider"], code=None)
    described.add_flavor("homeostat", data=f"data/{BUNDLE_FILE}", version=__version__)
    described.save(str(folder / "MLmodel"))


def _signature(manifest: Manifest) -> Any:
    """The raw columns and the answers. Numbers and dates are left open: MLflow would refuse whole numbers where it was told doubles."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema
    from mlflow.types.schema import AnyType

    def typed(each: Field) -> Any:
        if each.kind == "boolean":
            return "boolean"
        return "string" if isinstance(each.example, str) and each.kind in ("category", "text") else AnyType()  # type: ignore[no-untyped-call]

    given = Schema([ColSpec(typed(each), each.name, required=False) for each in manifest.inputs])
    prediction = "double" if manifest.task == "regression" else "string"
    names = {"binary": ["probability"], "multiclass": [f"probability_{name}" for name in manifest.classes]}.get(manifest.task, [])
    return ModelSignature(given, Schema([ColSpec(prediction, "prediction"), *(ColSpec("double", name) for name in names)]))


def _example(manifest: Manifest) -> Any:
    import pandas as pd  # type: ignore[import-untyped]

    return pd.DataFrame([{each.name: each.example for each in manifest.inputs}])


def _registered(client: Any, project: Project, version: Version, name: str, made: tuple[str, str]) -> tuple[str, bool]:
    """The registered version's number; the one with our digest, or a new one."""
    from mlflow.exceptions import MlflowException

    run, model_id = made
    try:
        client.create_registered_model(name, tags={"homeostat.project": project.charter.name})
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    known = [each for each in client.search_model_versions(f"name='{name}'") if each.tags.get(VERSION_TAG) == version.fact.id]
    if known:
        return str(known[0].version), False
    tags = {VERSION_TAG: version.fact.id, "homeostat.bundle": version.bundle, "homeostat.number": str(version.number)}
    number = client.create_model_version(name, f"models:/{model_id}", run_id=run, tags=tags, model_id=model_id)
    return str(number.version), True


def _aliased(client: Any, project: Project, version: Version, name: str, number: str) -> str:
    """Set the alias of the version's stage, take away one that it no longer has, and tell its history in tags."""
    stage = stage_of(project, version.fact)
    alias = ALIASES.get(stage, "") if version.fact.body["passed"] else ""
    moves = stage_history(project, version.fact)[-MOST_MOVES:]
    history = [{"kind": fact.kind, "at": fact.at.isoformat(), "by": fact.actor, "id": fact.id} for fact in moves]
    client.set_model_version_tag(name, number, "homeostat.stage", stage)
    client.set_model_version_tag(name, number, "homeostat.stages", json.dumps(history))
    there = client.get_registered_model(name).aliases
    for known, at in dict(there).items():
        if known in ALIASES.values() and str(at) == number and known != alias:
            client.delete_registered_model_alias(name, known)
    if alias:
        client.set_registered_model_alias(name, alias, number)
    return alias
