"""The champion as files: every target at once, what is refused, and nothing written when one of them cannot be."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from homeostat.app.cli.main import main
from homeostat.errors import BundleError, ProjectError
from homeostat.flow import export as exporting
from homeostat.flow.export import export
from homeostat.flow.project import Project, open_project
from homeostat.testing.programs import C_FLAGS, run_program

if TYPE_CHECKING:
    from homeostat.serving.proof import Proof

EACH = {"manifest.json", "README.md"}


@pytest.mark.usefixtures("gcc", "node")
def test_every_target_at_once_and_their_checks_pass(trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "new" / "out"
    assert main(["export", str(out), "--to", "onnx, ort,web,js,html,c,js", "--project", str(trained), "--json"]) == 0
    done = json.loads(capsys.readouterr().out)
    assert done["targets"] == ["onnx", "ort", "web", "js", "html", "c"]
    assert done["files"] == sorted(str(path.relative_to(out)) for path in out.rglob("*") if path.is_file())
    assert {path.name for path in out.iterdir()} == {
        *EACH,
        *done["targets"][1:],
        "bom.cdx.json",
        "check.py",
        "model.onnx",
        "parity.json",
        "plan.json",
    }
    assert all({path.name for path in (out / target).iterdir()} > EACH for target in ("ort", "web", "js", "c"))
    assert (out / "web" / "model.onnx").read_bytes() == (out / "model.onnx").read_bytes()
    assert done["parity_rows"] == 1_000
    assert "1000 rows" in run_program("node", "check.mjs", folder=out / "js")
    run_program("gcc", *C_FLAGS, "bike_demand.c", "check.c", "-lm", "-o", "check", folder=out / "c")
    assert "1000 rows" in run_program("./check", folder=out / "c")


def test_a_target_that_is_not_there_is_named(project: Project, tmp_path: Path) -> None:
    for targets in (("c", "tflite"), ()):
        with pytest.raises(ProjectError, match=r"HS609.*allowed: onnx, ort, web, js, html, c") as refused:
            export(project, tmp_path / "out", targets)
        assert refused.value.exit_code == 2
    assert not (tmp_path / "out").exists()


def test_a_converted_model_that_answers_otherwise_is_not_written(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from homeostat.serving import proof as proving

    real = proving.proof_of

    def off(bundle: Any) -> Proof:
        found = real(bundle, 50)
        return replace(found, scores=found.scores + 1.0)

    monkeypatch.setattr(proving, "proof_of", off)
    with pytest.raises(BundleError, match=r"HS411.*0 rows decided otherwise"):
        exporting.export(project, tmp_path / "out", ("c", "ort"))
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_written_is_told(trained: Path, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with open_project(trained) as project, pytest.raises(ProjectError, match="HS602"):
        export(project, tmp_path / "out", ("onnx",))
