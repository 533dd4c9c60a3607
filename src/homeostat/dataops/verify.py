"""Whether a contract can be kept: each rule fits its column's type, names columns that there are, and its SQL is right."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any, get_args

from homeostat.core.durations import LONGEST
from homeostat.core.records import Severity
from homeostat.dataops.rules import CHECKS, MEASURES, ForeignKey, Freshness, Limits, QueryRule, Statistic, UniqueKey
from homeostat.dataops.sql import query_problems, row_flag
from homeostat.errors import DataError

if TYPE_CHECKING:
    import polars as pl

    from homeostat.core.casts import LogicalType
    from homeostat.dataops.rules import Bound, ColumnRule, Contract, TableRule

SEVERITIES: tuple[str, ...] = get_args(Severity)
_NUMBERS = ("number", "integer")
_TIMES = ("date", "timestamp")
_WIDTH = {"rows": 0, "correlation": 2}


def verify(contract: Contract, place: str, references: Mapping[str, pl.DataFrame] | None = None) -> None:
    """Refuse a contract that contradicts itself, before any row is looked at.

    Args:
        contract: the contract.
        place: what errors call it, such as its file name.
        references: the other tables that queries may read; None when they are not known yet.

    Raises:
        DataError: HS206, with the rule, what was got and what is allowed; HS211, a query reads a table that was not given.
    """
    for rule, problem in _problems(contract, references):
        raise DataError("HS206", problem, place=f"{place}: rule {rule!r}", next_step="mend the contract")


def _problems(contract: Contract, references: Mapping[str, pl.DataFrame] | None) -> Iterator[tuple[str, str]]:
    columns = {column.name: column for column in contract.columns}
    for name in (contract.table_name, *columns):
        if not name or "\0" in name:
            yield name, f"got the name {name!r}; a text without the character NUL is allowed"  # Arrow ends a name there
    for column in contract.columns:
        yield from ((column.name, problem) for problem in _column(column))
    names = [f"{column.name}.{check}" for column in contract.columns for check in CHECKS]
    for rule in contract.table_rules():
        yield from ((rule.name, problem) for problem in _table_rule(rule, columns))
        if rule.name in names:
            yield rule.name, f"got the name {rule.name!r} a second time; each rule is allowed once, with a name of its own"
        names.append(rule.name)
    for condition in contract.conditions:
        try:
            row_flag(condition, contract)
        except ValueError as error:
            yield condition.name, str(error)
    yield from _queries(contract, references)


def _table_rule(rule: TableRule, columns: Mapping[str, ColumnRule]) -> Iterator[str]:
    if not rule.name:
        yield "got a rule without a name; a text is allowed"
    if rule.severity not in SEVERITIES:
        yield f"got the severity {rule.severity!r}; allowed: {', '.join(SEVERITIES)}"
    unknown = [name for name in _named(rule) if name not in columns]
    if unknown:
        yield f"got the column {unknown[0]!r}; the columns are {', '.join(columns)}"
    elif isinstance(rule, UniqueKey | ForeignKey):
        yield from _key(rule)
    elif isinstance(rule, Freshness):
        yield from _fresh(rule, columns[rule.column])
    elif isinstance(rule, Statistic):
        yield from _statistic(rule, columns)
    elif isinstance(rule, QueryRule) and rule.limits is not None:
        yield from _limits(rule.limits)


def _queries(contract: Contract, references: Mapping[str, pl.DataFrame] | None) -> Iterator[tuple[str, str]]:
    folded = [column.name.lower() for column in contract.columns]
    twice = next((column.name for i, column in enumerate(contract.columns) if column.name.lower() in folded[:i]), None)
    if contract.queries and twice:
        problem = f"got a query over columns whose names differ only in capitals ({twice!r}); SQL cannot tell them apart"
        yield contract.queries[0].name, problem
    yield from query_problems(contract, references)


def _named(rule: TableRule) -> tuple[str, ...]:
    """The columns of the delivery that a rule names, outside SQL."""
    if isinstance(rule, Freshness):
        return (rule.column,)
    return rule.columns if isinstance(rule, UniqueKey | ForeignKey | Statistic) else ()


def _column(column: ColumnRule) -> Iterator[str]:
    for check, severity in column.severities:
        if check not in CHECKS or severity not in SEVERITIES:
            yield f"got the severity {check}: {severity}; allowed are {', '.join(SEVERITIES)} for {', '.join(CHECKS)}"
        if check == "type" and severity == "warn":
            yield "got the severity type: warn; what cannot be read has no place in the table: reject, quarantine or stop is allowed"
    for field, bound in column.bounds:
        problem = bound_problem(bound, column.kind)
        if problem:
            yield f"{field}: {problem}"
            return
    if empty(column):
        told = ", ".join(f"{field} {bound}" for field, bound in column.bounds)
        yield f"got {told}, which no value meets; minimum <= maximum is allowed"
    texts = [name for name in ("shortest", "longest", "pattern") if getattr(column, name) is not None]
    if texts and column.kind != "string":
        yield f"got {texts[0]} for a {column.kind} column; only a string column has lengths and patterns"
    elif column.shortest is not None and column.longest is not None and column.shortest > column.longest:
        yield f"got a shortest length of {column.shortest} and a longest of {column.longest}; shortest <= longest is allowed"
    elif column.pattern is not None:
        yield from _pattern(column.pattern)
    for text in column.allowed or ():
        if not fits(text, column.kind):
            yield f"got {text!r} among the allowed values; each must be a {column.kind}"


def _pattern(pattern: str) -> Iterator[str]:
    import polars as pl

    try:
        pl.Series([""]).str.contains(pattern)
    except pl.exceptions.ComputeError as error:
        reason = " ".join(line.strip() for line in str(error).splitlines()[-1:])
        yield f"got the pattern {pattern!r} ({reason}); a regular expression without look-around and back-references is allowed"


def _key(key: UniqueKey | ForeignKey) -> Iterator[str]:
    fewest = 2 if isinstance(key, UniqueKey) else 1
    if len(key.columns) < fewest or len(set(key.columns)) < len(key.columns):
        yield f"got the columns {', '.join(key.columns) or 'none'}; at least {fewest}, each once, are allowed"
    if not isinstance(key, UniqueKey) and len(key.to) != len(key.columns):
        yield f"got {len(key.columns)} columns and {len(key.to)} in {key.table}; as many on both sides are allowed"


def _fresh(rule: Freshness, column: ColumnRule) -> Iterator[str]:
    if column.kind not in _TIMES:
        yield f"got the {column.kind} column {column.name!r}; a date or timestamp column is allowed"
    if not timedelta(0) <= rule.within <= LONGEST:
        yield f"got {rule.within}; 0 to a hundred years is allowed"


def _statistic(rule: Statistic, columns: Mapping[str, ColumnRule]) -> Iterator[str]:
    if rule.measure not in MEASURES:
        yield f"got the measure {rule.measure!r}; allowed: {', '.join(MEASURES)}"
    width = _WIDTH.get(rule.measure, 1)
    if len(rule.columns) != width:
        yield f"got {len(rule.columns)} columns; {rule.measure} is measured on {width}"
    wrong = [name for name in rule.columns if columns[name].kind not in _NUMBERS]
    if wrong and rule.measure in ("mean", "std", "quantile", "correlation"):
        yield f"got the {columns[wrong[0]].kind} column {wrong[0]!r}; {rule.measure} needs numbers"
    if (rule.at is not None) is not (rule.measure == "quantile") or not 0 < (rule.at or 1) <= 1:
        yield f"got at {rule.at}; a quantile needs a share above 0 and at most 1, nothing else has one"
    if (rule.value is not None) is not (rule.measure == "value_percent"):
        yield f"got the value {rule.value!r}; value_percent needs one, nothing else has one"
    elif rule.value is not None and not fits(rule.value, columns[rule.columns[0]].kind):
        yield f"got the value {rule.value!r}; a {columns[rule.columns[0]].kind} is allowed"
    yield from _limits(rule.limits)


def _limits(limits: Limits) -> Iterator[str]:
    told = [bound for bound in (limits.minimum, limits.maximum, limits.above, limits.below) if bound is not None]
    if not told or not all(math.isfinite(bound) for bound in told):
        yield f"got the limits {limits.words() or 'none'}; at least one finite number is allowed"
    lows, highs = [b for b in (limits.minimum, limits.above) if b is not None], [b for b in (limits.maximum, limits.below) if b is not None]
    strict = limits.above is not None or limits.below is not None
    if lows and highs and (max(lows) > min(highs) or (max(lows) == min(highs) and strict)):
        yield f"got {limits.words()}, which no number meets"


def bound_problem(value: Any, kind: LogicalType) -> str:
    """What is wrong with a limit for values of a kind; nothing when it is right."""
    if kind in _NUMBERS:
        right = not isinstance(value, bool) and isinstance(value, int | float) and abs(value) < 2**63
        return "" if right else f"got {shown(value)}; a number between -2^63 and 2^63 is allowed"
    if kind not in _TIMES:
        return f"got {shown(value)}; a {kind} column has no order, so no limits are allowed"
    example = '"2024-01-31"' if kind == "date" else '"2024-01-31T18:00:00"'
    return "" if is_moment(value, kind) else f"got {shown(value)}; ISO 8601 text is allowed, such as {example}"


def is_moment(text: Any, kind: LogicalType) -> bool:
    """Whether a text names a date, or a timestamp without a zone."""
    try:
        if kind == "date":
            date.fromisoformat(text)
            return True
        return datetime.fromisoformat(text).tzinfo is None
    except (TypeError, ValueError):
        return False


def fits(text: str, kind: LogicalType) -> bool:
    """Whether a text names a value of the kind."""
    try:
        if kind == "number":
            return math.isfinite(float(text))
        if kind == "integer":
            return -(2**63) <= int(text) < 2**63
    except ValueError:
        return False
    if kind == "boolean":
        return text in ("true", "false")
    return kind == "string" or (kind == "date" and is_moment(text, kind))


def empty(column: ColumnRule) -> bool:
    """Whether no value can meet the limits."""
    low = [_order(bound) for bound in (column.minimum, column.above) if bound is not None]
    high = [_order(bound) for bound in (column.maximum, column.below) if bound is not None]
    strict = column.above is not None or column.below is not None
    return bool(low and high) and (max(low) > min(high) or (strict and max(low) == min(high)))


def _order(bound: Bound) -> Any:
    return datetime.fromisoformat(bound) if isinstance(bound, str) else bound


def shown(value: Any) -> str:
    """A value for a message, short."""
    return "nothing" if value is None else repr(value)[:80]
