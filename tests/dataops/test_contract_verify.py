"""A contract that cannot be kept is refused before any row is read: the rule, what was got, what is allowed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import polars as pl
import pytest

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
    dump_contract,
    parse_contract,
)
from homeostat.errors import DataError

COLUMNS = (ColumnRule("n", "number"), ColumnRule("s", "string"), ColumnRule("at", "timestamp"))
ONE = Limits(minimum=1)


def _row(sql: str) -> dict[str, Any]:
    return {"conditions": (RowRule("rule", sql),)}


def _query(sql: str, limits: Limits | None = ONE) -> dict[str, Any]:
    return {"queries": (QueryRule("rule", sql, limits),)}


def _statistic(**fields: Any) -> dict[str, Any]:
    return {"statistics": (Statistic(**({"name": "rule", "measure": "mean", "limits": ONE, "columns": ("n",)} | fields)),)}


WRONG: list[tuple[dict[str, Any], str]] = [
    (_row("n >"), "got 'n >'"),
    (_row("nope > 1"), 'unable to find column "nope"; valid columns: ["n", "s", "at"]'),
    (_row("nope > 1"), "the columns are n, s, at"),
    (_row("n + 1"), "not true or false for each row"),
    (_row("1 = 1"), "not true or false for each row"),
    (_row("n > AVG(n)"), "other rows than its own (Agg)"),
    (_row("n > COUNT(*)"), "other rows than its own (Len)"),
    (_row("LAG(n) OVER (ORDER BY n) < n"), "other rows than its own (Over)"),
    (_row("n < 2; DROP TABLE x"), "got 'n < 2; DROP TABLE x'"),
    (_row("at > '2024-01-01'"), "cannot compare"),
    (_query("SELECT"), "SELECT clause without selection list"),
    (_query("SELECT avg(nope) FROM data"), 'Referenced column "nope" not found'),
    (_query("SELECT avg(nope) FROM data"), "the columns are n, s, at"),
    (_query("SELECT 1; SELECT 2"), "got 2 statements; one SELECT"),
    (_query("DROP TABLE data"), "Only SELECT"),
    (_query("SELECT s FROM data"), "gives VARCHAR; a SELECT of one number"),
    (_query("SELECT n, n FROM data"), "gives DOUBLE, DOUBLE"),
    (_query("SELECT count(*) FROM read_csv('/etc/hostname')"), "reads read_csv(); allowed: data and the names in data.tables"),
    (_query("SELECT count(*) FROM information_schema.tables"), "reads the table information_schema.tables"),
    (_query('SELECT * FROM data WHERE "at" > NOW()'), "reads now(); its value changes from run to run"),
    (_query('SELECT * FROM data WHERE "at"::DATE > current_date'), "reads current_date; its value"),
    (_query("SELECT count(*) FROM data WHERE random() < 0.5", Limits(minimum=1)), "reads random(); its value"),
    (_query("SELECT * FROM data, other WHERE uuid() = s"), "reads uuid(); its value"),
    (_query("SELECT count(*) FROM data USING SAMPLE 10", Limits(minimum=1)), "reads a sample; its value"),
    (_row("at < NOW()"), "reads the clock (NOW)"),
    (_row("at < current_date"), "reads the clock (current_date)"),
    (_row("n = (SELECT 1)"), "other rows than its own (SubPlan)"),
    (_row("n > ANY(SELECT 1)"), "other rows than its own"),
    (_row("n > 1; DROP TABLE data"), "is no SQL expression over a row"),
    (_row("read_csv('/etc/hostname') = s"), "is no SQL expression over a row"),
    (_query("SELECT 1", Limits()), "got the limits none"),
    (_query("SELECT 1", Limits(minimum=2, maximum=1)), "which no number meets"),
    (_query("SELECT 1", Limits(above=1, below=1)), "which no number meets"),
    (_statistic(measure="median"), "'median'; allowed: rows, nulls"),
    (_statistic(columns=()), "got 0 columns; mean is measured on 1"),
    (_statistic(columns=("s",)), "the string column 's'; mean needs numbers"),
    (_statistic(columns=("x",)), "the column 'x'; the columns are n, s, at"),
    (_statistic(at=0.5), "got at 0.5; a quantile needs"),
    (_statistic(measure="quantile"), "got at None; a quantile needs"),
    (_statistic(measure="quantile", at=1.5), "got at 1.5"),
    (_statistic(measure="value_percent"), "got the value None"),
    (_statistic(measure="value_percent", value="x"), "got the value 'x'; a number"),
    (_statistic(name=""), "a rule without a name"),
    (_statistic(name="n.range"), "got the name 'n.range' a second time"),
    (_statistic(severity="loud"), "'loud'; allowed: warn, reject, quarantine, stop"),
    (_statistic(limits=Limits(minimum=float("nan"))), "at least one finite number"),
    ({"keys": (UniqueKey(("n",)),)}, "got the columns n; at least 2"),
    ({"keys": (UniqueKey(("n", "n")),)}, "got the columns n, n; at least 2, each once"),
    ({"keys": (UniqueKey(("n", "x")),)}, "the column 'x'"),
    ({"keys": (UniqueKey(("n", "s")), UniqueKey(("n", "s"), "stop"))}, "a second time"),
    ({"references": (ForeignKey(("n",), "t", ("a", "b")),)}, "1 columns and 2 in t"),
    ({"freshness": (Freshness("n", timedelta(1)),)}, "the number column 'n'; a date or timestamp"),
    ({"freshness": (Freshness("at", timedelta(-1)),)}, "0 to a hundred years"),
    ({"columns": (ColumnRule("n", "string", minimum=1),)}, "no limits are allowed"),
    ({"columns": (ColumnRule("n", "number", minimum=1, below=1),)}, "minimum 1, below 1, which no value meets"),
    ({"columns": (ColumnRule("n", "number", shortest=1),)}, "shortest for a number column"),
    ({"columns": (ColumnRule("n", "string", shortest=2, longest=1),)}, "a shortest length of 2 and a longest of 1"),
    ({"columns": (ColumnRule("n", "string", pattern="(?<=a)b"),)}, "without look-around"),
    ({"columns": (ColumnRule("n", "integer", allowed=("x",)),)}, "'x' among the allowed values; each must be a integer"),
    ({"columns": (ColumnRule("n", "number", severities=(("type", "warn"),)),)}, "type: warn"),
    ({"columns": (ColumnRule("n", "number", severities=(("tpye", "stop"),)),)}, "tpye: stop; allowed are"),
    ({"columns": (ColumnRule("n\0", "number"),)}, "without the character NUL"),
    ({"columns": (ColumnRule("n", "number"), ColumnRule("N", "number"))} | _query("SELECT 1"), "differ only in capitals"),
]


@pytest.mark.parametrize(("fields", "words"), WRONG)
def test_what_cannot_be_kept_is_refused(fields: dict[str, Any], words: str) -> None:
    contract = Contract(**({"name": "c", "version": "1", "columns": COLUMNS} | fields))
    with pytest.raises(DataError) as caught:
        Checker(contract)
    assert caught.value.code == "HS206"
    assert caught.value.place.startswith("contract 'c': rule ")
    assert words in caught.value.message
    assert "\n" not in caught.value.message


def test_wrong_sql_in_a_file_is_refused_with_the_file() -> None:
    text = dump_contract(Contract("c", "1", COLUMNS, conditions=(RowRule("sane", "n > 0"),)))
    with pytest.raises(DataError) as caught:
        parse_contract(text.replace("(n > 0)", "(m > 0)"), "c.yaml")
    assert caught.value.place == "c.yaml: rule 'sane'"
    assert "the columns are n, s, at" in caught.value.message


@pytest.mark.parametrize(
    ("sql", "good"),
    [
        ("n > 0", [1.0, None]),
        ("n BETWEEN -1 AND 0.5 OR s IN ('b', 'c')", [-1.0, None]),
        ("s LIKE 'a%'", [1.0, -1.0, None]),
        ("CASE WHEN s = 'ab' THEN n > 0 ELSE TRUE END", [1.0, -1.0, None]),
        ("COALESCE(n, 5) > 0 AND LENGTH(s) < 3", [1.0, None]),
        ("ABS(n) = 1 AND at >= DATE '2024-01-01'", [1.0, -1.0, None]),
        ("at < TIMESTAMP '2024-01-01 12:00:00'", [1.0, -1.0, None]),
        ("TRY_CAST(s AS INT) > 0", [1.0, -1.0, None]),
    ],
)
def test_what_a_condition_means(sql: str, good: list[float | None]) -> None:
    frame = pl.DataFrame({"n": [1.0, -1.0, None], "s": ["ab", "a", None], "at": ["2024-01-01"] * 3})
    assert check(frame, Contract("c", "1", COLUMNS, **_row(sql))).good["n"].to_list() == good


def test_a_condition_on_an_absent_column_is_not_broken() -> None:
    contract = Contract("c", "1", (ColumnRule("n", "number"), ColumnRule("m", "number", optional=True)), **_row("n < m"))
    assert check(pl.DataFrame({"n": [1.0]}), contract).good.rows() == [(1.0, None)]
