"""A delivery in batches is a delivery: any cutting gives the same rows, failures and breaches; and each kind of rule means what it says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from homeostat.core.records import Breach, ContractReport
from homeostat.dataops import measures, sql
from homeostat.dataops.check import Checker, check
from homeostat.dataops.contract import (
    ColumnRule,
    Contract,
    ForeignKey,
    Freshness,
    Limits,
    QueryRule,
    RowRule,
    Statistic,
    UniqueKey,
)
from homeostat.errors import DataError

NOW = datetime(2024, 1, 10)
TABLES = {"shops": pl.DataFrame({"code": ["a", "b", None], "no": [1, 2, 3], "more": [0, 0, 0]})}


def every_kind() -> Contract:
    """One rule of each kind, of each severity somewhere."""
    return Contract(
        "all",
        "1",
        (
            ColumnRule("n", "number", required=True, minimum=-5, below=5, severities=(("range", "warn"), ("type", "reject"))),
            ColumnRule("i", "integer", unique=True, above=0, severities=(("unique", "reject"),)),
            ColumnRule("s", "string", unique=True, shortest=1, longest=3, pattern="^[a-z]", allowed=("a", "b", "abc", "x"), optional=True),
            ColumnRule("at", "timestamp", maximum="2024-01-31T00:00:00", severities=(("range", "stop"),)),
            ColumnRule("f", "number", unique=True, severities=(("unique", "warn"),)),
        ),
        keys=(UniqueKey(("i", "s")), UniqueKey(("f", "at"), "stop")),
        references=(ForeignKey(("s",), "shops", ("code",), "warn"), ForeignKey(("s", "i"), "shops", ("code", "no"))),
        conditions=(RowRule("small", "n < i", "reject"), RowRule("told", "s = 'a' OR n <> 0", "warn")),
        freshness=(Freshness("at", timedelta(days=2)),),
        statistics=(
            Statistic("rows", "rows", Limits(minimum=4)),
            Statistic("mean n", "mean", Limits(minimum=-1, maximum=1), ("n",), severity="warn"),
            Statistic("std n", "std", Limits(below=2), ("n",)),
            Statistic("median", "quantile", Limits(above=-1, below=2), ("n",), at=0.5),
            Statistic("some", "null_percent", Limits(maximum=20), ("i",)),
            Statistic("a's", "value_percent", Limits(minimum=50), ("s",), value="a"),
            Statistic("together", "correlation", Limits(minimum=0), ("n", "i")),
        ),
        queries=(
            QueryRule("sum", "SELECT sum(n) FROM {object}", Limits(minimum=-10, maximum=10)),
            QueryRule("no x", "SELECT s, n FROM data WHERE s = 'x' ORDER BY n"),
            QueryRule("known", "SELECT count(*) FROM data JOIN shops ON s = code", Limits(minimum=1), "warn"),
        ),
    )


ROWS = st.tuples(
    st.sampled_from([None, "0", "-5", "5", "1.5", "-2.25", "1e3", "nan", "inf", "one"]) | st.floats(-3, 3).map(str),
    st.sampled_from([None, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9]),
    st.sampled_from([None, "a", "b", "abc", "x", "", "A", "abcd"]),
    st.sampled_from([None, *(datetime(2024, 1, day) for day in (1, 7, 8, 9)), datetime(2024, 2, 1)]),
    st.sampled_from([None, 0.0, -0.0, 1.5, float("nan"), 2.5, 3.5]),
)
SCHEMA = {"n": pl.String, "i": pl.Int64, "s": pl.String, "at": pl.Datetime("us"), "f": pl.Float64}


def told(reports: list[ContractReport], breaches: tuple[Breach, ...]) -> dict[str, Any]:
    """Everything a check says, of several batches together."""

    def summed(field: str) -> dict[str, int]:
        names = sorted({name for report in reports for name in getattr(report, field)})
        return {name: sum(getattr(report, field).get(name, 0) for report in reports) for name in names}

    return {
        "good": pl.concat([report.good for report in reports]),
        "quarantined": pl.concat([report.quarantined for report in reports]),
        "rejected": pl.concat([report.rejected for report in reports]).to_list(),
        "failures": summed("failures"),
        "warnings": summed("warnings"),
        "stopped": sorted({rule for report in reports for rule in report.stopped}),
        "breaches": breaches,
    }


def assert_same(one: dict[str, Any], other: dict[str, Any]) -> None:
    for name in ("good", "quarantined"):
        assert one[name].equals(other[name]), name
        assert one[name].schema == other[name].schema
    for name in ("rejected", "failures", "warnings", "stopped", "breaches"):
        assert one[name] == other[name], name


@settings(max_examples=50)
@given(st.lists(ROWS, max_size=25), st.lists(st.integers(0, 25), max_size=4), st.integers(2, 9))
@example([("1", 1, "a", datetime(2024, 1, 9), 1.0), ("1", 1, "a", datetime(2024, 1, 9), 1.0)], [1], 2)
def test_any_cutting_gives_the_same(rows: list[Any], cuts: list[int], block: int) -> None:
    frame = pl.DataFrame(rows, schema=SCHEMA, orient="row").with_columns(pl.int_range(pl.len(), dtype=pl.Int64).alias("_line"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(measures, "BLOCK", block)  # so that few rows are many blocks
        whole = Checker(every_kind(), references=TABLES, now=NOW)
        one = told([whole.batch(frame)], whole.finish())
        checker = Checker(every_kind(), references=TABLES, now=NOW)
        edges = [0, *sorted(min(cut, frame.height) for cut in cuts), frame.height]
        reports = [checker.batch(frame.slice(start, end - start)) for start, end in pairwise(edges)]
        many = told(reports, checker.finish())
    assert_same(one, many)
    assert one["good"].height + one["quarantined"].height == frame.height
    assert sorted([*one["good"]["_line"], *one["quarantined"]["_line"]]) == list(range(frame.height))
    assert sum(one["failures"].values()) == one["quarantined"]["_rules"].list.len().sum()


@settings(max_examples=30)
@given(st.lists(ROWS, max_size=25))
def test_the_good_rows_are_those_a_person_would_find(rows: list[Any]) -> None:
    """Row by row in plain Python, for the rules that keep rows out."""
    frame = pl.DataFrame(rows, schema=SCHEMA, orient="row")
    report = check(frame, every_kind(), references=TABLES, now=NOW)
    seen: dict[str, set[Any]] = {"i": set(), "s": set(), "is": set(), "fat": set()}
    kept = []
    for at, (text, i, s, when, told_f) in enumerate(rows):
        number = float("nan") if text in (None, "one") else float(text)
        f = None if told_f is None or np.isnan(told_f) else told_f
        n = number if np.isfinite(number) else None
        bad = n is None or (i is not None and (i <= 0 or i in seen["i"] or n >= i)) or (when is not None and when > datetime(2024, 1, 31))
        bad = bad or (s is not None and (s not in ("a", "b", "abc", "x") or s in seen["s"]))
        keys = {"i": i, "s": s, "is": None if None in (i, s) else (i, s), "fat": None if None in (f, when) else (f, when)}
        bad = bad or any(key is not None and key in seen[name] for name, key in keys.items())
        bad = bad or (None not in (i, s) and (s, i) not in {("a", 1), ("b", 2)})
        for name, key in keys.items():
            seen[name] |= {key} - {None}
        if not bad:
            kept.append(at)
    assert report.good.height == len(kept)
    assert report.good["i"].to_list() == [rows[at][1] for at in kept]
    assert report.good["s"].to_list() == [rows[at][2] for at in kept]


@settings(max_examples=100)
@given(
    st.lists(st.lists(st.integers(0, 40) | st.none(), max_size=30), min_size=1, max_size=8),
    st.sampled_from(["int", "text", "pair", "float"]),
)
def test_repeats_are_those_of_a_set(batches: list[list[int | None]], kind: str) -> None:
    from homeostat.dataops.seen import Seen

    seen, known = Seen(), set()
    for batch in batches:
        series = pl.Series("k", batch, dtype=pl.Int64)
        keys = {
            "int": series.to_frame(),
            "text": (series.cast(pl.String) + "é").to_frame(),
            "pair": pl.DataFrame(
                {"k": series, "j": pl.Series([None if value is None else str(value % 2) for value in batch], dtype=pl.String)}
            ),
            "float": (series.cast(pl.Float64) / 3).to_frame(),
        }[kind]
        expected = []
        for row in keys.rows():
            expected.append(row in known and None not in row)
            known |= {row}
        found = seen.repeated(keys)
        assert (found.to_list() if found is not None else [False] * keys.height) == expected


def test_a_severity_decides_what_becomes_of_the_row() -> None:
    columns = tuple(
        ColumnRule(name, "integer", maximum=0, severities=(("range", severity),))  # type: ignore[arg-type]
        for name, severity in (("a", "warn"), ("b", "reject"), ("c", "quarantine"), ("d", "stop"))
    )
    frame = pl.DataFrame({name: [int(row == place) for row in range(5)] for place, name in enumerate("abcd")})
    report = check(frame, Contract("c", "1", columns))
    assert report.good.rows() == [(1, 0, 0, 0), (0, 0, 0, 0)]
    assert report.warnings == {"a.range": 1}
    assert report.failures == {"b.range": 1, "c.range": 1, "d.range": 1}
    assert report.severities == {"b.range": "reject", "c.range": "quarantine", "d.range": "stop"}
    assert report.rejected.to_list() == [True, False, False]
    assert report.stopped == ("d.range",)
    fine = check(frame.clear(), Contract("c", "1", columns))
    assert (fine.stopped, fine.rejected.to_list(), fine.breaches) == ((), [], ())


def test_reasons_of_rules_on_rows_name_every_value() -> None:
    contract = Contract(
        "c",
        "1",
        (ColumnRule("a", "integer"), ColumnRule("b", "string")),
        keys=(UniqueKey(("a", "b")),),
        references=(ForeignKey(("b",), "shops", ("code",)),),
        conditions=(RowRule("positive", "a > 0 OR b = 'b'"),),
    )
    report = check(pl.DataFrame({"a": [1, 1, -1, 5], "b": ["a", "a", "z", None]}), contract, references=TABLES)
    assert report.quarantined["_reasons"].to_list() == [
        "a+b.unique: got a 1, b 'a', allowed: a combination not seen before",
        "b: got 'z', allowed: a value of code in shops; positive: got a -1, b 'z', allowed: a > 0 OR b = 'b'",
    ]
    assert report.good.rows() == [(1, "a"), (5, None)]


@pytest.mark.parametrize(
    ("rule", "values", "good"),
    [
        (ColumnRule("x", "number", above=0, below=1), [0.0, 0.5, 1.0, None, float("nan")], [0.5, None, None]),
        (ColumnRule("x", "integer", above=0, maximum=2), [0, 1, 2, 3], [1, 2]),
        (ColumnRule("x", "date", above="2024-01-01"), ["2024-01-01", "2024-01-02"], [datetime(2024, 1, 2).date()]),
        (ColumnRule("x", "string", shortest=2, longest=3), ["a", "äb", "abc", "abcd", None], ["äb", "abc", None]),
        (ColumnRule("x", "string", pattern="b$"), ["ab", "ba", None], ["ab", None]),
        (ColumnRule("x", "string", unique=True), ["a", "b", "a", None, None, "b"], ["a", "b", None, None]),
        (ColumnRule("x", "number", unique=True), [0.0, -0.0, 1.0], [0.0, 1.0]),
        (ColumnRule("x", "boolean", unique=True), [True, True, False], [True, False]),
        (ColumnRule("x", "number"), [1.0, 1e308, 1e308, -1.0], [1.0, 1e308, 1e308, -1.0]),  # a sum that overflows hides nothing
    ],
)
def test_what_a_column_rule_means(rule: ColumnRule, values: list[Any], good: list[Any]) -> None:
    assert check(pl.DataFrame({"x": values}), Contract("c", "1", (rule,))).good["x"].to_list() == good


def test_a_column_of_its_type_is_not_copied() -> None:
    frame = pl.DataFrame({"a": [1.0, 2.0], "b": ["x", "y"], "c": [1, 2]})
    contract = Contract(
        "c", "1", (ColumnRule("a", "number", maximum=9), ColumnRule("b", "string", required=True), ColumnRule("c", "integer"))
    )
    good = check(frame, contract).good
    for name in ("a", "c"):
        assert good[name].to_numpy().ctypes.data == frame[name].to_numpy().ctypes.data


def _breach(rule: Statistic | QueryRule | Freshness, frame: pl.DataFrame, now: datetime | None = None) -> Breach | None:
    kinds = {pl.Float64: "number", pl.Int64: "integer", pl.String: "string", pl.Datetime("us"): "timestamp", pl.Date: "date"}
    columns = tuple(ColumnRule(name, kinds[dtype]) for name, dtype in frame.schema.items())  # type: ignore[index,arg-type]
    field = {Statistic: "statistics", QueryRule: "queries", Freshness: "freshness"}[type(rule)]
    breaches = check(frame, Contract("orders", "1", columns, **{field: (rule,)}), references=TABLES, now=now).breaches  # type: ignore[arg-type]
    assert len(breaches) <= 1
    return breaches[0] if breaches else None


X = pl.DataFrame({"x": [1.0, 2.0, 4.0, None], "y": [2.0, 1.0, 5.0, 7.0], "s": ["a", "a", "b", None], "k": [7, 7, 7, 7]})
NUMBERS = {
    "rows": ((), {}, 4.0),
    "nulls": (("x",), {}, 1.0),
    "null_percent": (("x",), {}, 25.0),
    "value_percent": (("s",), {"value": "a"}, 200 / 3),
    "mean": (("x",), {}, 7 / 3),
    "std": (("x",), {}, float(np.std([1, 2, 4], ddof=1))),
    "correlation": (("x", "y"), {}, float(np.corrcoef([1, 2, 4], [2, 1, 5])[0, 1])),
}


@pytest.mark.parametrize("measure", NUMBERS)
def test_a_statistic_is_the_number_it_says(measure: Any) -> None:
    columns, more, value = NUMBERS[measure]
    around = Limits(minimum=value - 1e-9, maximum=value + 1e-9)
    assert _breach(Statistic("r", measure, around, columns, **more), X) is None  # type: ignore[arg-type]
    breach = _breach(Statistic("r", measure, Limits(above=value + 1e-6), columns, severity="warn", **more), X)  # type: ignore[arg-type]
    assert breach is not None
    assert breach.value == pytest.approx(value, abs=1e-12)
    assert (breach.rule, breach.severity, breach.limit) == ("r", "warn", f"above {value + 1e-6}")


@pytest.mark.parametrize("measure", ["mean", "std", "quantile", "null_percent", "value_percent", "correlation"])
def test_what_cannot_be_measured_does_not_hold(measure: Any) -> None:
    columns = ("x", "y") if measure == "correlation" else ("s",) if measure == "value_percent" else ("x",)
    more: Any = {"quantile": {"at": 0.5}, "value_percent": {"value": "a"}}.get(measure, {})
    breach = _breach(Statistic("r", measure, Limits(minimum=-1e9, maximum=1e9), columns, **more), X.clear())
    assert breach is not None
    assert breach.value is None
    assert "nothing to measure" in breach.message


def test_a_constant_has_no_correlation() -> None:
    frame = X.with_columns(pl.lit(0.1).alias("x"))
    breach = _breach(Statistic("r", "correlation", Limits(minimum=-1, maximum=1), ("x", "y")), frame)
    assert breach is not None
    assert breach.value is None


@settings(max_examples=150)
@given(
    st.lists(st.integers(0, 9), min_size=1, max_size=20),
    st.floats(0.001, 1),
    st.sampled_from(["minimum", "maximum", "above", "below"]),
    st.integers(-1, 10),
)
def test_a_quantile_is_that_of_numpy(values: list[int], at: float, name: str, bound: int) -> None:
    quantile = float(np.quantile(values, at, method="inverted_cdf"))
    limits = Limits(**{name: bound})
    breach = _breach(Statistic("r", "quantile", limits, ("x",), at=at), pl.DataFrame({"x": [float(v) for v in values]}))
    assert (breach is None) is limits.hold(quantile)


@settings(max_examples=30)
@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=60), st.integers(2, 20))
def test_moments_are_those_of_numpy(values: list[float], block: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(measures, "BLOCK", block)
        for measure, value in (("mean", np.mean(values)), ("std", np.std(values, ddof=1))):
            close = 1e-9 * max(1.0, float(np.max(np.abs(values))))
            rule = Statistic("r", measure, Limits(minimum=float(value) - close, maximum=float(value) + close), ("x",))  # type: ignore[arg-type]
            assert _breach(rule, pl.DataFrame({"x": values})) is None


def test_freshness_is_the_age_of_the_newest_value() -> None:
    frame = pl.DataFrame({"at": [datetime(2024, 1, 1), datetime(2024, 1, 5), None]})
    rule = Freshness("at", timedelta(days=1))
    assert _breach(rule, frame, datetime(2024, 1, 6)) is None
    assert _breach(rule, frame, datetime(2024, 1, 6, 2, tzinfo=timezone(timedelta(hours=2)))) is None
    assert _breach(rule, frame, datetime(2024, 1, 1)) is None  # from the future: not old
    breach = _breach(rule, frame, datetime(2024, 1, 6, 0, 0, 1, tzinfo=UTC))
    assert breach == Breach(
        "at.fresh",
        "stop",
        "at.fresh: newest at: got 2024-01-05T00:00:00, allowed: at most 1d old at 2024-01-06T00:00:01",
        "2024-01-05T00:00:00",
        "at most 1d old at 2024-01-06T00:00:01",
    )
    empty = _breach(rule, frame.clear(), datetime(2024, 1, 6))
    assert empty is not None
    assert empty.value is None
    assert _breach(Freshness("at", timedelta(days=5)), frame.with_columns(pl.col("at").dt.date()), datetime(2024, 1, 6)) is None
    with pytest.raises(ValueError, match="what time it is"):
        _breach(rule, frame)


@pytest.mark.parametrize(
    ("select", "limits", "message"),
    [
        ("SELECT count(*) FROM orders WHERE k = 7", Limits(minimum=4, maximum=4), None),
        ("SELECT count(*) FROM ${table}", Limits(above=4), "got 4, allowed: above 4"),
        ("SELECT sum(k) FROM {object} WHERE k < 0", Limits(minimum=0), "got no value, allowed: at least 0"),
        ("SELECT k FROM data", Limits(minimum=0), "got more than one row"),
        ("SELECT max(x) < 3 FROM data", Limits(minimum=1, maximum=1), "got False, allowed: 1"),
        ("SELECT x FROM data WHERE x > 1", None, "got 2 rows (2.0, 4.0), allowed: none"),
        ("SELECT * FROM data", None, "got 4 rows ((1.0, 2.0, 'a', 7), "),
        ("SELECT x FROM data WHERE x > 4", None, None),
        (
            "WITH t AS (SELECT s FROM data) SELECT count(*) FROM t LEFT JOIN Shops ON s = code WHERE code IS NULL;",
            Limits(maximum=0),
            "got 1,",
        ),
    ],
)
def test_a_query_must_give_what_is_agreed(select: str, limits: Limits | None, message: str | None) -> None:
    breach = _breach(QueryRule("q", select, limits), X)
    if message is None:
        assert breach is None
    else:
        assert breach is not None
        assert message in breach.message


def test_rules_on_the_whole_look_at_what_is_taken_in() -> None:
    contract = Contract(
        "c",
        "1",
        (ColumnRule("x", "number", maximum=9),),
        statistics=(Statistic("rows", "rows", Limits(minimum=2)), Statistic("mean", "mean", Limits(maximum=2), ("x",))),
        queries=(QueryRule("most", "SELECT max(x) FROM data", Limits(maximum=3)),),
    )
    assert check(pl.DataFrame({"x": ["1", "3", "1000", "x"]}), contract).breaches == ()
    assert [b.rule for b in check(pl.DataFrame({"x": ["1", "1000"]}), contract).breaches] == ["rows"]


def test_a_table_that_is_not_given_is_asked_for() -> None:
    for contract, tables, code, words in (
        (
            Contract("c", "1", (ColumnRule("s", "string"),), references=(ForeignKey(("s",), "shops", ("code",)),)),
            {},
            "HS211",
            "'shops'; given are: none",
        ),
        (
            Contract("c", "1", (ColumnRule("s", "string"),), references=(ForeignKey(("s",), "shops", ("name",)),)),
            TABLES,
            "HS203",
            "missing: name",
        ),
        (
            Contract("c", "1", (ColumnRule("s", "string"),), queries=(QueryRule("q", "SELECT count(*) FROM other", Limits(maximum=1)),)),
            TABLES,
            "HS211",
            "'other'; given are: shops",
        ),
    ):
        with pytest.raises(DataError, match=words) as caught:
            Checker(contract, references=tables)
        assert caught.value.code == code


def test_sql_that_fails_on_a_row_says_so() -> None:
    columns = (ColumnRule("s", "string"),)
    frame = pl.DataFrame({"s": ["1", "x"]})
    checker = Checker(Contract("c", "1", columns, conditions=(RowRule("int", "CAST(s AS INT) > 0"),)))
    with pytest.raises(DataError, match="HS212") as caught:
        checker.batch(frame)
    assert "'int'" in caught.value.place
    checker = Checker(Contract("c", "1", columns, queries=(QueryRule("int", "SELECT sum(CAST(s AS INT)) FROM data", Limits(minimum=0)),)))
    checker.batch(frame)
    with pytest.raises(DataError, match="HS212"):
        checker.finish()


def test_what_queries_keep_may_lie_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sql, "IN_MEMORY", "16MiB")
    columns = tuple(ColumnRule(name, "number") for name in "abcd")
    rule = QueryRule("q", "SELECT sum(a + b + c + d) FROM data", Limits(maximum=0))
    checker = Checker(Contract("c", "1", columns, queries=(rule,)), spill=tmp_path / "spill")
    random, total = np.random.default_rng(0), 0.0
    for _ in range(8):
        part = pl.DataFrame({name: random.random(150_000) for name in "abcd"})
        total += sum(part[name].sum() for name in "abcd")
        checker.batch(part)
    assert sum(path.stat().st_size for path in (tmp_path / "spill").rglob("*")) > 2**20
    (breach,) = checker.finish()
    assert breach.value == pytest.approx(total)
