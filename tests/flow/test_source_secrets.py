"""A password in the address of a source reaches it and nothing else: no fact, no line of a log, no error, no file of the state."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from homeostat.app.cli.main import main
from homeostat.errors import HomeostatError
from homeostat.flow.ingest import ingest
from homeostat.flow.project import Project, open_project
from homeostat.testing.servers import Document, Web
from homeostat.testing.state import everything_in

SECRET = "hunter2"  # noqa: S105 - not a real one
ROWS = "x,y\n" + "".join(f"{n},{n % 7}\n" for n in range(40))
NO_Y = ROWS.replace("y\n", "z\n", 1)
CHARTER = {
    "name": "shop",
    "problem": {"statement": "s", "objective": "o", "decision": "d", "business_metric": "b"},
    "task": {"type": "regression", "target": "y"},
    "success": {"metric": "mae", "baseline": "none"},
}


def found(folder: Path, data: dict[str, Any]) -> Path:
    (folder / "homeostat.yaml").write_text(yaml.safe_dump(CHARTER | {"data": {"retries": 0, **data}}))
    return folder


def ingested(project: Project) -> list[str]:
    """The error as a program sees it that calls us, with all that led to it."""
    try:
        ingest(project)
    except HomeostatError as error:
        return [*traceback.format_exception(error), *map(str, error.__reduce__())]
    return []


Look = Callable[[Path, str], None]


@pytest.fixture
def nothing_told(capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> Look:
    """Take a source in, with every logger wide awake, and look for the secret wherever words are left. ``error``: the code it ends with."""

    def look(folder: Path, error: str) -> None:
        caplog.set_level(logging.DEBUG)
        for words in ("ingest", "ingest --json", "check", "history", "history --json", "data log"):
            code = main([*words.split(), "--project", str(folder)])
            told = capfd.readouterr()
            assert SECRET not in told.out + told.err, words
            if words == "ingest":
                assert error in told.err if error else code == 0, told.err
        with open_project(folder) as project:
            lines = ingested(project)
            facts = [fact for kind in ("charter", "delivery", "dataset") for fact in project.ledger.find(kind)]
        assert SECRET not in f"{lines} {facts}"
        assert SECRET not in caplog.text
        places = list(everything_in(folder / ".homeostat"))
        for place, content in places:
            assert SECRET not in place + content, place
        assert error or (len(places) > 5 and {fact.kind for fact in facts} == {"charter", "delivery", "dataset"})

    return look


@pytest.mark.parametrize(
    ("document", "error"),
    [
        (Document(ROWS.encode(), {"ETag": "1"}), ""),
        (Document(ROWS.encode(), {"ETag": "1"}, status=200, faults=[401] * 9), "HS216"),
        (Document(ROWS.encode(), {"ETag": "1"}, faults=[404] * 9), "HS201"),
        (Document(ROWS.encode(), {"ETag": "1"}, faults=[503] * 9), "HS804"),
        (Document(ROWS.encode(), {"ETag": "1"}, faults=["reset"] * 9), "HS804"),
        (Document(NO_Y.encode(), {"ETag": "1"}), "HS204"),
        (Document(b"x,y\n", {"ETag": "1"}), "HS202"),
        (Document(b"\x00\xff,y\n1,2\n", {"ETag": "1"}), "HS"),
    ],
    ids=["taken in", "refused", "not there", "down", "reset", "no target", "empty", "no text"],
)
def test_of_a_document(web: Web, tmp_path: Path, nothing_told: Look, document: Document, error: str) -> None:
    web.documents["/rows.csv"] = document
    address = web.address.replace("//", f"//ann:p%40{SECRET}@") + f"/rows.csv?month=5&token={SECRET}&sig={SECRET}"
    nothing_told(found(tmp_path, {"source": address}), error)
    assert {*document.authorized} == {"Basic YW5uOnBAaHVudGVyMg=="}, "it was sent"


@pytest.fixture
def shop(postgresql_url: str) -> str:
    """The address of a database with a table that has the target and one that has not."""
    import psycopg

    with psycopg.connect(postgresql_url, autocommit=True) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS secret_rows AS SELECT n AS x, n % 7 AS y FROM generate_series(1, 40) AS n")
        connection.execute("CREATE TABLE IF NOT EXISTS secret_no_y AS SELECT n AS x FROM generate_series(1, 40) AS n")
    return postgresql_url.replace("homeostat@", f"homeostat:p%40{SECRET}@") + f"?sslpassword={SECRET}"


@pytest.mark.parametrize(
    ("table", "changed", "error"),
    [
        ("secret_rows", {}, ""),
        ("none", {}, "HS215"),
        ("secret_rows", {"/postgres": "/nowhere"}, "HS215"),
        ("secret_rows", {"homeostat:": "nobody:"}, "HS216"),
        ("secret_rows", {"127.0.0.1:": "127.0.0.1:1"}, "HS"),
        ("secret_no_y", {}, "HS204"),
    ],
    ids=["taken in", "no table", "no database", "no user", "no server", "no target"],
)
def test_of_a_database(shop: str, tmp_path: Path, nothing_told: Look, table: str, changed: dict[str, str], error: str) -> None:
    for old, new in changed.items():
        shop = shop.replace(old, new)
    nothing_told(found(tmp_path, {"source": shop, "table": table}), error)


@pytest.fixture
def keys(s3_variables: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**s3_variables, "AWS_SECRET_ACCESS_KEY": SECRET}.items():
        monkeypatch.setenv(name, value)


@pytest.mark.usefixtures("keys")
@pytest.mark.parametrize(
    ("address", "error"),
    [
        (f"s3://AKIAIOSFODNN7:{SECRET}@shop/rows.csv", "HS219"),
        (f"s3://AKIAIOSFODNN7:a/{SECRET}+b@shop/rows.csv", "HS219"),
        (f"s3://shop/rows.csv?aws_access_key_id=AKIA&aws_secret_access_key={SECRET}", "HS201"),
        ("s3://shop/none.csv", "HS201"),
    ],
)
def test_of_a_bucket(tmp_path: Path, nothing_told: Look, address: str, error: str) -> None:
    nothing_told(found(tmp_path, {"source": address}), error)


@pytest.mark.parametrize(
    "address",
    [
        f"http://ann:{SECRET}/x@host/rows.csv",
        f"http://ann:x?{SECRET}@host/rows.csv",
        f"http://ann:x#{SECRET}@host/rows.csv",
        f"http://ann:x[{SECRET}@host/rows.csv",
        f"http://ann:{SECRET}@x@host/rows.csv",
        f"postgresql://ann:1/{SECRET}@host/shop",
        f"postgresql://ann:x@{SECRET}@host/shop",
        f"postgresql:/ann:{SECRET}@host/shop",
        f"ann:{SECRET}@host/shop",
        f"mysql://ann:{SECRET}@host/shop",
        f"sqlite://ann:{SECRET}@host/shop",
    ],
)
def test_of_an_address_that_is_written_wrong(tmp_path: Path, nothing_told: Look, address: str) -> None:
    table = {"table": "orders"} if "sql" in address.partition("://")[0] and "mysql" not in address and "//" in address else {}
    nothing_told(found(tmp_path, {"source": address, **table}), "HS")


def test_of_a_joined_table(web: Web, tmp_path: Path, nothing_told: Look) -> None:
    web.documents["/prices.csv"] = Document(b"x,price,since\n1,5,2024-05-01\n", {"ETag": "1"})
    (tmp_path / "rows.csv").write_text(ROWS.replace("x,y", "x,y,at").replace("\n", ",2024-05-02\n").replace("at,2024-05-02", "at"))
    address = web.address.replace("//", f"//ann:{SECRET}@") + "/prices.csv"
    join = {"table": "prices", "on": ["x"], "valid_from": "since", "as_of": "at"}
    section = {"source": "rows.csv", "tables": {"prices": {"source": address}}, "joins": [join]}
    nothing_told(found(tmp_path, section), "")
    web.documents["/prices.csv"].faults = [503] * 9
    web.documents["/prices.csv"].headers = {"ETag": "2"}
    nothing_told(tmp_path, "HS804")


@pytest.mark.parametrize(
    "text",
    [
        f"data: {{source: 'postgresql://ann:{SECRET}@host/shop', relation: orders}}",
        f"data: {{origin: 'postgresql://ann:{SECRET}@host/shop'}}",
        f"data: ['postgresql://ann:{SECRET}@host/shop']",
        f"data: 'postgresql://ann:{SECRET}@host/shop'",
        f"data: {{source: postgresql://ann:{SECRET}@host/shop: x}}",
        f"data: {{source: 'postgresql://ann:{SECRET}@host/shop}}",
        f"data: {{'postgresql://ann:{SECRET}@host/shop': orders}}",
        f"data:\n  source: x.csv\n  postgresql://ann:{SECRET}@host/shop",
    ],
)
def test_of_a_charter_that_is_wrong(tmp_path: Path, capfd: pytest.CaptureFixture[str], text: str) -> None:
    (tmp_path / "homeostat.yaml").write_text(f"{yaml.safe_dump(CHARTER)}{text}\n")
    for words in ("ingest", "ingest --json", "check"):
        assert main([*words.split(), "--project", str(tmp_path)]) == 2
        told = capfd.readouterr()
        assert "CharterError[HS" in told.err
        assert SECRET not in told.out + told.err
