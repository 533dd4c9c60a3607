"""What the charter says of where rows come from, what they must look like, and what is private in them: every case takes rows in."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from homeostat.errors import HomeostatError
from homeostat.flow.datasets import read_dataset
from homeostat.flow.ingest import ingest
from homeostat.flow.project import Project, open_project

if TYPE_CHECKING:
    import pytest

    from homeostat.testing.servers import Web

Case = Callable[["pytest.FixtureRequest"], tuple[Any, Any]]
WARES = [
    ("a", "2024-05-01", "2024-05-01", 10, "Brie"),
    ("a", "2024-05-02", "2024-05-04", 20, "NA"),
    ("b", "2024-05-02", "2024-05-02", 30, "Feta"),
    ("b", "2024-05-03", "2024-05-03", 40, "K\u00e4se"),
]
COLUMNS = ("item", "since", "seen", "price", "note")
LATE = ("c", "2024-05-02", "2024-05-05", 50, "Comt\u00e9")
"""A row that comes when later ones are there already."""
ORDERS = """item,at,asked,pieces
a,2024-05-02,2024-05-01,1
a,2024-05-09,2024-05-09,2
b,2024-05-03,2024-05-02,3
c,2024-05-03,2024-05-03,4
"""
JOIN = {"table": "wares", "on": ["item"], "valid_from": "since", "as_of": "at"}
Then = Callable[[Path], None]


def text(rows: list[tuple[Any, ...]], delimiter: str = ",") -> str:
    return "\n".join(delimiter.join(map(str, row)) for row in [COLUMNS, *rows]) + "\n"


KINDS = {"item": "string", "since": "date", "seen": "date", "price": "number", "note": "string"}
ORDERED = {"item": "string", "at": "date", "asked": "date", "pieces": "integer"}


def contract(kinds: dict[str, str], most: float) -> str:
    """Columns of these kinds, and prices up to so much."""
    limit = {"price": {"logicalTypeOptions": {"maximum": most}}}
    properties = [{"name": name, "logicalType": kind, **limit.get(name, {})} for name, kind in kinds.items()]
    schema = [{"name": "shop", "logicalType": "object", "properties": properties}]
    about = {"apiVersion": "v3.1.0", "kind": "DataContract", "id": "shop", "name": "shop", "version": "1.0.0", "status": "active"}
    return json.dumps({**about, "schema": schema})


def put(folder: Path, table: str, *rows: tuple[Any, ...]) -> None:
    with sqlite3.connect(folder / "wares.sqlite") as connection:
        connection.execute(f"CREATE TABLE IF NOT EXISTS {table} (item TEXT, since DATE, seen DATE, price REAL, note TEXT)")
        connection.executemany(f"INSERT INTO {table} VALUES (?, ?, ?, ?, ?)", rows)  # noqa: S608
    connection.close()


def laid(folder: Path, charter: dict[str, Any]) -> Path:
    """A project's folder with everything that a case's charter may name."""
    folder.mkdir()
    dearer = [(*row[:3], row[3] + 5, row[4]) for row in WARES]
    continental = text([(*row[:3], f"{row[3]},5", row[4]) for row in WARES], ";")
    (folder / "wares.csv").write_text(text(WARES))
    (folder / "dearer.csv").write_text(text(dearer))
    (folder / "continental.csv").write_text(continental)
    (folder / "western.csv").write_bytes(text(WARES).encode("cp1252"))
    (folder / "orders.csv").write_text(ORDERS)
    (folder / "features.sql").write_text("SELECT *, pieces * price AS worth FROM data WHERE pieces < 4")
    (folder / "plain.sql").write_text("SELECT * FROM data")
    (folder / "contract.yaml").write_text(contract(KINDS, 25))
    (folder / "curated.yaml").write_text(contract({**ORDERED, "seen": "date", "price": "number", "note": "string"}, 35))
    put(folder, "wares", *WARES)
    put(folder, "returns", *dearer)
    problem = {"statement": "s", "objective": "o", "decision": "d", "business_metric": "b"}
    about = {"name": "shop", "problem": problem, "success": {"metric": "mae", "baseline": "none"}}
    (folder / "homeostat.yaml").write_text(yaml.safe_dump(about | charter))
    return folder


def in_the_main_table(section: dict[str, Any]) -> dict[str, Any]:
    return {"task": {"type": "regression", "target": "price"}, "data": {"max_quarantined": 0.6, **section}}


def in_a_joined_table(section: dict[str, Any]) -> dict[str, Any]:
    return joining({}, {"tables": {"wares": section}})


def joining(join: dict[str, Any], data: dict[str, Any] | None = None) -> dict[str, Any]:
    tables = {"wares": {"source": "wares.csv"}}
    rows = {"source": "orders.csv", "tables": tables, "joins": [JOIN | join], "max_quarantined": 0.6, **(data or {})}
    return {"task": {"type": "regression", "target": "pieces"}, "data": rows}


def told(project: Project) -> Any:
    """The rows of the dataset, what is in quarantine and why, and the parts it was taken in by."""
    rows = read_dataset(project, ingest(project)).drop("_source", "_line")
    quarantine = project.table("quarantine")
    refused = sorted(map(str, quarantine.read().select("_rules", "_row").rows())) if quarantine.exists() else []
    parts = sorted({str(fact.body["path"]) for fact in project.ledger.find("delivery")})
    return rows.schema, sorted(map(str, rows.rows())), refused, parts


def outcome(folder: Path, charter: dict[str, Any], then: Then | None) -> Any:
    with open_project(laid(folder, charter)) as project:
        try:
            found = told(project)
            if then is None:
                return found
            then(folder)
            return told(project)
        except HomeostatError as error:
            return error.code


def taken(before: dict[str, Any], after: dict[str, Any], then: Then | None = None) -> Case:
    """What is taken in under one charter and under another; ``then`` changes the source, and it is taken in again."""

    def case(request: pytest.FixtureRequest) -> tuple[Any, Any]:
        folder: Path = request.getfixturevalue("tmp_path")
        return outcome(folder / "before", before, then), outcome(folder / "after", after, then)

    return case


def late(folder: Path) -> None:
    put(folder, "wares", LATE)


def of_a_source(place: str, charter: Callable[[dict[str, Any]], dict[str, Any]]) -> dict[str, Case]:
    """The clauses that a table of its own and the main table both have."""
    database = {"source": "sqlite:///wares.sqlite"}
    file = {"source": "wares.csv"}
    sliced = {**database, "table": "wares", "watermark": "since"}
    changes: dict[str, tuple[dict[str, Any], dict[str, Any], Then | None]] = {
        "source": (file, {"source": "dearer.csv"}, None),
        "contract": (file, {**file, "contract": "contract.yaml"}, None),
        "table": ({**database, "table": "wares"}, {**database, "table": "returns"}, None),
        "query": (
            {**database, "query": "SELECT * FROM wares"},
            {**database, "query": "SELECT * FROM wares WHERE price < 25"},
            None,
        ),
        "watermark": (sliced, {**sliced, "watermark": "seen"}, late),
        "slice": (sliced, {**sliced, "slice": "month"}, None),
        "late": (sliced, {**sliced, "late": "2d"}, late),
        "delimiter": (file, {**file, "delimiter": ";"}, None),
        "decimal": ({"source": "continental.csv"}, {"source": "continental.csv", "decimal": ","}, None),
        "encoding": ({"source": "western.csv"}, {"source": "western.csv", "encoding": "cp437"}, None),
        "null_values": (file, {**file, "null_values": ["", "NA"]}, None),
    }
    return {f"{place}.{name}": taken(charter(before), charter(after), then) for name, (before, after, then) in changes.items()}


def joined(before: dict[str, Any], after: dict[str, Any]) -> Case:
    return taken(joining(before), joining(after))


def two_tables(name: str) -> dict[str, Any]:
    tables = {"wares": {"source": "wares.csv"}, "dearer": {"source": "dearer.csv"}}
    return joining({"table": name}, {"tables": tables, "features": "plain.sql"})


def patient(request: pytest.FixtureRequest) -> tuple[Any, Any]:
    """A server that fails once, asked once and asked again."""
    from homeostat.testing.servers import Document

    web: Web = request.getfixturevalue("web")
    found = []
    for retries in (0, 1):
        web.documents["/wares.csv"] = Document(text(WARES).encode(), {"ETag": "1"}, faults=[503])
        charter = in_the_main_table({"source": f"{web.address}/wares.csv", "retries": retries})
        found.append(outcome(request.getfixturevalue("tmp_path") / str(retries), charter, None))
    return found[0], found[1]


def counting(aggregate: dict[str, Any], join: dict[str, Any]) -> dict[str, Any]:
    """The wares as events: one aggregate of those that were known at each order."""
    return joining({"aggregates": {"made": aggregate or {"count": True}}, **join})


def pushed(before: dict[str, Any], after: dict[str, Any]) -> Case:
    """What becomes of an event that is pushed a year late, and what is looked up two days after the last one came."""

    def case(request: pytest.FixtureRequest) -> tuple[Any, Any]:
        folder: Path = request.getfixturevalue("tmp_path")
        return looked_up(folder / "before", before), looked_up(folder / "after", after)

    return case


def looked_up(folder: Path, online: dict[str, Any]) -> Any:
    from datetime import timedelta

    from homeostat.flow.enriching import Enricher
    from homeostat.flow.online import lookups, online_path, push
    from homeostat.infra.online_store import OnlineStore

    charter = joining({"aggregates": {"made": {"count": True}}, "key": ["item", "since"], "online": online})
    with open_project(laid(folder, charter)) as project:
        ingest(project)
        now = project.clock.now()
        with OnlineStore(online_path(project)) as store:
            event = {"item": "a", "since": (now - timedelta(days=365)).date().isoformat()}
            done, refused = push(project, store, None, [event])
            assert refused == []
            enricher = Enricher([lookup for _, lookup in lookups(project)], store, wanted=["made"])
            try:
                return done, enricher.enrich([{"item": "a"}], now + timedelta(days=2))
            except HomeostatError as error:
                return done, error.code


# What is private


def hidden(privacy: dict[str, Any]) -> Case:
    """The rows that are stored, and which of the private texts lie in the raw zone."""

    def case(request: pytest.FixtureRequest) -> tuple[Any, Any]:
        folder: Path = request.getfixturevalue("tmp_path")
        request.getfixturevalue("monkeypatch").setenv("HOMEOSTAT_KEYS", str(folder / "keys"))
        found = []
        for name, clauses in (("before", {}), ("after", privacy)):
            with open_project(laid(folder / name, in_the_main_table({"source": "wares.csv"}) | {"privacy": clauses})) as project:
                rows = read_dataset(project, ingest(project))
                raw = b"".join(path.read_bytes() for path in (folder / name / ".homeostat" / "raw").rglob("*") if path.is_file())
                found.append((rows.columns, rows["note"].to_list() if "note" in rows.columns else [], b"Brie" in raw))
        return found[0], found[1]

    return case


def logged(request: pytest.FixtureRequest) -> tuple[Any, Any]:
    """The fields of a served row in the prediction log."""
    from dataclasses import replace

    from homeostat.flow.served import read_served
    from homeostat.testing.charters import revised

    project: Project = request.getfixturevalue("project")
    row = next(iter(request.getfixturevalue("months")[6].requests()))
    found = []
    for columns in ([], ["hum"]):
        with replace(project, charter=revised(project.charter, {"privacy.never_log": columns})) as other:
            answered(other, row)
            found.append(sorted(read_served(other).frame.columns))
        for path in project.predictions.glob("*"):
            path.unlink()
    return found[0], found[1]


def answered(project: Project, row: dict[str, Any]) -> None:
    """Serve the champion over HTTP and ask it once."""
    import threading
    import urllib.request

    from homeostat.app.rest.project import wanted_of
    from homeostat.app.rest.server import ServeSettings, serve
    from homeostat.flow.privacy import served_shield
    from homeostat.infra.predictions import PredictionLog

    ready, stop, urls = threading.Event(), threading.Event(), list[str]()

    def tell(url: str) -> None:
        urls.append(url)
        ready.set()

    settings = ServeSettings(project.charter.name, port=0, shield=served_shield(project))
    with PredictionLog(project.predictions) as log:
        thread = threading.Thread(target=serve, args=(settings, wanted_of(project), log), kwargs={"on_ready": tell, "stop": stop})
        thread.start()
        try:
            assert ready.wait(60)
            body = json.dumps(row).encode()
            asked = urllib.request.Request(f"{urls[0]}/predict", body, {"content-type": "application/json"})  # noqa: S310
            with urllib.request.urlopen(asked) as reply:  # noqa: S310
                assert reply.status == 200
        finally:
            stop.set()
            thread.join()


CASES = {
    **of_a_source("data", in_the_main_table),
    "data.max_quarantined": taken(
        in_the_main_table({"source": "wares.csv", "contract": "contract.yaml"}),
        in_the_main_table({"source": "wares.csv", "contract": "contract.yaml", "max_quarantined": 0.1}),
    ),
    **of_a_source("data.tables.*", in_a_joined_table),
    "data.joins[].table": taken(two_tables("wares"), two_tables("dearer")),
    "data.joins[].on": joined({}, {"on": []}),
    "data.joins[].valid_from": joined({}, {"valid_from": "seen"}),
    "data.joins[].as_of": joined({}, {"as_of": "asked"}),
    "data.joins[].tolerance": joined({}, {"tolerance": "3d"}),
    "data.joins[].columns": joined({}, {"columns": ["price"]}),
    "data.joins[].key": taken(counting({}, {}), counting({}, {"key": ["item"]})),
    **{
        f"data.joins[].aggregates.*.{name}": taken(counting({"count": True}, {}), counting({name: "price"}, {}))
        for name in ("sum", "mean", "min", "max", "last")
    },
    "data.joins[].aggregates.*.count": taken(counting({"sum": "price"}, {}), counting({"count": True}, {})),
    "data.joins[].aggregates.*.window": taken(counting({"sum": "price"}, {}), counting({"sum": "price", "window": "1h"}, {})),
    "data.joins[].online.late": pushed({}, {"late": "400d"}),
    "data.joins[].online.max_age": pushed({}, {"max_age": "1s"}),
    "data.joins[].online.stale": pushed({"max_age": "1s"}, {"max_age": "1s", "stale": "refuse"}),
    "data.features": taken(joining({}), joining({}, {"features": "features.sql"})),
    "data.curated_contract": taken(joining({}), joining({}, {"curated_contract": "curated.yaml"})),
    "data.retries": patient,
    "privacy.never_store": hidden({"never_store": ["note"]}),
    "privacy.never_log": logged,
    "privacy.pseudonymise": hidden({"pseudonymise": ["note"]}),
}
