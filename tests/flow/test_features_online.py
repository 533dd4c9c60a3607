"""What is looked up at request time is what training joins, bit for bit, on random histories; and a project's journey to a request."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homeostat.app.cli.main import main
from homeostat.core.features import EventTable, Lookup, micros_of, plain
from homeostat.core.sections import Join, Online
from homeostat.dataops.asof import join_as_of, lookup_as_joined
from homeostat.errors import BundleError, DataError, ProjectError, RequestError
from homeostat.flow.enriching import Enricher
from homeostat.flow.features_check import check_features, same
from homeostat.flow.ingest import ingest
from homeostat.flow.online import hold, lookups, online_path, push_events, recorded_lookups, refresh, table_of
from homeostat.flow.project import open_project
from homeostat.infra.online_store import OnlineStore, Pushed

DAY = datetime(2024, 1, 1, tzinfo=UTC)
LATE = 60
SCHEMA = {"id": pl.Int64, "who": pl.String, "at": pl.Datetime("us"), "amount": pl.Float64, "status": pl.String}
JOIN = Join(
    table="orders",
    on=("who",),
    valid_from="at",
    key=("id",),
    columns=("status", "amount"),
    tolerance="50m",
    aggregates={
        "n": {"count": True},
        "n_40m": {"count": True, "window": "40m"},
        "total": {"sum": "amount"},
        "total_90m": {"sum": "amount", "window": "90m"},
        "mean": {"mean": "amount"},
        "low_90m": {"min": "amount", "window": "90m"},
        "high": {"max": "amount"},
        "low": {"min": "amount"},
        "last_30m": {"last": "status", "window": "30m"},
        "last": {"last": "status"},
    },
    online=Online(late=f"{LATE}m"),
)
LOOKUP = lookup_as_joined(["who", "at"], list(SCHEMA), JOIN, "at")
NAMES = [each.name for each in LOOKUP.features]


def minute(number: int) -> datetime:
    return DAY + timedelta(minutes=number)


def frame(events: list[dict[str, Any]]) -> pl.DataFrame:
    rows = [{**one, "at": minute(one["at"]).replace(tzinfo=None)} for one in events]
    return pl.DataFrame(rows, schema=SCHEMA)


def trained(events: list[dict[str, Any]], who: str | None, at: int) -> dict[str, Any]:
    rows = pl.DataFrame({"who": [who], "at": [minute(at).replace(tzinfo=None)]}, schema={"who": pl.String, "at": pl.Datetime("us")})
    return join_as_of(rows, frame(events), JOIN, "at").select(NAMES).row(0, named=True)


def online(enricher: Enricher, who: str | None, at: int, now: int) -> dict[str, Any]:
    (found,) = enricher.enrich([{"who": who, "at": minute(at).isoformat()}], minute(now))
    return {name: found[name] for name in NAMES}


def agree(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return all(same(plain(one[name]), other[name]) for name in NAMES)


def store_of(events: list[dict[str, Any]], now: int) -> OnlineStore:
    store = OnlineStore(Path(":memory:"), write=True)
    held(store, events, now)
    return store


def held(store: OnlineStore, events: list[dict[str, Any]], now: int) -> None:
    table = table_of(LOOKUP, [LOOKUP], JOIN.online or Online(), frame([]))
    hold(store, LOOKUP, table, frame(events), micros_of(minute(now)) or 0)


def sent(event: dict[str, Any]) -> dict[str, Any]:
    return {**event, "at": minute(event["at"]).isoformat(), "note": "of no use here"}


amounts = st.none() | st.floats(-1e6, 1e6) | st.sampled_from([0.1, 0.2, 0.3, 1e16, -1e16, 1e300, 1.7e308, -0.0])
event = st.fixed_dictionaries(
    {
        "who": st.sampled_from("abc"),
        "at": st.integers(0, 400),
        "amount": amounts,
        "status": st.none() | st.sampled_from(["paid", "open"]),
        "delay": st.integers(0, LATE) | st.integers(LATE + 1, LATE + 30),
        "again": st.booleans(),
    }
)
ask = st.tuples(st.none() | st.sampled_from("abz"), st.integers(0, 400), st.integers(0, 60))


@settings(max_examples=25)
@given(st.lists(event, max_size=30), st.lists(ask, min_size=1, max_size=8), st.integers(0, 400))
def test_random_histories_give_what_training_joins(events: list[dict[str, Any]], asks: list[Any], refreshed: int) -> None:
    """Events come late, too late, twice and at equal times; in between the table is refreshed and rows ask, some as of a while ago."""
    coming = [({key: one[key] for key in ("who", "at", "amount", "status")} | {"id": n}, one) for n, one in enumerate(events)]
    steps: list[tuple[int, int, Any]] = [(one["at"] + one["delay"], 0, event) for event, one in coming]
    steps += [(one["at"] + one["delay"] + 1, 0, event) for event, one in coming if one["again"]]
    steps += [(now, 1, (who, now - ago)) for who, now, ago in asks] + [(refreshed, 2, None)]
    table: list[dict[str, Any]] = []
    with store_of([], 0) as store:
        enricher = Enricher([LOOKUP], store, wanted=NAMES)
        for now, kind, what in sorted(steps, key=lambda step: step[:2]):
            if kind == 0:
                done, refused = push_events(store, "orders", [sent(what)], micros_of(minute(now)) or 0)
                late = what["at"] < now - LATE
                known = what in table
                assert refused == []
                assert (done.late == 1) if late else (done == Pushed(taken=not known, repeated=known))
                if done.taken:
                    table.append(what)
            elif kind == 1:
                who, at = what
                assert agree(trained(table, who, at), online(enricher, who, at, now))
            else:
                held(store, table, now)


@settings(max_examples=20)
@given(st.lists(event, max_size=30), st.integers(0, 5_000))
def test_a_refresh_lets_go_of_what_no_window_reaches_and_still_gives_the_same(events: list[dict[str, Any]], now: int) -> None:
    table = [{key: one[key] for key in ("who", "at", "amount", "status")} | {"id": n} for n, one in enumerate(events)]
    with store_of(table, now) as store:
        enricher = Enricher([LOOKUP], store, wanted=NAMES)
        for who in ("a", "b", "z", None):
            assert agree(trained(table, who, now), online(enricher, who, now, now))
        far = micros_of(minute(now)) or 0
        kept = [one for one in table if (micros_of(minute(one["at"])) or 0) >= far - store.tables()[LOOKUP.events].span_us]
        entities = {one["who"] for one in table}
        assert sum(len(store.read(LOOKUP.events, json.dumps([who])).events) for who in entities) == len(kept)


def test_pushed_events_stay_until_the_source_is_as_far() -> None:
    loaded = [{"id": n, "who": "a", "at": at, "amount": 1.0, "status": None} for n, at in enumerate((0, 100))]
    with store_of(loaded, 120) as store:
        enricher = Enricher([LOOKUP], store, wanted=["n"])
        count = lambda now: enricher.enrich([{"who": "a"}], minute(now))[0]["n"]  # noqa: E731
        push_events(store, None, [sent({**loaded[0], "id": 7, "at": 110})], micros_of(minute(120)) or 0)
        assert count(120) == 3
        held(store, loaded, 130)
        assert count(130) == 3, "the source does not have it yet"
        held(store, [*loaded, {**loaded[0], "id": 7, "at": 110}], 140)
        assert count(140) == 3, "the source has it now, once"
        push_events(store, None, [sent({**loaded[0], "id": 7, "at": 110})], micros_of(minute(150)) or 0)
        assert count(150) == 3, "a key that is known changes nothing"
        held(store, [*loaded, {**loaded[0], "id": 8, "at": 400}], 401)
        assert count(401) == 3, "the source is past it and does not have it"


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"id": None}, "id: got null"),
        ({"who": None}, "who: got null"),
        ({"at": "noon"}, 'at: got "noon"'),
        ({"amount": "1.5"}, 'amount: got "1.5"; allowed: a finite number or null'),
        ({"amount": True}, "amount: got true"),
        ({"status": ["paid"]}, 'status: got ["paid"]'),
        ({"id": 1.5}, "id: got 1.5; allowed: a whole number"),
    ],
)
def test_an_event_that_is_none_is_refused_and_named(fields: dict[str, Any], said: str) -> None:
    good = sent({"id": 1, "who": "a", "at": 0, "amount": 1, "status": "paid"})
    with store_of([], 0) as store:
        done, refused = push_events(store, "orders", [{**good, **fields}, {**good, "id": 2}], micros_of(minute(1)) or 0)
        assert done == Pushed(taken=1)
        assert [at for at, _ in refused] == [0]
        assert said in str(refused[0][1])


def test_a_reader_keeps_what_it_read_until_another_process_writes(tmp_path: Path) -> None:
    path = tmp_path / "online" / "features.sqlite"
    with OnlineStore(path, write=True) as writer:
        held(writer, [], 0)
        with OnlineStore(path) as reader:
            enricher = Enricher([LOOKUP], reader, wanted=["n", "last"])
            asked = [{"who": who} for who in "ab"]
            assert [row["n"] for row in enricher.enrich(asked, minute(5))] == [0, 0]
            for number in range(3):
                fields = sent({"id": number, "who": "a", "at": number, "amount": 1.0, "status": f"s{number}"})
                push_events(writer, None, [fields], micros_of(minute(5)) or 0)
                found = enricher.enrich(asked, minute(5))
                assert [(row["n"], row["last"]) for row in found] == [(number + 1, f"s{number}"), (0, None)]
            held(writer, [], 500)
            assert enricher.enrich(asked, minute(500))[0]["n"] == 3


def test_what_the_caller_sends_wins_and_keys_the_model_does_not_take_are_taken_out() -> None:
    table = [{"id": 1, "who": "a", "at": 0, "amount": 2.5, "status": "paid"}]
    with store_of(table, 10) as store:
        enricher = Enricher([LOOKUP], store, wanted=["n", "total", "x"], accepted=["n", "total", "x", "who"])
        assert enricher.features == ("n", "total")
        assert enricher.keys == ("who", "at")
        rows = [{"who": "a", "x": 1, "n": None, "at": minute(5).isoformat()}, {"n": 7, "total": 1, "x": 2}]
        assert enricher.enrich(rows, minute(10)) == [{"who": "a", "x": 1, "n": None, "total": 2.5}, {"n": 7, "total": 1, "x": 2}]
        assert rows[0].keys() == {"who", "x", "n", "at"}, "what was given is not changed"
        assert enricher.enrich([{"who": "a", "at": minute(99).isoformat()}], minute(10))[0]["n"] == 1, "nothing later than now is known"


@pytest.mark.parametrize(
    ("row", "code", "said"),
    [
        ({}, "HS451", "row 1 field 'who': got no such field"),
        ({"who": ["a"]}, "HS451", "got list"),
        ({"who": "a", "at": "noon"}, "HS451", "row 1 field 'at': got noon"),
        ({"who": "a", "at": "2001-01-01"}, "HS457", "a moment of the last two days"),
    ],
)
def test_a_row_that_cannot_be_looked_up_is_named(row: dict[str, Any], code: str, said: str) -> None:
    with store_of([], 0) as store, pytest.raises(RequestError) as error:
        Enricher([LOOKUP], store, wanted=NAMES).enrich([{"who": "a"}, row], minute(0))
    assert (error.value.code, error.value.status) == (code, 422)
    assert error.value.fields[0]["row"] == 1
    assert said in str(error.value)


def test_a_store_made_for_other_windows_is_refused_and_so_is_one_of_another_format(tmp_path: Path) -> None:
    longer = Join(**{**JOIN.model_dump(mode="json"), "aggregates": {"n": {"count": True, "window": "40d"}}})
    with store_of([], 0) as store, pytest.raises(BundleError, match=r"HS453.*features refresh"):
        Enricher([lookup_as_joined(["who", "at"], list(SCHEMA), longer, "at")], store, wanted=["n"])
    with pytest.raises(ProjectError, match=r"HS456.*no online table yet"):
        OnlineStore(tmp_path / "none.sqlite")
    (tmp_path / "text.sqlite").write_text("no database, just text that is long enough to be one" * 40)
    with pytest.raises(ProjectError, match=r"HS456.*not a database"):
        OnlineStore(tmp_path / "text.sqlite", write=True)


CHARTER = """
name: shop
problem: {statement: s, objective: o, decision: d, business_metric: b}
task: {type: regression, target: y, time: asked, entity: [customer]}
success: {metric: mae}
data:
  source: visits.csv
  tables: {orders: {source: orders.csv}}
  joins:
    - table: orders
      on: [customer]
      valid_from: at
      key: [order_id]
      aggregates:
        orders_2d: {count: true, window: 2d}
        spend: {sum: amount}
        last_status: {last: status}
      online: {late: 2h, max_age: 3d, stale: refuse}
"""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    (tmp_path / "homeostat.yaml").write_text(CHARTER)
    (tmp_path / "orders.csv").write_text(
        "order_id,customer,at,amount,status\n1,7,2024-05-01T10:00:00,0.1,paid\n2,7,2024-05-02T10:00:00,0.2,open\n"
        "3,8,2024-05-02T11:00:00,5,paid\n2,7,2024-05-02T10:00:00,0.2,open\n4,7,2024-05-04T10:00:00,0.3,\n"
    )
    (tmp_path / "visits.csv").write_text(
        "customer,asked,y\n7,2024-05-01T09:00:00,1\n7,2024-05-02T10:00:00,2\n8,2024-05-03T00:00:00,3\n9,2024-05-03T00:00:00,4\n"
        "7,2024-05-04T10:00:00,5\n,2024-05-04T10:00:00,6\n"
    )
    return tmp_path


def test_a_project_from_rows_to_a_request(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with open_project(shop) as project:
        dataset = ingest(project)
        assert recorded_lookups(dataset) == tuple(lookup for _, lookup in lookups(project))
        found = check_features(project, None)
        assert (found.rows, found.events, found.differences, found.changed) == (6, 4, 0, ())
        rows = project.table(str(dataset.body["table"])).read().sort("y")
        assert rows["orders_2d"].to_list() == [0, 2, 1, 0, 2, None]
        assert rows["spend"].to_list() == [0.0, 0.1 + 0.2, 5.0, 0.0, 0.6, None]
        assert rows["last_status"].to_list() == [None, "open", "paid", None, None, None]
        now = project.clock.now()
        with OnlineStore(online_path(project)) as store:
            enricher = Enricher(recorded_lookups(dataset), store, wanted=["orders_2d", "spend", "last_status"])
            looked = enricher.enrich([{"customer": 7}, {"customer": "8"}, {"customer": None}], now)
            assert [row["spend"] for row in looked] == [0.6, 5.0, None]
            assert [row["orders_2d"] for row in looked] == [0, 0, None]
            with pytest.raises(RequestError, match=r"HS452.*'orders_2d' of table 'orders': .* is 3456\d\d s old; allowed: 259200 s"):
                enricher.enrich([{"customer": 7}], now + timedelta(days=4))
    lines = [{"order_id": 9, "customer": 7, "at": now.isoformat(), "amount": 1, "status": "new"}, {"order_id": 10, "customer": 7}]
    (shop / "events.jsonl").write_text("\n".join([*map(json.dumps, [lines[0], lines[0], lines[1]]), "not json", ""]))
    project_of = ["--project", str(shop), "--json"]
    capsys.readouterr()
    assert main(["features", "push", str(shop / "events.jsonl"), *project_of]) == 3
    told = json.loads(capsys.readouterr().out)
    assert {name: told[name] for name in ("taken", "repeated", "late", "refused")} == {"taken": 1, "repeated": 1, "late": 0, "refused": 2}
    assert [(one["line"], one["code"]) for one in told["first_refused"]] == [(3, "HS455"), (4, "HS205")]
    assert main(["features", "refresh", *project_of]) == 0
    assert json.loads(capsys.readouterr().out)["tables"] == [{"table": "orders", "events": 0, "entities": 2, "pushed": 1}]
    with open_project(shop) as project, OnlineStore(online_path(project)) as store:
        enricher = Enricher(recorded_lookups(dataset), store, wanted=["orders_2d", "spend", "last_status"])
        (row,) = enricher.enrich([{"customer": 7}], now)
        assert row == {"customer": 7, "orders_2d": 1, "spend": 1.6, "last_status": "new"}
    assert main(["features", "check", *project_of]) == 0
    assert json.loads(capsys.readouterr().out)["equal"] is True


def test_sql_that_changes_a_looked_up_column_is_told(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (shop / "homeostat.yaml").read_text()
    (shop / "homeostat.yaml").write_text(text + "  features: features.sql\n")
    (shop / "features.sql").write_text("SELECT * REPLACE (spend + 1 AS spend) FROM data WHERE y < 6")
    with open_project(shop) as project:
        dataset = ingest(project)
    assert main(["features", "check", "--project", str(shop), "--rows", "3"]) == 3
    assert "spend: data.features changes it or leaves it out" in capsys.readouterr().out
    assert [each.name for each in recorded_lookups(dataset)[0].features] == ["orders_2d", "last_status"], "it is not looked up"


def test_what_is_not_online_is_left_to_the_caller(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (shop / "homeostat.yaml").read_text()
    (shop / "homeostat.yaml").write_text(text.replace("online: {late: 2h, max_age: 3d, stale: refuse}", ""))
    with open_project(shop) as project:
        ingest(project)
        assert refresh(project) == []
        assert not online_path(project).exists()
    assert main(["features", "check", "--project", str(shop)]) == 2
    assert "HS454" in capsys.readouterr().err


def test_events_without_a_key_or_of_another_table_are_refused() -> None:
    keyless = Lookup("orders", ("who",), "at", (), "at", LOOKUP.features)
    with OnlineStore(Path(":memory:"), write=True) as store:
        table = table_of(keyless, [keyless], Online(), frame([]))
        assert isinstance(table, EventTable)
        hold(store, keyless, table, frame([]), 0)
        with pytest.raises(DataError, match=r"HS454.*counted twice"):
            push_events(store, "orders", [{}], 0)
        with pytest.raises(DataError, match=r"HS454.*'visits'; online are orders"):
            push_events(store, "visits", [{}], 0)


def test_looking_up_loads_no_library_of_training() -> None:
    code = "import sys, homeostat.flow.enriching, homeostat.infra.online_store, homeostat.serving.events; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert {name.partition(".")[0] for name in done.stdout.split()}.isdisjoint({"polars", "duckdb", "pydantic", "sklearn", "sqlalchemy"})
