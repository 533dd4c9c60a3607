"""How fast a contract is checked: 5,000,000 rows x 20 columns, 30 rules, beside hand-written Polars and Pandera in one run.

Run: ``.venv/bin/python -m benchmarks.contracts`` (needs the dependency group ``bench``). Writes ``benchmarks/results/contracts.{json,md}``.
Rows are made from a seed. All types are right and about 0.5% of the rows are broken. Every way of checking runs in one process, in turn,
after a run that is not counted; that ours and the hand-written check give the same good rows, rules and reasons is asserted first.
Processor time is told beside wall time, since it depends less on what else the machine does. Peak memory is taken from processes of
their own, which read the rows from a Parquet file.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path

import numpy as np
import polars as pl

from homeostat.core.records import ContractReport
from homeostat.dataops.check import Checker, check
from homeostat.dataops.contract import ColumnRule, Contract, RowRule, UniqueKey

RESULTS = Path(__file__).parent / "results"
ROWS, BATCH, RUNS, SEED = 5_000_000, 500_000, 5, 20
COUNTRIES = ("AT", "BE", "CH", "DE", "ES", "FR", "IT", "NL")
CHANNELS = ("web", "shop", "phone", "partner")
STATES = ("new", "paid", "packed", "shipped", "returned")
START = datetime(2024, 1, 1)
NUMBERS = ("amount", "price", "discount", "tax", "weight", "width", "rating", "margin")
CODE = r"^[A-Z]{2}-[0-9]{6}$"


def contract() -> Contract:
    """Thirty rules: 8 required, 12 ranges, 3 lists, a pattern, 2 lengths, a unique column, a key of two columns, 2 conditions."""
    return Contract(
        "orders",
        "1",
        (
            ColumnRule("id", "integer", required=True, unique=True),
            ColumnRule("customer", "integer", required=True, minimum=1, maximum=1_000_000),
            ColumnRule("line", "integer", required=True, minimum=0),
            ColumnRule("quantity", "integer", required=True, minimum=1, maximum=500),
            ColumnRule("stock", "integer"),
            ColumnRule("amount", "number", required=True, minimum=0.0, maximum=100_000.0),
            ColumnRule("price", "number", minimum=0.0, maximum=1_000.0),
            ColumnRule("discount", "number", minimum=0.0, maximum=1.0),
            ColumnRule("tax", "number", minimum=0.0, maximum=0.5),
            ColumnRule("weight", "number", minimum=0.0, maximum=2_000.0),
            ColumnRule("width", "number", minimum=0.0, maximum=500.0),
            ColumnRule("rating", "number", minimum=-10.0, maximum=10.0),
            ColumnRule("margin", "number", minimum=-6.0, maximum=6.0),
            ColumnRule("country", "string", required=True, allowed=COUNTRIES),
            ColumnRule("channel", "string", allowed=CHANNELS),
            ColumnRule("state", "string", required=True, allowed=STATES),
            ColumnRule("code", "string", pattern=CODE, shortest=9, longest=9),
            ColumnRule("note", "string", longest=24),
            ColumnRule("created", "timestamp", required=True, minimum="2024-01-01T00:00:00"),
            ColumnRule("shipped", "timestamp"),
        ),
        keys=(UniqueKey(("customer", "line")),),
        conditions=(RowRule("in order", "created <= shipped"), RowRule("not free", "discount < 1 OR amount = 0")),
    )


def orders(rows: int = ROWS, seed: int = SEED) -> pl.DataFrame:
    """Rows of the contract's types, about 0.5% of them broken; some values are missing where they may be."""
    random = np.random.default_rng(seed)
    created = np.datetime64(START, "us") + np.sort(random.integers(0, 366 * 86_400, rows)).astype("timedelta64[s]")
    frame = pl.DataFrame(
        {
            "id": random.permutation(rows).astype(np.int64),
            "customer": random.integers(1, 1_000_000, rows),
            "line": np.arange(rows, dtype=np.int64),
            "quantity": random.integers(1, 50, rows),
            "stock": random.integers(0, 10_000, rows),
            "amount": random.gamma(2.0, 40.0, rows),
            "price": random.gamma(2.0, 20.0, rows),
            "discount": random.beta(1.0, 9.0, rows) * 0.9,
            "tax": random.choice([0.0, 0.07, 0.19], rows),
            "weight": random.gamma(2.0, 3.0, rows),
            "width": random.gamma(4.0, 8.0, rows),
            "rating": random.normal(size=rows),
            "margin": random.normal(size=rows),
            "country": pl.Series(COUNTRIES).gather(random.integers(0, len(COUNTRIES), rows)),
            "channel": pl.Series(CHANNELS).gather(random.integers(0, len(CHANNELS), rows)),
            "state": pl.Series(STATES).gather(random.integers(0, len(STATES), rows)),
            "code": pl.select(pl.lit("AB-") + pl.Series(random.integers(100_000, 999_999, rows)).cast(pl.String)).to_series(),
            "note": pl.Series(["", "call first", "leave with neighbour", "fragile"]).gather(random.integers(0, 4, rows)),
            "created": created,
            "shipped": created + random.integers(0, 10 * 86_400, rows).astype("timedelta64[s]"),
        }
    )
    return frame.with_columns(_holes(frame, random)).with_columns(_faults(frame, random))


def _holes(frame: pl.DataFrame, random: np.random.Generator) -> list[pl.Series]:
    """2% of the values of columns that need none."""
    found = []
    for name in ("stock", "weight", "rating", "channel", "note", "shipped"):
        at = np.flatnonzero(random.random(frame.height) < 0.02)
        found.append(frame[name].clone().scatter(at, None))
    return found


def _faults(frame: pl.DataFrame, random: np.random.Generator) -> list[pl.Series]:
    """One kind of fault in each of twelve columns, in 0.04% of the rows each."""
    faults: dict[str, object] = {
        "id": 0,
        "quantity": 0,
        "amount": None,
        "price": float("inf"),
        "discount": 1.0,
        "tax": 19.0,
        "margin": float("nan"),
        "width": -1.0,
        "country": "XX",
        "state": None,
        "code": "ab-12",
        "created": START - timedelta(days=1),
    }
    found = []
    for name, value in faults.items():
        at = np.flatnonzero(random.random(frame.height) < 0.0004)
        found.append(frame[name].clone().scatter(at, value))
    return found


Rules = dict[str, tuple[pl.Expr, str, tuple[str, ...]]]


def hand_rules(v: dict[str, pl.Expr]) -> Rules:
    """The thirty rules (and that numbers are finite) as expressions: what breaks each, what it allows, its columns."""
    ranges = {"customer": (1, 1_000_000), "quantity": (1, 500), "amount": (0.0, 100_000.0), "price": (0.0, 1_000.0)}
    ranges |= {"discount": (0.0, 1.0), "tax": (0.0, 0.5), "weight": (0.0, 2_000.0), "width": (0.0, 500.0)}
    ranges |= {"rating": (-10.0, 10.0), "margin": (-6.0, 6.0)}
    lists = {"country": COUNTRIES, "channel": CHANNELS, "state": STATES}
    rules: Rules = {}
    for name, value in v.items():
        if name in NUMBERS:
            rules[f"{name}.type"] = (value.is_infinite(), "a finite number", (name,))
        if name in ("id", "customer", "line", "quantity", "amount", "country", "state", "created"):
            rules[f"{name}.required"] = (value.is_null(), "a value", (name,))
        if name in ranges:
            low, high = ranges[name]
            beyond = (value < low) | (value > high)
            rules[f"{name}.range"] = (beyond & value.is_finite() if name in NUMBERS else beyond, f"{low} to {high}", (name,))
        if name == "line":
            rules["line.range"] = (value < 0, "at least 0", (name,))
        if name == "created":
            rules["created.range"] = (value < START, f"at least {START.isoformat()}", (name,))
        if name == "code":
            length = value.str.len_chars()
            rules["code.length"] = ((length < 9) | (length > 9), "9 to 9 characters", (name,))
            rules["code.pattern"] = (~value.str.contains(CODE), f"a text with the pattern {CODE}", (name,))
        if name == "note":
            rules["note.length"] = (value.str.len_chars() > 24, "at most 24 characters", (name,))
        if name in lists:
            rules[f"{name}.allowed"] = (~value.is_in(list(lists[name])), "one of " + ", ".join(lists[name]), (name,))
        if name == "id":
            rules["id.unique"] = (value.is_not_null() & ~value.is_first_distinct(), "a value not seen before", (name,))
    pair = pl.struct("customer", "line")
    rules["customer+line.unique"] = (~pair.is_first_distinct(), "a combination not seen before", ("customer", "line"))
    rules["in order"] = (v["created"] > v["shipped"], "created <= shipped", ("created", "shipped"))
    free = ~((v["discount"] < 1) | (v["amount"] == 0))
    rules["not free"] = (free, "discount < 1 OR amount = 0", ("discount", "amount"))
    return rules


def by_hand(frame: pl.DataFrame) -> ContractReport:
    """What someone who knows Polars writes for these rules: flags in one pass, reasons for bad rows only."""
    c = pl.col
    names = frame.columns
    frame = frame.with_columns(c(NUMBERS).fill_nan(None).name.prefix("_v:"))
    v = {name: c(f"_v:{name}") if name in NUMBERS else c(name) for name in names}
    rules = hand_rules(v)
    flags = frame.select(broken.fill_null(value=False).alias(name) for name, (broken, _, _) in rules.items())
    bad = flags.select(pl.any_horizontal(pl.all())).to_series()
    good = frame.select(expr.alias(name) for name, expr in v.items()).filter(~bad)
    rows, flags_bad = frame.select(list(v)).filter(bad), flags.filter(bad)
    text = rows.select(
        (pl.concat_str(pl.lit("'"), c(n), pl.lit("'")) if rows.schema[n] == pl.String else c(n).cast(pl.String))
        .fill_null("nothing")
        .alias(n)
        for n in rows.columns
    )
    told = []
    for name, (_, allowed, columns) in rules.items():
        if len(columns) == 1:
            got = [pl.lit(f"{columns[0]}: got "), pl.lit(text[columns[0]])]
        else:
            first, second = columns
            got = [pl.lit(f"{name}: got {first} "), pl.lit(text[first]), pl.lit(f", {second} "), pl.lit(text[second])]
        told.append(pl.when(name).then(pl.concat_str(*got, pl.lit(f", allowed: {allowed}"))))
    marks = flags_bad.select(
        pl.concat_list(pl.when(name).then(pl.lit(name)) for name in rules).list.drop_nulls().alias("_rules"),
        pl.concat_str(told, separator="; ", ignore_nulls=True).alias("_reasons"),
    )
    counts = {name: count for name, count in flags.sum().row(0, named=True).items() if count}
    return ContractReport(good, rows.hstack(marks), counts)


def by_pandera(frame: pl.DataFrame) -> object:
    """The same thirty rules for Pandera's polars backend, given a DataFrame (it skips checks of data on a LazyFrame)."""
    import pandera.polars as pa
    from pandera.errors import SchemaErrors

    kinds = {"integer": pl.Int64, "number": pl.Float64, "string": pl.String, "timestamp": pl.Datetime("us")}
    columns = {}
    for rule in contract().columns:
        checks = []
        if rule.minimum is not None:
            checks.append(pa.Check.ge(datetime.fromisoformat(rule.minimum) if isinstance(rule.minimum, str) else rule.minimum))
        if rule.maximum is not None:
            checks.append(pa.Check.le(rule.maximum))
        if rule.allowed is not None:
            checks.append(pa.Check.isin(rule.allowed))
        if rule.pattern is not None:
            checks.append(pa.Check.str_matches(rule.pattern))
        if rule.longest is not None:
            checks.append(pa.Check.str_length(rule.shortest, rule.longest))
        columns[rule.name] = pa.Column(kinds[rule.kind], checks, nullable=not rule.required, unique=rule.unique)
    whole = [
        pa.Check(lambda data: data.lazyframe.select(pl.col("created") <= pl.col("shipped"))),
        pa.Check(lambda data: data.lazyframe.select((pl.col("discount") < 1) | (pl.col("amount") == 0))),
    ]
    schema = pa.DataFrameSchema(columns, checks=whole, unique=["customer", "line"])

    try:
        return schema.validate(frame, lazy=True)
    except SchemaErrors as errors:
        return errors.failure_cases


def in_batches(frame: pl.DataFrame) -> list[ContractReport]:
    """The ``Checker`` over slices of half a million rows."""
    checker = Checker(contract())
    reports = [checker.batch(part) for part in frame.iter_slices(BATCH)]
    checker.finish()
    return reports


def same(ours: ContractReport, hand: ContractReport) -> None:
    """Both ways gave the same outcome, row for row."""
    equal = {
        "good rows": ours.good.equals(hand.good),
        "counts": dict(ours.failures) == dict(hand.failures),
        "quarantined rows, rules or reasons": ours.quarantined.equals(hand.quarantined),
    }
    wrong = [name for name, holds in equal.items() if not holds]
    if wrong:
        raise SystemExit(f"the ways of checking differ in {', '.join(wrong)}")


def measured(ways: dict[str, Callable[[pl.DataFrame], object]], frame: pl.DataFrame) -> dict[str, list[tuple[float, float]]]:
    """Wall and processor seconds of each run, the ways taking turns."""
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for turn in range(RUNS + 1):
        for name, way in ways.items():
            wall, processor = time.perf_counter(), time.process_time()
            way(frame)
            if turn:
                seconds[name].append((time.perf_counter() - wall, time.process_time() - processor))
    return seconds


WAYS: dict[str, Callable[[pl.DataFrame], object]] = {
    "homeostat check": lambda frame: check(frame, contract()),
    "homeostat Checker": in_batches,
    "hand-written Polars": by_hand,
    "Pandera": by_pandera,
}
FROM_FILE = "homeostat Checker, from a file"


def from_file(path: Path) -> None:
    """The ``Checker`` over a file, half a million rows in memory at a time; nothing is kept."""
    checker = Checker(contract())
    for start in range(0, ROWS, BATCH):
        checker.batch(pl.scan_parquet(path).slice(start, BATCH).collect())
    checker.finish()


def memory_mib(name: str, path: Path) -> tuple[int, int]:
    """Resident memory before, and its peak during one check, of a process of its own (Linux: the kernel's mark is set back between)."""
    rows = "None" if name == FROM_FILE else "pl.read_parquet(path)"
    check_it = "b.from_file(path)" if name == FROM_FILE else f"b.WAYS[{name!r}](rows)"
    code = (
        "import benchmarks.contracts as b, gc, polars as pl, re\nfrom pathlib import Path\n"
        "def told(name): return int(re.search(name + r':\\s+(\\d+)', Path('/proc/self/status').read_text()).group(1)) // 1024\n"
        f"path = Path({str(path)!r})\nrows = {rows}\ngc.collect()\nPath('/proc/self/clear_refs').write_text('5')\n"
        f"before = told('VmRSS')\n{check_it}\nprint(before, told('VmHWM'))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    before, peak = done.stdout.split()[-2:]
    return int(before), int(peak)


def told(took: list[tuple[float, float]], hand: list[tuple[float, float]]) -> dict[str, object]:
    """The figures of one way."""
    wall, processor = (statistics.median(run[i] for run in took) for i in (0, 1))
    best = min(run[0] for run in took)
    return {
        "wall_s": [round(run[0], 3) for run in took],
        "processor_s": [round(run[1], 3) for run in took],
        "median_wall_s": round(wall, 3),
        "median_processor_s": round(processor, 3),
        "rows_per_s": round(ROWS / wall),
        "best_rows_per_s": round(ROWS / best),
        "wall_of_hand_written": round(wall / statistics.median(run[0] for run in hand), 2),
        "processor_of_hand_written": round(processor / statistics.median(run[1] for run in hand), 2),
    }


def main() -> None:
    """Measure and write."""
    frame = orders()
    report = check(frame, contract())
    same(report, by_hand(frame))
    parts = in_batches(frame)
    whole = ContractReport(pl.concat(part.good for part in parts), pl.concat(part.quarantined for part in parts), report.failures)
    same(report, whole)
    bad = report.quarantined.height
    del report, parts, whole
    took = measured(WAYS, frame)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "orders.parquet"
        frame.write_parquet(path, row_group_size=BATCH)
        memory = {name: memory_mib(name, path) for name in (*WAYS, FROM_FILE)}
    figures = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "load": [round(part, 1) for part in os.getloadavg()],
        "polars_threads": pl.thread_pool_size(),
        "versions": {name: version(name) for name in ("homeostat", "polars", "numpy", "pandera")},
        "rows": ROWS,
        "columns": frame.width,
        "rules": 30,
        "bad_rows": bad,
        "frame_mib": round(frame.estimated_size("mb")),
        "ways": {name: told(took[name], took["hand-written Polars"]) for name in WAYS},
        "memory_before_and_peak_mib": memory,
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "contracts.json").write_text(json.dumps(figures, indent=2) + "\n")
    (RESULTS / "contracts.md").write_text(page(figures))
    print((RESULTS / "contracts.md").read_text())


def page(figures: dict[str, object]) -> str:
    """The figures as a table."""
    ways: dict[str, dict[str, object]] = figures["ways"]  # type: ignore[assignment]
    versions = ", ".join(f"{name} {number}" for name, number in figures["versions"].items())  # type: ignore[attr-defined]
    columns = (
        "median_wall_s",
        "rows_per_s",
        "best_rows_per_s",
        "wall_of_hand_written",
        "median_processor_s",
        "processor_of_hand_written",
    )
    rows = "\n".join(f"| {name} | " + " | ".join(f"{way[column]:,}" for column in columns) + " |" for name, way in ways.items())
    memory: dict[str, tuple[int, int]] = figures["memory_before_and_peak_mib"]  # type: ignore[assignment]
    peaks = "\n".join(f"| {name} | {before:,} | {peak:,} |" for name, (before, peak) in memory.items())
    return (
        f"# Contracts\n\nMeasured {figures['at']} on {figures['machine']} (load average {figures['load'][0]}), "  # type: ignore[index]
        f"Polars on {figures['polars_threads']} threads; {versions}.\nRerun: `.venv/bin/python -m benchmarks.contracts`.\n\n"
        f"{figures['rows']:,} rows x {figures['columns']} columns, {figures['rules']} rules, {figures['bad_rows']:,} rows broken. The rows "
        f"are {figures['frame_mib']:,} MiB. "
        f"{RUNS} warm runs, the ways taking turns in one process. `check` and the hand-written expressions give equal good rows, rules and "
        f"reasons; the `Checker` gets batches of {BATCH:,} rows and all its reports are kept. Pandera lists failure cases and sets no rows "
        "apart.\n\n| way | wall s | rows/s | rows/s, best run | wall / hand-written | processor s | processor / hand-written |\n"
        f"|---|---|---|---|---|---|---|\n{rows}\n\n"
        "Asked: at least 2,000,000 rows/s on 2 cores, and at most 2 times the hand-written expressions.\n\n"
        "Resident memory of a process of its own, before (the rows are in it, but for the last) and at the peak of one check:\n\n"
        f"| way | MiB before | MiB at the peak |\n|---|---|---|\n{peaks}\n"
    )


if __name__ == "__main__":
    main()
