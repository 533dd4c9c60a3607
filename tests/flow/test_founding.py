"""``init`` from any kind of source: the same rows give the same charter but for where they are; no password is written."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

import homeostat
from homeostat.app.cli.main import main
from homeostat.charter.load import parse_charter
from homeostat.flow.feasible import check
from homeostat.flow.project import open_project
from homeostat.testing.servers import Document, Web

if TYPE_CHECKING:
    from homeostat.core.sections import Data

BIKE = Path(homeostat.__file__).parent / "data" / "bike_hourly.csv"
COLUMNS = ["dteday", "hr", "temp", "hum", "weekday", "cnt"]


@pytest.fixture(scope="module")
def frame() -> pl.DataFrame:
    """Some of the bike data."""
    return pl.read_csv(BIKE, n_rows=2000).select(COLUMNS)


def init(folder: Path, source: str, *options: str) -> Data:
    """The data section of the charter that ``init`` writes."""
    assert main(["init", "--from", source, "--target", "cnt", "--project", str(folder), *options]) == 0
    charter = parse_charter((folder / "homeostat.yaml").read_text(), "homeostat.yaml")
    assert charter.task.time == "dteday"
    assert charter.task.type == "regression"
    return charter.data


def test_a_broken_line_keeps_nobody_from_starting(frame: pl.DataFrame, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = frame.write_csv().splitlines()
    (tmp_path / "x.csv").write_text("\n".join([*lines[:700], "2011-02-01,5", *lines[700:]]) + "\n")
    init(tmp_path / "a", str(tmp_path / "x.csv"))
    assert "x.csv:701: got 2 fields, expected 6; 1 such line(s) told nothing and will be quarantined" in capsys.readouterr().out
    assert main(["ingest", "--project", str(tmp_path / "a"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["quarantined_rows"] == 1
    (tmp_path / "y.csv").write_text("a,cnt\n1\n2\n")
    assert main(["init", "--from", str(tmp_path / "y.csv"), "--target", "cnt", "--project", str(tmp_path / "b")]) == 2
    assert "HS202" in capsys.readouterr().err


def test_files(frame: pl.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "data").mkdir()
    monkeypatch.chdir(tmp_path)
    frame.write_ndjson("x.jsonl")
    frame[:1000].write_csv("data/1.csv")
    frame[1000:].write_csv("data/2.csv")
    assert init(tmp_path / "a", "x.jsonl").source == "../x.jsonl"
    assert init(tmp_path / "b", "data").source == "../data"
    assert init(tmp_path / "c", "data/*.csv").source == "../data/*.csv"
    with open_project(tmp_path / "c") as project:
        assert check(project).verdict == "go"


def test_a_german_file_is_described_as_it_is(frame: pl.DataFrame, tmp_path: Path) -> None:
    rows = [";".join(str(value).replace(".", ",") for value in row) for row in frame.with_columns(pl.lit("Größe").alias("größe")).rows()]
    path = tmp_path / "x.csv"
    path.write_bytes("\r\n".join([";".join([*COLUMNS, "größe"]), *rows]).encode("cp1252"))
    found = init(tmp_path / "a", str(path))
    assert (found.delimiter, found.decimal) == (";", ",")


def test_sqlite(frame: pl.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    connection = sqlite3.connect("x.db")
    connection.execute("CREATE TABLE rents (dteday DATE, hr INT, temp REAL, hum REAL, weekday INT, cnt INT)")
    connection.executemany("INSERT INTO rents VALUES (?, ?, ?, ?, ?, ?)", frame.rows())
    connection.commit()
    connection.close()
    found = init(tmp_path / "a", "sqlite:///x.db", "--table", "rents")
    assert (found.source, found.table) == ("sqlite:///../x.db", "rents")
    with open_project(tmp_path / "a") as project:
        assert check(project).verdict == "go"
    capsys.readouterr()
    assert main(["init", "--from", "sqlite:///x.db", "--target", "cnt", "--project", str(tmp_path / "b")]) == 2
    assert "a database needs data.table or data.query" in capsys.readouterr().err


def test_postgresql(frame: pl.DataFrame, postgresql_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import psycopg

    with psycopg.connect(postgresql_url, autocommit=True) as connection:
        connection.execute("CREATE TABLE rents (dteday date, hr int, temp float8, hum float8, weekday int, cnt int)")
        try:
            with connection.cursor() as cursor, cursor.copy("COPY rents FROM STDIN") as copy:
                for row in frame.rows():
                    copy.write_row(row)
            address = postgresql_url.replace("homeostat@", "homeostat:hunter2@")
            found = init(tmp_path / "a", address, "--query", "SELECT * FROM rents WHERE cnt > 1")
        finally:
            connection.execute("DROP TABLE rents")
    assert (found.source, found.query) == (postgresql_url, "SELECT * FROM rents WHERE cnt > 1")
    assert "the password was left out of the charter" in capsys.readouterr().out
    assert "hunter2" not in "".join(path.read_text() for path in (tmp_path / "a").glob("*.yaml"))


def test_bucket(frame: pl.DataFrame, s3_variables: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import boto3

    for name, value in s3_variables.items():
        monkeypatch.setenv(name, value)
    client: Any = boto3.client("s3")
    client.create_bucket(Bucket="rents")
    frame.write_parquet(tmp_path / "x.parquet")
    client.upload_file(str(tmp_path / "x.parquet"), "rents", "all/x.parquet")
    assert init(tmp_path / "a", "s3://rents/all").source == "s3://rents/all"
    client.close()


def test_http(frame: pl.DataFrame, web: Web, tmp_path: Path) -> None:
    web.documents["/export"] = Document(frame.write_csv().encode(), {"Content-Type": "text/csv"})
    address = web.address.replace("//", "//ann:hunter2@") + "/export?year=2011"
    found = init(tmp_path / "a", address)
    assert found.source == web.address.replace("//", "//ann@") + "/export?year=2011"


def test_parts_of_different_types_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "1.jsonl").write_text("".join(json.dumps({"cnt": i, "x": True}) + "\n" for i in range(5)))
    (tmp_path / "data" / "2.jsonl").write_text("".join(json.dumps({"cnt": i, "x": "2024-01-01"}) + "\n" for i in range(5)))
    assert main(["init", "--from", str(tmp_path / "data"), "--target", "cnt", "--project", str(tmp_path / "a")]) == 2
    assert "HS208" in capsys.readouterr().err
