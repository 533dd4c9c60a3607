"""The quality rules of a contract document, of a property or of the table, as our rules; one that nothing here would check is refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, cast

from homeostat.core.quoting import quoted
from homeostat.core.targets import text_of
from homeostat.dataops.odcs import ENGINE, FORM, NO_ROWS, OPERATORS, ROW, count_query, row_query
from homeostat.dataops.rules import MEASURES, Limits, QueryRule, RowRule, Statistic, UniqueKey
from homeostat.dataops.verify import shown

if TYPE_CHECKING:
    from homeostat.core.records import Severity
    from homeostat.dataops.odcs_reader import Reader
    from homeostat.dataops.rules import Measure

_TEXTS = {"id", "name", "description", "tags", "customProperties", "authoritativeDefinitions", "dimension", "severity", "businessImpact"}
_TEXTS |= {"method", "scheduler", "schedule"}
_OPERATORS = {"mustBe", "mustBeBetween", *OPERATORS.values()}
_LIBRARY = _TEXTS | _OPERATORS | {"type", "metric", "rule", "arguments", "validValues", "unit"}
_SQL = _TEXTS | _OPERATORS | {"type", "query", "unit"}
_CUSTOM = _TEXTS | {"type", "engine", "implementation"}
_COLUMN_METRICS = "nullValues, duplicateValues, or invalidValues with the argument validValues or pattern"
_TABLE_METRICS = "rowCount, or duplicateValues with the argument properties"


@dataclass(slots=True)
class Quality:
    """What the entries say. ``checks`` are a column's own: ``required`` and ``unique`` as True, ``allowed`` and ``pattern`` as told."""

    checks: dict[str, Any] = field(default_factory=dict)
    severities: dict[str, Severity] = field(default_factory=dict)
    keys: list[UniqueKey] = field(default_factory=list)
    conditions: list[RowRule] = field(default_factory=list)
    statistics: list[Statistic] = field(default_factory=list)
    queries: list[QueryRule] = field(default_factory=list)


def read_quality(entries: Any, clause: str, reader: Reader, column: str = "") -> Quality:
    """The rules of a property (``column`` is its name) or of the table (it is empty). Text rules are for people only."""
    found = Quality()
    for i, entry in enumerate(reader.items(entries, clause, "rules")):
        place = f"{clause}[{i}]"
        kind = reader.one_of(reader.mapping(entry, place).get("type", "library"), ("library", "sql", "custom", "text"), f"{place}.type")
        if kind == "sql":
            _sql(entry, place, reader, column, found)
        elif kind == "custom":
            _custom(entry, place, reader, found)
        elif kind == "library" and column:
            _of_column(entry, place, reader, column, found)
        elif kind == "library":
            _of_table(entry, place, reader, found)
    return found


def _of_column(entry: Mapping[str, Any], place: str, reader: Reader, column: str, found: Quality) -> None:
    reader.known(entry, _LIBRARY, place)
    metric = entry.get("metric", entry.get("rule"))
    arguments = reader.mapping(entry.get("arguments") or {}, f"{place}.arguments")
    if metric == "validValues":  # v3.0: the rule itself, no comparison
        checks = {"allowed": entry.get("validValues", entry.get("mustBe"))}
    elif metric == "nullValues" and not _none(entry):
        measure: Measure = "null_percent" if entry.get("unit") == "percent" else "nulls"
        reader.one_of(entry.get("unit", "rows"), ("rows", "percent"), f"{place}.unit")
        name = str(entry.get("name") or f"{column}.{measure}")
        rule = Statistic(name, measure, _limits(entry, place, reader), (column,), severity=_severity(entry, place, reader, "stop"))
        return _add(found.statistics, rule, place, reader)
    elif metric == "nullValues":
        checks = {"required": True}
    elif metric in ("duplicateValues", "duplicateCount") and not arguments:
        checks = {"unique": True}
    elif metric == "invalidValues" and arguments and set(arguments) <= {"validValues", "pattern"}:
        names = {"validValues": "allowed", "pattern": "pattern"}
        checks = {names[name]: value for name, value in arguments.items()}
    else:
        reader.refuse(f"{place}.metric", f"got {shown(metric)}; allowed: {_COLUMN_METRICS}")
    if metric != "validValues" and not _none(entry):
        reader.refuse(f"{place}.mustBe", f"got {shown(entry.get('mustBe'))}; 0 is allowed: each bad row is quarantined")
    twice = [name for name in checks if name in found.checks]
    if twice:
        reader.refuse(place, f"got a second rule on {twice[0]} for {column!r}; one is allowed")
    found.checks |= checks
    found.severities |= dict.fromkeys(checks, _severity(entry, place, reader, "quarantine"))
    return None


def _none(entry: Mapping[str, Any]) -> bool:
    """Whether the entry allows no bad row at all."""
    told = {name: entry[name] for name in _OPERATORS if name in entry}
    return told == {"mustBe": 0} and not isinstance(told["mustBe"], bool)


def _of_table(entry: Mapping[str, Any], place: str, reader: Reader, found: Quality) -> None:
    reader.known(entry, _LIBRARY, place)
    metric = entry.get("metric", entry.get("rule"))
    if metric == "rowCount":
        name = str(entry.get("name") or "rows")
        rule = Statistic(name, "rows", _limits(entry, place, reader), severity=_severity(entry, place, reader, "stop"))
        return _add(found.statistics, rule, place, reader)
    arguments = reader.mapping(entry.get("arguments") or {}, f"{place}.arguments")
    if metric != "duplicateValues" or set(arguments) != {"properties"}:
        reader.refuse(f"{place}.metric", f"got {shown(metric)}; allowed: {_TABLE_METRICS}")
    if not _none(entry):
        reader.refuse(f"{place}.mustBe", f"got {shown(entry.get('mustBe'))}; 0 is allowed: each bad row is quarantined")
    columns = reader.names(arguments["properties"], f"{place}.arguments.properties")
    found.keys.append(UniqueKey(columns, _severity(entry, place, reader, "quarantine")))
    return None


def _sql(entry: Mapping[str, Any], place: str, reader: Reader, column: str, found: Quality) -> None:
    reader.known(entry, _SQL, place)
    query = reader.text(entry.get("query"), f"{place}.query")
    form = reader.custom(entry.get("customProperties"), f"{place}.customProperties").get(FORM)
    name = str(entry.get("name") or f"{column or 'table'}.{place.rsplit('.', 1)[-1]}")
    if form == ROW:
        sql = _inside(query, row_query("\0"), place, reader)
        found.conditions.append(RowRule(name, sql, _severity(entry, place, reader, "quarantine")))
        return
    severity = _severity(entry, place, reader, "stop")
    if form == NO_ROWS:
        found.queries.append(QueryRule(name, _inside(query, count_query("\0"), place, reader), None, severity))
        return
    if form is not None:
        reader.refuse(f"{place}.customProperties.{FORM}", f"got {shown(form)}; allowed: {ROW}, {NO_ROWS}")
    if column:
        for mark in ("${property}", "${column}", "{property}", "{column}"):
            query = query.replace(mark, quoted(column))
    _add(found.queries, QueryRule(name, query, _limits(entry, place, reader), severity), place, reader)


def _inside(query: str, form: str, place: str, reader: Reader) -> str:
    """What stands between the two ends of the form."""
    start, end = form.split("\0")
    if not query.startswith(start) or not query.endswith(end):
        reader.refuse(f"{place}.query", f"got {shown(query)}; allowed: {start}...{end}")
    return query[len(start) : len(query) - len(end)]


def _custom(entry: Mapping[str, Any], place: str, reader: Reader, found: Quality) -> None:
    reader.known(entry, _CUSTOM, place)
    reader.one_of(entry.get("engine"), (ENGINE,), f"{place}.engine")
    where = f"{place}.implementation"
    told = reader.known(entry.get("implementation"), {"measure", "columns", "at", "value", *OPERATORS}, where)
    measure = reader.one_of(told.get("measure"), MEASURES, f"{where}.measure")
    limits = Limits(**{name: reader.number(told[name], f"{where}.{name}") for name in OPERATORS if name in told})
    columns = reader.names(reader.items(told.get("columns"), f"{where}.columns", "columns"), f"{where}.columns")
    found.statistics.append(
        Statistic(
            str(entry.get("name") or f"{'+'.join(columns)}.{measure}"),
            cast("Measure", measure),
            limits,
            columns,
            None if told.get("at") is None else reader.number(told["at"], f"{where}.at"),
            None if told.get("value") is None else text_of(told["value"]),
            _severity(entry, place, reader, "stop"),
        )
    )


def _severity(entry: Mapping[str, Any], place: str, reader: Reader, default: Severity) -> Severity:
    return reader.severity(entry.get("severity"), default, f"{place}.severity")


def _limits(entry: Mapping[str, Any], place: str, reader: Reader) -> Limits:
    told = {name: entry[name] for name in _OPERATORS if name in entry}
    if len(told) != 1:
        reader.refuse(place, f"got {', '.join(sorted(told)) or 'no operator'}; one of {', '.join(sorted(_OPERATORS))} is allowed")
    operator, value = next(iter(told.items()))
    clause = f"{place}.{operator}"
    if operator == "mustBe":
        number = int(value) if isinstance(value, bool) else reader.number(value, clause)
        return Limits(minimum=number, maximum=number)
    if operator == "mustBeBetween":
        if not isinstance(value, list) or len(value) != 2:
            reader.refuse(clause, f"got {shown(value)}; a list of two numbers is allowed")
        return Limits(above=reader.number(value[0], clause), below=reader.number(value[1], clause))
    return Limits(**{name: reader.number(value, clause) for name, word in OPERATORS.items() if word == operator})


def _add(rules: list[Any], rule: Statistic | QueryRule, place: str, reader: Reader) -> None:
    """Add a rule, or the second limit of the one with its name."""
    other = next((known for known in rules if known.name == rule.name), None)
    if other is None:
        rules.append(rule)
        return
    if other.limits is None or rule.limits is None or replace(other, limits=rule.limits) != rule:
        reader.refuse(place, f"got the name {rule.name!r} a second time; only the two limits of one rule share a name")
    first, second = ({f.name: getattr(limits, f.name) for f in fields(limits)} for limits in (other.limits, rule.limits))
    both = [name for name in first if first[name] is not None and second[name] is not None]
    if both:
        reader.refuse(place, f"got a second limit {both[0]} for {rule.name!r}; one is allowed")
    merged = Limits(**{name: second[name] if first[name] is None else first[name] for name in first})
    rules[rules.index(other)] = replace(rule, limits=merged)
