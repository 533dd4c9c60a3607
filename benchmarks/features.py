"""Measure aggregates of events in training, beside DuckDB, and when they are looked up: ``benchmarks/results/features.json``, ``.md``.

Run: ``.venv/bin/python -m benchmarks.features``. It takes about three minutes. DuckDB answers the same counts, sums and largest values by a
join on the range of time and a GROUP BY, on the same frames and one thread, in turn with ours.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import polars as pl

from homeostat.core.features import micros_of
from homeostat.core.sections import Join, Online
from homeostat.dataops.asof import join_as_of, lookup_as_joined
from homeostat.flow.enriching import Enricher
from homeostat.flow.features_check import replay
from homeostat.flow.online import hold, push_events, table_of
from homeostat.infra.online_store import OnlineStore

RESULTS = Path(__file__).parent / "results"
LIBRARIES = ("homeostat", "polars", "duckdb", "numpy")
ROWS, EVENTS, ENTITIES, DAYS = 1_000_000, 1_000_000, 50_000, 365
REPEATS = 3
ASKS = 5_000
START = datetime(2024, 1, 1, tzinfo=UTC)
JOIN = Join(
    table="orders",
    on=("who",),
    valid_from="at",
    key=("id",),
    aggregates={
        "orders_7d": {"count": True, "window": "7d"},
        "spend_30d": {"sum": "amount", "window": "30d"},
        "largest_90d": {"max": "amount", "window": "90d"},
        "spend": {"sum": "amount"},
        "last_status": {"last": "status"},
    },
    online=Online(late="1h"),
)
PEER = """
SELECT r.place, count(e.at) FILTER (e.at >= r.at - INTERVAL 7 DAY) AS orders_7d,
  sum(e.amount) FILTER (e.at >= r.at - INTERVAL 30 DAY) AS spend_30d, max(e.amount) AS largest_90d
FROM rows r LEFT JOIN events e ON e.who = r.who AND e.at <= r.at AND e.at >= r.at - INTERVAL 90 DAY GROUP BY r.place
"""


def made(rng: np.random.Generator) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rows that ask, and events, of the same entities over a year."""

    def times(count: int) -> pl.Series:
        micros = rng.integers(0, DAYS * 86_400 * 10**6, count) + (micros_of(START) or 0)
        return pl.Series(micros).cast(pl.Datetime("us"))

    rows = pl.DataFrame({"who": rng.integers(0, ENTITIES, ROWS), "at": times(ROWS)})
    amounts = np.round(rng.lognormal(3, 1, EVENTS), 2)
    statuses = pl.Series(rng.choice(["paid", "open", "sent"], EVENTS))
    events = pl.DataFrame(
        {"id": np.arange(EVENTS), "who": rng.integers(0, ENTITIES, EVENTS), "at": times(EVENTS), "amount": amounts, "status": statuses}
    )
    return rows, events.sort("at")


def timed(call: Callable[[], Any]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def training(rows: pl.DataFrame, events: pl.DataFrame) -> dict[str, float]:
    """Seconds of ours (five aggregates, each event once) and of DuckDB (three), in turn; medians."""
    ours, peer = [], []
    with duckdb.connect() as connection:
        connection.execute("SET threads = 1")
        connection.register("rows", _Arrow(rows.with_row_index("place")))
        connection.register("events", _Arrow(events))
        for _ in range(REPEATS):
            ours.append(timed(lambda: join_as_of(rows, events, JOIN, "at")))
            peer.append(timed(lambda: connection.execute(f"CREATE OR REPLACE TEMP TABLE made AS {PEER}")))
    return {"ours_s": statistics.median(ours), "duckdb_s": statistics.median(peer)}


class _Arrow:
    """A frame as a stream of Arrow data."""

    def __init__(self, frame: pl.DataFrame) -> None:
        self._frame = frame

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self._frame.__arrow_c_stream__(requested_schema)


def online(events: pl.DataFrame, rng: np.random.Generator) -> dict[str, float]:
    """Refresh, look-ups of one row (first and again) in microseconds, and events pushed a second."""
    lookup = lookup_as_joined(["who", "at"], events.columns, JOIN, "at")
    now = START + timedelta(days=DAYS)
    now_us = micros_of(now) or 0
    names = list(JOIN.aggregates)
    with tempfile.TemporaryDirectory() as folder, OnlineStore(Path(folder) / "features.sqlite", write=True) as store:
        table = table_of(lookup, [lookup], JOIN.online or Online(), events.head(0))
        refresh_s = timed(lambda: hold(store, lookup, table, events, now_us))
        with OnlineStore(Path(folder) / "features.sqlite") as reader:
            enricher = Enricher([lookup], reader, wanted=names)
            asked = [{"who": int(who)} for who in rng.permutation(ENTITIES)[:ASKS]]
            first = [timed(lambda row=row: enricher.enrich([row], now)) for row in asked]
            again = [timed(lambda row=row: enricher.enrich([row], now)) for row in asked]
            fields = [
                {"id": EVENTS + n, "who": int(who), "at": now_us / 1e6, "amount": 9.99, "status": "paid"}
                for n, who in enumerate(rng.integers(0, ENTITIES, 50_000))
            ]
            push_s = timed(lambda: [push_events(store, None, fields[at : at + 1_000], now_us) for at in range(0, len(fields), 1_000)])
            one_s = [timed(lambda n=n: push_events(store, None, [{**fields[n], "id": -n - 1}], now_us)) for n in range(500)]
            enricher.enrich(asked[:1], now)
    found = {"refresh_s": refresh_s, "push_events_per_s": len(fields) / push_s, "push_one_us": statistics.median(one_s) * 1e6}
    for name, times in (("first", first), ("again", again)):
        found |= {f"{name}_p50_us": statistics.median(times) * 1e6, f"{name}_p99_us": float(np.quantile(times, 0.99)) * 1e6}
    return found


def proof(rows: pl.DataFrame, events: pl.DataFrame) -> dict[str, float]:
    """The replay of all events with 20,000 rows: differences, and seconds."""
    lookup = lookup_as_joined(["who", "at"], events.columns, JOIN, "at")
    asked = join_as_of(rows.sample(20_000, seed=0), events, JOIN, "at")
    began = time.perf_counter()
    found = replay(asked, events, JOIN, lookup)
    return {"seconds": time.perf_counter() - began, "values": found.values, "differences": found.differences, "events": found.events}


def main() -> None:
    rng = np.random.default_rng(0)
    rows, events = made(rng)
    told = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "versions": {name: version(name) for name in LIBRARIES},
        "training": training(rows, events),
        "online": online(events, rng),
        "proof": proof(rows, events),
    }
    (RESULTS / "features.json").write_text(json.dumps(told, indent=1) + "\n")
    (RESULTS / "features.md").write_text(page(told))
    print(page(told))


def page(told: dict[str, Any]) -> str:
    training, online, proof = told["training"], told["online"], told["proof"]
    lines = [
        "# Features of other tables: at training and at request time",
        "",
        f"{told['at']}, {told['machine']}; {', '.join(f'{name} {number}' for name, number in told['versions'].items())}.",
        f"{ROWS:,} rows, {EVENTS:,} events of {ENTITIES:,} entities over a year. `.venv/bin/python -m benchmarks.features` measures again.",
        "",
        "| what | figure |",
        "|---|---|",
        f"| training: five aggregates of each row, ours | {training['ours_s']:.1f} s |",
        f"| training: three of them by DuckDB's range join, one thread | {training['duckdb_s']:.1f} s |",
        f"| ratio | {training['duckdb_s'] / training['ours_s']:.2f} |",
        f"| refresh of the online table | {online['refresh_s']:.1f} s |",
        f"| look-up of one row, an entity read before: p50, p99 | {online['again_p50_us']:.0f} us, {online['again_p99_us']:.0f} us |",
        f"| look-up of one row, an entity not read before: p50, p99 | {online['first_p50_us']:.0f} us, {online['first_p99_us']:.0f} us |",
        f"| events pushed, 1,000 at once | {online['push_events_per_s']:,.0f} a second |",
        f"| one event pushed | {online['push_one_us']:.0f} us |",
        f"| proof: {proof['events']:,} events replayed, {proof['values']:,} values compared | {proof['differences']} differ |",
        f"| proof: time | {proof['seconds']:.0f} s |",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
