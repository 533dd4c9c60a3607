"""The bill of materials: valid by the official schema, the same bytes each time, and nothing in it but what is on record."""

from __future__ import annotations

import json
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from homeostat.app.cli.main import main
from homeostat.errors import Refusal
from homeostat.flow.bom import bill_of
from homeostat.flow.export import export
from homeostat.flow.project import Project, open_project
from homeostat.flow.registry import version_numbered, versions
from homeostat.testing.charters import revised
from homeostat.validation.bom import LICENCES


@pytest.fixture
def bill(project: Project) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(bill_of(project, version_numbered(project, 1)))
    return told


def properties(part: dict[str, Any]) -> dict[str, str]:
    return {one["name"].removeprefix("homeostat:"): one["value"] for one in part["properties"]}


def test_it_is_valid_by_the_official_schema(project: Project) -> None:
    told = bill_of(project, version_numbered(project, 1)).decode()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(told) is None
    wrong = told.replace('"machine-learning-model"', '"model"')
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(wrong) is not None  # the validator does validate


def test_the_same_version_gives_the_same_bytes(trained: Path) -> None:
    with open_project(trained) as project:
        first = bill_of(project, versions(project)[0])
    with open_project(trained) as project:
        assert bill_of(project, versions(project)[0]) == first


def test_it_says_what_the_ledger_says(project: Project, bill: dict[str, Any]) -> None:
    version = project.ledger.find("version")[0]
    candidate, dataset, run, evaluation = (
        project.require(str(version.body[name])) for name in ("candidate", "dataset", "run", "evaluation")
    )
    model = bill["metadata"]["component"]
    assert (model["name"], model["version"], model["type"]) == ("bike-demand", "1", "machine-learning-model")
    assert model["hashes"] == [{"alg": "SHA-256", "content": version.body["bundle"]}]
    card = model["modelCard"]
    assert card["modelParameters"]["task"] == "regression"
    assert card["modelParameters"]["architectureFamily"] == candidate.body["learner"]
    assert card["modelParameters"]["datasets"] == [{"ref": dataset.id}]
    metrics = card["quantitativeAnalysis"]["performanceMetrics"]
    assert len(metrics) == len(evaluation.body["scores"])
    assert [float(metrics[0][name]) for name in ("value",)] == [version.body["value"]]
    assert metrics[0]["confidenceInterval"] == {"lowerBound": repr(version.body["low"]), "upperBound": repr(version.body["high"])}
    assert {one["slice"] for one in metrics if "slice" in one} == {s["segment"] for s in evaluation.body["scores"] if s["segment"]}
    considered = card["considerations"]
    assert considered["useCases"] == [version.body["problem"]["decision"], version.body["problem"]["objective"]]
    assert any("nulls in a tenth of the rows" in one for one in considered["technicalLimitations"])
    data = next(each for each in bill["components"] if each["bom-ref"] == dataset.id)
    assert data["hashes"] == [{"alg": "SHA-256", "content": dataset.body["digest"]}]
    assert {one["name"].removeprefix("homeostat:source:") for one in data["data"][0]["contents"]["properties"]} == {
        source["path"] for source in dataset.body["sources"]
    }
    told = properties(model)
    assert told["commit"] == run.body["code"]["commit"]
    assert told["signature:value"] == version.body["signature"]["value"]
    assert told["passed"] == "true"


def test_it_depends_on_the_data_the_charter_and_the_libraries_of_the_run(project: Project, bill: dict[str, Any]) -> None:
    version = project.ledger.find("version")[0]
    locked = project.require(str(version.body["run"])).body["environment"]
    libraries = {each["name"]: each for each in bill["components"] if each["type"] == "library"}
    assert {name: each["version"] for name, each in libraries.items()} == {
        "homeostat": locked["homeostat"],
        **{name: number for name, number in locked["libraries"].items() if number},
    }
    refs = {each["bom-ref"] for each in bill["components"]}
    depends = {each["ref"]: each.get("dependsOn", []) for each in bill["dependencies"]}
    assert set(depends["version/1"]) == refs
    assert set(depends) == refs | {"version/1"}


@pytest.mark.parametrize("name", [name for name in LICENCES if name != "homeostat"])
def test_a_librarys_licence_is_the_one_it_states(name: str) -> None:
    try:
        told = metadata(name)
    except PackageNotFoundError:
        pytest.skip(f"{name} is not installed")
    said = " ".join([told.get("License-Expression") or "", told.get("License") or "", *(told.get_all("Classifier") or [])])
    family = {"Apache-2.0": "Apache", "BSD-3-Clause": "BSD", "MIT": "MIT"}[LICENCES[name]]
    assert family in said


def test_what_is_private_is_named_with_what_is_done_about_it(project: Project) -> None:
    from dataclasses import replace

    from homeostat.flow.evaluate import evaluate
    from homeostat.flow.validate import validate

    charter = revised(
        project.charter,
        {
            "privacy.never_log": ["temp"],
            "success.segments": ["workingday"],
            "success.segment_gap": 3,
            "problem.stakeholders": [{"name": "Vans", "role": "user"}],
        },
    )
    other = replace(project, charter=charter)
    with other:
        validate(other, evaluate(other, other.ledger.find("candidate")[0]))
        told = json.loads(bill_of(other, version_numbered(other, 2)))
    considered = told["metadata"]["component"]["modelCard"]["considerations"]
    assert considered["ethicalConsiderations"] == [
        {"name": "personal data in temp", "mitigationStrategy": "left out of the prediction log"}
    ]
    assert considered["users"] == ["Vans"]
    assert considered["fairnessAssessments"][0]["groupAtRisk"] == "rows by workingday"
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(told)) is None


def test_an_altered_version_gets_no_bill(project: Project) -> None:
    first = project.ledger.find("version")[0]
    forged = project.record("version", "forged", first.body, causes=first.causes)
    with pytest.raises(Refusal) as error:
        bill_of(project, version_numbered(project, 2))
    assert (error.value.code, error.value.place) == ("HS711", forged.id)


def test_export_and_the_command_write_it(trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with open_project(trained) as project:
        wanted = bill_of(project, version_numbered(project, 1))
        export(project, tmp_path / "out", ("onnx",))
    assert (tmp_path / "out" / "bom.cdx.json").read_bytes() == wanted
    assert main(["bom", "1", "--out", str(tmp_path / "bom.json"), "--project", str(trained)]) == 0
    assert (tmp_path / "bom.json").read_bytes() == wanted
    capsys.readouterr()
    assert main(["bom", "1", "--project", str(trained)]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(wanted)
    assert main(["bom", "1", "--json", "--project", str(trained)]) == 0
    assert json.loads(capsys.readouterr().out)["bom"] == json.loads(wanted)
    assert main(["bom", "9", "--project", str(trained)]) == 2
    assert main(["bom", "1", "--out", str(tmp_path / "no" / "bom.json"), "--project", str(trained)]) == 2
