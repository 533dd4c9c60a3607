"""No file below ``.homeostat/`` holds a value in clear that must not be there, whichever way it came in."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any

import polars as pl
import pytest

from homeostat.app.rest.project import wanted_of
from homeostat.app.rest.server import ServeSettings, serve
from homeostat.dataops.privacy import pseudonym
from homeostat.errors import DataError
from homeostat.flow.datasets import read_dataset
from homeostat.flow.ingest import ingest
from homeostat.flow.intake import loaded
from homeostat.flow.labels import labelled, take_labels
from homeostat.flow.lifecycle import run
from homeostat.flow.privacy import project_key, served_shield
from homeostat.flow.project import Project, open_project
from homeostat.flow.score import score
from homeostat.flow.served import read_served
from homeostat.flow.trace import trace
from homeostat.infra.keys import VARIABLE
from homeostat.infra.predictions import PredictionLog
from homeostat.testing.state import everything_in

CHARTER = """
name: loans
problem: {statement: s, objective: o, decision: d, business_metric: b}
task: {type: regression, target: y, entity: [mail], leave_out: [mail, gender]}
success: {metric: mae, baseline: none}
data: {source: data/, contract: contract.yaml}
privacy: {never_store: [ssn], never_log: [salary], pseudonymise: [mail, town]}
learning: {budget: {seconds: null, trials: 3}}
"""
CONTRACT = """
apiVersion: v3.0.2
kind: DataContract
id: loans
name: loans
version: 1.0.0
status: active
schema:
  - name: loans
    properties:
      - {name: ssn, logicalType: string, required: true}
      - {name: mail, logicalType: string, required: true}
      - {name: town, logicalType: string}
      - {name: gender, logicalType: string}
      - {name: salary, logicalType: number, logicalTypeOptions: {minimum: 0}}
      - {name: y, logicalType: number}
"""
TOWNS = ("Quarkenbrueck", "Zwiefaltenau", "Xyloburg")


def person(n: int) -> dict[str, Any]:
    row = {"ssn": f"SECRET-{n:05d}", "mail": f"person{n}@clear.example", "town": TOWNS[n % 3]}
    return row | {"gender": f"gender{n % 2}", "salary": 1000 + n, "y": 100 * (n % 3) + n / 1000}


@pytest.fixture
def loans(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "keys"))
    folder = tmp_path / "loans"
    (folder / "data").mkdir(parents=True)
    (folder / "homeostat.yaml").write_text(CHARTER)
    (folder / "contract.yaml").write_text(CONTRACT)
    lines = [",".join(map(str, person(n).values())) for n in range(400)]
    lines[7] = lines[7].replace(",1007,", ",-5,")  # breaks the contract
    lines[9] += ",one,too,many"  # cannot be parsed
    (folder / "data" / "a.csv").write_text("\n".join([",".join(person(0)), *lines]) + "\n")
    return folder


@contextmanager
def serving(project: Project) -> Iterator[str]:
    stop, ready, urls = Event(), Event(), []

    def tell(url: str) -> None:
        urls.append(url)
        ready.set()

    with PredictionLog(project.predictions) as log:
        settings = ServeSettings(project.charter.name, port=0, shield=served_shield(project))
        thread = Thread(target=serve, args=(settings, wanted_of(project), log), kwargs={"on_ready": tell, "stop": stop})
        thread.start()
        try:
            assert ready.wait(60)
            yield urls[0]
        finally:
            stop.set()
            thread.join()


def ask(url: str, row: dict[str, Any]) -> dict[str, Any]:
    request = urllib.request.Request(url + "/predict", json.dumps(row).encode(), {"content-type": "application/json"})  # noqa: S310
    with urllib.request.urlopen(request) as reply:  # noqa: S310
        found: dict[str, Any] = json.loads(reply.read())
        return found


def test_nothing_is_in_clear_after_the_whole_way(loans: Path) -> None:
    with open_project(loans) as project:
        assert run(project).promotion is not None
        key = project_key(project)
        quarantined = project.table("quarantine").read()
        assert quarantined.height == 2
        assert "its text is withheld" in quarantined.filter(pl.col("_rules").list.contains("line"))["_reasons"][0]
        curated = read_dataset(project, project.ledger.find("dataset")[0])
        assert "ssn" not in curated.columns
        assert curated["mail"][0] == pseudonym("person0@clear.example", key)
        with serving(project) as url:
            asked = {name: value for name, value in person(501).items() if name != "y"}
            answer = ask(url, asked)
            ask(url, {name: value for name, value in asked.items() if name != "ssn"})
        # The town tells the target, and the model learned it as a pseudonym: the answer shows that it met one.
        assert abs(answer["predictions"][0]["prediction"] - 0) < 60
        (loans / "labels.csv").write_text("mail,y\nperson501@clear.example,7.5\n")
        fact = take_labels(project, loans / "labels.csv")
        assert fact.body["matched"] == 2
        assert labelled(project, read_served(project).frame)["y"].to_list() == ["7.5", "7.5"]
        logged = trace(project, answer["predictions"][0]["id"])["prediction"]["inputs"]
        assert logged["mail"] == pseudonym("person501@clear.example", key)
        assert set(logged) == {"mail", "town", "gender"}
    seen = 0
    for place, content in everything_in(loans / ".homeostat"):
        seen += 1
        for clear in ("SECRET-", "@clear.example", *TOWNS):
            assert clear not in content, place
        assert key.decode("latin-1") not in content
        if "jsonl" in place:
            assert "salary" not in content
    assert seen > 20
    names = {path.suffix for path in (loans / ".homeostat").rglob("*")}
    assert {".parquet", ".sqlite", ".jsonl"} <= names


def test_a_refused_delivery_is_in_quarantine_without_clear_values(loans: Path) -> None:
    lines = [",".join(map(str, {**person(n), "salary": -1}.values())) for n in range(20)]
    (loans / "data" / "a.csv").write_text("\n".join([",".join(person(0)), *lines]) + "\n")
    with open_project(loans) as project, pytest.raises(DataError, match="HS207"):
        ingest(project)
    for place, content in everything_in(loans / ".homeostat"):
        assert "SECRET-" not in content, place
        assert "@clear.example" not in content, place


def test_batch_scores_of_clear_rows_equal_served_ones(loans: Path) -> None:
    with open_project(loans) as project:
        run(project)
        with serving(project) as url:
            with urllib.request.urlopen(url + "/v2/models/loans") as reply:  # noqa: S310
                inputs = {each["name"] for each in json.loads(reply.read())["inputs"]}
            rows = [{name: value for name, value in person(n).items() if name != "y"} for n in range(600, 603)]
            served = [each["prediction"] for each in (ask(url, row)["predictions"][0] for row in rows)]
        assert inputs == {"town", "salary"}
        pl.DataFrame(rows).write_csv(loans / "in.csv")
        score(project, "in.csv", "out.csv", root=loans)
        out = pl.read_csv(loans / "out.csv")
        assert out["prediction"].to_list() == pytest.approx(served, abs=1e-9)
        assert out["mail"].to_list() == [row["mail"] for row in rows]  # the caller's own file


def test_another_or_no_key_is_noticed_before_anything_is_written(loans: Path, tmp_path: Path) -> None:
    with open_project(loans) as project:
        ingest(project)
        before = loaded(project, "data").version()
    (key,) = (tmp_path / "keys").iterdir()
    secret = key.read_bytes()
    (loans / "data" / "b.csv").write_text((loans / "data" / "a.csv").read_text().replace("person", "other"))
    for breakage in (lambda: key.write_bytes(bytes(32)), key.unlink):
        breakage()
        with open_project(loans) as project:
            with pytest.raises(DataError) as error:
                ingest(project)
            assert error.value.code == "HS229"
            assert loaded(project, "data").version() == before
    key.write_bytes(secret)
    key.chmod(0o600)
    with open_project(loans) as project:
        assert ingest(project).body["rows"] == 796


def test_two_first_uses_at_once_agree_on_one_key(loans: Path, tmp_path: Path) -> None:
    with open_project(loans) as project:
        project.charter_fact()  # the ledger is made before the race for it
    found: list[bytes] = []

    def use() -> None:
        with open_project(loans) as project:
            found.append(project_key(project))

    threads = [Thread(target=use) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert len(set(found)) == 1
    assert len(list((tmp_path / "keys").iterdir())) == 1


def test_a_key_inside_the_project_is_refused(loans: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, str(loans / "keys"))
    with open_project(loans) as project, pytest.raises(DataError, match="the key would lie in the project"):
        ingest(project)
    assert not (loans / "keys").exists()
