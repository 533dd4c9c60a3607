"""The folders of each target: what is in them, what their checks say of the right model and of a wrong one."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from homeostat.errors import BundleError
from homeostat.graph.decode import RowDecoder
from homeostat.graph.plan import Input, Link, Numbers, Plan, Single
from homeostat.infra.mobile import mobile_model
from homeostat.serving.bundle import Bundle, build
from homeostat.serving.edge import MOBILE_CONFIG, MOBILE_MODEL, TARGETS, edge_folder
from homeostat.serving.edge_javascript import package_name
from homeostat.serving.parity_rows import parity_rows
from homeostat.serving.predictor import Predictor
from homeostat.serving.proof import Proof, differences, proof_json, proof_of, tolerance_of
from homeostat.testing.programs import C_FLAGS, run_program

TASKS = ("binary", "multiclass", "regression")
ROWS = 300
RIGHT = re.compile(r"300 rows, largest difference [0-9.e+-]+, 0 decided otherwise")


@pytest.fixture(scope="module")
def proofs(models: Any) -> dict[str, tuple[Bundle, Proof]]:
    return {task: (bundle := models[task].bundle(), proof_of(bundle, ROWS)) for task in TASKS}


def written(files: Mapping[str, bytes], folder: Path) -> Path:
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def fails(program: str, *arguments: str, folder: Path) -> str:
    with pytest.raises(AssertionError, match="failed with 1") as failed:
        run_program(program, *arguments, folder=folder)
    return str(failed.value)


def test_parity_rows_follow_from_the_manifest_and_reach_every_corner(models: Any) -> None:
    manifest = models["binary"].bundle().manifest
    rows = parity_rows(manifest)
    assert len(rows) == 1_000
    assert parity_rows(manifest) == rows
    assert parity_rows(msgspec.structs.replace(manifest, graph_sha256="f" * 64)) != rows
    decoded = RowDecoder(manifest.graph_inputs()).rows(rows)
    for column in decoded.numbers.T:
        assert 50 < np.isnan(column).sum() < 300
    assert set(decoded.codes[:, 0].tolist()) == {0, 1, 2, 3, 4, 5}
    assert any(all(value is None for value in row.values()) for row in rows)
    assert {type(row["season"]) for row in rows} >= {int, str, float, bool}
    assert {type(row["dteday"]) for row in rows} >= {int, str, float}
    assert np.nanmin(decoded.numbers[:, 0]) == -1e12
    assert json.loads(json.dumps(rows)) == rows


def test_a_proof_holds_what_the_bundle_answers(proofs: Any) -> None:
    for bundle, proof in proofs.values():
        assert msgspec.to_builtins(proof.answers) == msgspec.to_builtins(Predictor(bundle).predict_rows(proof.rows))
        assert len(proof.rows) == len(proof.scores) == ROWS
        assert differences(proof, bundle.graph) == (0.0, 0)
        told = proof_json(bundle, proof, decoded=True)
        assert [dict(zip(told["inputs"], row, strict=True)) for row in told["rows"]] == proof.rows
        assert json.loads(json.dumps(told, allow_nan=False)) == told


def test_rows_without_a_finite_score_are_no_proof(models: Any) -> None:
    frame = models["binary"].frame
    inputs = (Input("temp", "number"),)
    grown = Plan("regression", "cnt", inputs, (Numbers("n", (0,)), Link("score", "n", "exp")))
    bundle = build(grown, name="x", sample=frame, ignored=[], facts={}, created="")
    proof = proof_of(bundle, 100)
    assert len(proof.rows) == 100
    assert np.isfinite(proof.scores).all()
    never = build(
        Plan("regression", "cnt", inputs, (Numbers("score", (0,)),)), name="x", sample=frame.clear(), ignored=[], facts={}, created=""
    )
    assert len(proof_of(never, 10).rows) == 10
    assert tolerance_of(grown) == 1e-7
    assert tolerance_of(Plan("regression", "y", inputs, (Numbers("n", (0,)), Single("score", "n")))) == 1e-6


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.usefixtures("gcc")
def test_c_compiles_without_a_warning_and_checks_itself(proofs: Any, task: str, tmp_path: Path) -> None:
    folder = written(edge_folder("c", *proofs[task], {}), tmp_path / "c")
    assert {each.name for each in folder.iterdir()} == {"bike.c", "bike.h", "check.c", "manifest.json", "parity.json", "README.md"}
    run_program("gcc", *C_FLAGS, "bike.c", "check.c", "-lm", "-o", "check", folder=folder)
    assert RIGHT.match(run_program("./check", folder=folder))
    source = (folder / "bike.c").read_text()
    for banned in ("malloc", "free(", "stdio"):
        assert banned not in source
    moved = re.sub(r"(bias_\d+\[\] = \{\n    )", r"\g<1>0.001 + ", source)
    assert moved != source
    (folder / "bike.c").write_text(moved)
    run_program("gcc", *C_FLAGS, "bike.c", "check.c", "-lm", "-o", "check", folder=folder)
    assert "300 rows" in fails("./check", folder=folder)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.usefixtures("node")
def test_the_javascript_module_checks_itself(proofs: Any, task: str, tmp_path: Path) -> None:
    bundle, proof = proofs[task]
    folder = written(edge_folder("js", bundle, proof, {}), tmp_path / "js")
    assert RIGHT.match(run_program("node", "check.mjs", folder=folder))
    package = json.loads((folder / "package.json").read_text())
    assert (package["name"], package["type"], package.get("dependencies")) == ("bike", "module", None)
    types = (folder / "index.d.ts").read_text()
    assert '"season": string | number | bigint | boolean | null;' in types
    assert "/** number; seen: 0.02 to 0.96 */" in types
    assert {"binary": 'prediction: "few" | "many";', "multiclass": "probabilities: Record<", "regression": "prediction: number;"}[
        task
    ] in types
    said = (folder / "parity.json").read_text()
    (folder / "parity.json").write_text(said.replace('"prediction":', '"prediction":7,"was":', 1))
    assert "300 rows" in fails("node", "check.mjs", folder=folder)


@pytest.mark.parametrize(("task", "target"), [("binary", "onnx"), ("multiclass", "onnx"), ("regression", "ort")])
def test_graphs_check_themselves(proofs: Any, task: str, target: str, tmp_path: Path) -> None:
    bundle, proof = proofs[task]
    mobile = dict(zip((MOBILE_MODEL, MOBILE_CONFIG), mobile_model(bundle.graph), strict=True)) if target == "ort" else {}
    folder = written(edge_folder(target, bundle, proof, mobile), tmp_path / target)
    run = [sys.executable, "check.py"]
    done = subprocess.run(run, cwd=folder, capture_output=True, text=True, check=True)
    assert RIGHT.match(done.stdout)
    told = json.loads((folder / "parity.json").read_text())
    told["wanted"]["score"][0][0] += 1e-3
    (folder / "parity.json").write_text(json.dumps(told))
    assert subprocess.run(run, cwd=folder, capture_output=True, text=True, check=False).returncode == 1


def test_the_mobile_model_is_the_graph_in_float64(proofs: Any) -> None:
    bundle, proof = proofs["binary"]
    model, config = mobile_model(bundle.graph)
    assert model[4:8] == b"ORTM"
    largest, flips = differences(proof, model)
    assert (largest <= 1e-12, flips) == (True, 0)
    assert all(line.startswith("ai.onnx;") for line in config.decode().splitlines())
    assert 'MatMul{"inputs": {"0": ["double"]}}' in config.decode()
    assert "float" not in config.decode()
    with pytest.raises(BundleError, match=r"HS410.*does not convert"):
        mobile_model(b"no graph")


def html_of(proofs: Any, task: str, folder: Path) -> Path:
    return written(edge_folder("html", *proofs[task], {}), folder) / "index.html"


def browse(chromium: str, page: str, profile: Path) -> str:
    """The page as it stands when its scripts have run."""
    switches = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--virtual-time-budget=20000"]
    command = [chromium, *switches, f"--user-data-dir={profile}", "--dump-dom", page]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout


@pytest.mark.parametrize("task", ["multiclass", "regression"])
def test_the_page_checks_itself_in_a_browser(proofs: Any, task: str, chromium: str, tmp_path: Path) -> None:
    page = html_of(proofs, task, tmp_path / "html")
    text = page.read_text()
    assert "http" not in re.sub(r'<script type="text/plain".*?</script>', "", text, flags=re.DOTALL)
    seen = browse(chromium, f"{page.as_uri()}#check", tmp_path / "profile")
    found = re.search(r'id="checked".*?<p class="(\w*)">(.*?)</p>', seen)
    assert found is not None
    assert found[1] == ""
    assert RIGHT.match(found[2].removeprefix("passed: "))
    labels = dict(re.findall(r'<label for="(field-\d)">(\w+)</label>', seen))
    assert list(labels.values()) == ["temp", "hr", "holiday", "dteday", "season"]
    for name in labels:
        assert re.search(rf'<(input|select)[^>]* id="{name}"[^>]*aria-describedby="{name}-hint"|<select id="{name}" aria-describedby', seen)
    assert '<option value="4">' in seen


@pytest.mark.usefixtures("node")
def test_files_of_rows_are_read_and_written_as_the_page_does(proofs: Any, tmp_path: Path) -> None:
    folder = written(edge_folder("js", *proofs["binary"], {}) | edge_folder("web", *proofs["binary"], {}), tmp_path / "js")
    (folder / "try.mjs").write_text(
        """
import { cellValue, csvText, linesText, rowsOf } from "./rows.js";
const inputs = [{ name: "a", kind: "number" }, { name: "c", kind: "category", vocabulary: ["1", "x,y", "1.50"] },
  { name: "b", kind: "boolean" },
  { name: "t", kind: "timestamp" }, { name: "s", kind: "text" }];
const csv = '\\ufeffid,t,b,c,a,s\\r\\n1,2011-01-01,TRUE,"x,y",1e3, "hi ""you""\\n9,12.5,0,1.0,,"two\\nlines"\\n8,,,1.50,abc,\\n';
const rows = rowsOf("in.csv", csv, inputs);
const answers = [{ prediction: "no", probability: 0.25 }, { prediction: 'y,"es', probability: 1 },
  { problems: [{ field: "a", got: '"abc"', allowed: "z" }] }];
const lines = rowsOf("in.ndjson", '{"a":1,"zz":2}\\n\\n{"c":null}\\n', inputs);
console.log(JSON.stringify({ rows, semi: rowsOf("x.csv", "a;c\\n1;2\\n", inputs), lines, list: rowsOf("x.json", '[{"a":1}]', inputs),
  csv: csvText(rows, answers, inputs), ndjson: linesText(lines, answers.slice(0, 2)), none: rowsOf("x.csv", "a,b\\n", inputs) }));
"""
    )
    told = json.loads(run_program("node", "try.mjs", folder=folder))
    assert told["rows"] == [
        {"a": 1000, "c": "x,y", "b": True, "t": "2011-01-01", "s": ' "hi ""you""'},
        {"a": None, "c": 1, "b": False, "t": 12.5, "s": "two\nlines"},
        {"a": "abc", "c": "1.50", "b": None, "t": None, "s": None},
    ]
    assert told["semi"] == [{"a": 1, "c": 2}]
    assert told["lines"] == [{"a": 1}, {"c": None}]
    assert told["list"] == [{"a": 1}]
    assert told["none"] == []
    head, first, second, *_ = told["csv"].splitlines()
    assert head == "a,c,b,t,s,prediction,probability,problem"
    assert first == '1000,"x,y",true,2011-01-01," ""hi """"you""""",no,0.25,'
    assert second.startswith(',1,false,12.5,"two')
    assert "a: got" in told["csv"].splitlines()[-1]
    assert json.loads(told["ndjson"].splitlines()[0]) == {"a": 1, "prediction": "no", "probability": 0.25}


def test_every_target_has_the_manifest_and_a_page_that_explains_it(proofs: Any) -> None:
    bundle, proof = proofs["binary"]
    for target in TARGETS:
        files = edge_folder(target, bundle, proof, {MOBILE_MODEL: b"x", MOBILE_CONFIG: b"y"})
        assert files["manifest.json"] == bundle.manifest.to_json()
        assert files["README.md"].startswith(b"# bike ")
        assert not re.search(rb"@[A-Z_]+@", files["README.md"])
        assert edge_folder(target, bundle, proof, {MOBILE_MODEL: b"x", MOBILE_CONFIG: b"y"}) == files
        assert set(proof_json(bundle, proof)) == {"tolerance", "inputs", "rows", "answers"}
    web = edge_folder("web", bundle, proof, {})
    assert json.loads(web["package.json"])["dependencies"] == {"onnxruntime-web": "^1.23.0"}
    assert web["model.onnx"] == bundle.graph
    assert b"Promise<Answer>" in web["index.d.ts"]
    assert package_name(bundle) == "bike"
