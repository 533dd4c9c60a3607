"""A contract as text: Open Data Contract Standard (ODCS) v3.1.0, and where each of our rules stands in it.

On a property: ``required``, ``unique``, ``logicalTypeOptions`` (minimum, exclusiveMinimum, minLength, pattern ...), and for allowed
values the library metric ``invalidValues`` with ``mustBe: 0``.
On the table: a unique key is the metric ``duplicateValues`` over several properties, the number of rows ``rowCount``, missing values
``nullValues`` of the property, in rows or percent; a foreign key is a ``relationship``; a condition on rows is a ``sql`` query that
counts the rows for which it is false, marked with the custom property ``form: row``; a query that must give no rows is one that counts
them, marked ``form: noRows``; any other query stands as it is, with the operators of the standard. Freshness is the service level
``latency`` of a column. What the standard has no metric for (mean, std, quantile, value_percent, correlation) is ``custom`` with the
engine ``homeostat``. Two limits of one rule are two entries with one name, since an entry may have one operator; ``mustBeBetween``
leaves out its ends.

Severity: a quality entry's own ``severity``, one of warn, reject, quarantine, stop; read are also info and warning (warn), error (the
default of the rule), critical and fatal (stop). For the other clauses of a property, and for freshness, it stands in the custom
property ``severity``, by check or rule name; for a relationship in its custom property ``severity``. Defaults are not written.

Other custom properties: ``mayBeAbsent`` of a property; ``from`` and ``to`` of a relationship with names that the standard's notation
cannot write.

Source: Bitol, Open Data Contract Standard v3.1.0, https://bitol-io.github.io/open-data-contract-standard/.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from homeostat.dataops.rules import ColumnRule, Contract, ForeignKey, Freshness, Limits, QueryRule, RowRule, Statistic

WRITTEN = "v3.1.0"
MAY_BE_ABSENT = "mayBeAbsent"
ENGINE = "homeostat"
SEVERITY = "severity"
FORM = "form"
ROW, NO_ROWS = "row", "noRows"
OPTIONS = {
    "minimum": "minimum",
    "maximum": "maximum",
    "above": "exclusiveMinimum",
    "below": "exclusiveMaximum",
    "shortest": "minLength",
    "longest": "maxLength",
    "pattern": "pattern",
}
OPERATORS = {
    "minimum": "mustBeGreaterOrEqualTo",
    "above": "mustBeGreaterThan",
    "maximum": "mustBeLessOrEqualTo",
    "below": "mustBeLessThan",
}
UNITS = {"d": 86_400, "h": 3_600, "min": 60, "s": 1}


def dump_contract(contract: Contract) -> str:
    """The contract as ODCS YAML; ``parse_contract`` reads back an equal one."""
    table: dict[str, Any] = {
        "name": contract.table_name,
        "logicalType": "object",
        "properties": [_property(column, contract) for column in contract.columns],
    }
    quality = [entry for entries in _table_quality(contract) for entry in entries]
    if quality:
        table["quality"] = quality
    if contract.references:
        table["relationships"] = [_relationship(key, contract.table_name) for key in contract.references]
    severities = {fresh.name: fresh.severity for fresh in contract.freshness if fresh.severity != "stop"}
    if severities:
        table["customProperties"] = [_custom(SEVERITY, severities)]
    document: dict[str, Any] = {
        "apiVersion": WRITTEN,
        "kind": "DataContract",
        "id": contract.name,
        "name": contract.name,
        "version": contract.version,
        "status": "active",
        "schema": [table],
    }
    if contract.freshness:
        document["slaProperties"] = [_latency(fresh, contract.table_name) for fresh in contract.freshness]
    text = yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=120)
    # PyYAML writes these line breaks as they are and reads them back as spaces; escaped they survive.
    odd = any(mark in text for mark in "\x85\u2028\u2029")
    return yaml.safe_dump(document, sort_keys=False, width=120) if odd else text


def _property(column: ColumnRule, contract: Contract) -> dict[str, Any]:
    written: dict[str, Any] = {"name": column.name, "logicalType": column.kind, "required": column.required}
    if column.unique:
        written["unique"] = True
    options = {option: getattr(column, field) for field, option in OPTIONS.items() if getattr(column, field) is not None}
    if options:
        written["logicalTypeOptions"] = options
    quality: list[dict[str, Any]] = []
    if column.allowed is not None:
        arguments = {"validValues": list(column.allowed)}
        entry = {"type": "library", "metric": "invalidValues", "arguments": arguments, "mustBe": 0}
        quality.append(entry | _severity(column.severity("allowed"), "quarantine"))
    for rule in contract.statistics:
        if rule.measure in ("nulls", "null_percent") and rule.columns == (column.name,):
            unit = {"unit": "percent" if rule.measure == "null_percent" else "rows"}
            quality += _limited({"name": rule.name, "type": "library", "metric": "nullValues"} | unit, rule.limits, rule)
    if quality:
        written["quality"] = quality
    severities = {check: severity for check, severity in column.severities if check != "allowed" or column.allowed is None}
    custom = [_custom(SEVERITY, severities)] if severities else []
    if column.optional:
        custom.append(_custom(MAY_BE_ABSENT, True))
    if custom:
        written["customProperties"] = custom
    return written


def _table_quality(contract: Contract) -> list[list[dict[str, Any]]]:
    entries = [
        [
            {"type": "library", "metric": "duplicateValues", "arguments": {"properties": list(key.columns)}, "mustBe": 0}
            | _severity(key.severity, "quarantine")
        ]
        for key in contract.keys
    ]
    entries += [[_condition(rule)] for rule in contract.conditions]
    entries += [_statistic(rule) for rule in contract.statistics if rule.measure not in ("nulls", "null_percent")]
    return entries + [_query(rule) for rule in contract.queries]


def row_query(condition: str) -> str:
    """The standard's form of a condition on rows: how many rows break it."""
    return f"SELECT COUNT(*) FROM {{object}} WHERE NOT ({condition})"  # noqa: S608 - text for a file


def count_query(sql: str) -> str:
    """The standard's form of a query that must give no rows: how many it gives."""
    return f"SELECT COUNT(*) FROM ({sql}) AS found"  # noqa: S608 - text for a file


def _condition(rule: RowRule) -> dict[str, Any]:
    entry: dict[str, Any] = {"name": rule.name, "type": "sql", "query": row_query(rule.sql), "mustBe": 0}
    return entry | _severity(rule.severity, "quarantine") | {"customProperties": [_custom(FORM, ROW)]}


def _query(rule: QueryRule) -> list[dict[str, Any]]:
    if rule.limits is not None:
        return _limited({"name": rule.name, "type": "sql", "query": rule.sql}, rule.limits, rule)
    entry: dict[str, Any] = {"name": rule.name, "type": "sql", "query": count_query(rule.sql), "mustBe": 0}
    return [entry | _severity(rule.severity, "stop") | {"customProperties": [_custom(FORM, NO_ROWS)]}]


def _statistic(rule: Statistic) -> list[dict[str, Any]]:
    if rule.measure == "rows":
        return _limited({"name": rule.name, "type": "library", "metric": "rowCount"}, rule.limits, rule)
    told: dict[str, Any] = {"measure": rule.measure, "columns": list(rule.columns)}
    told |= {name: value for name, value in (("at", rule.at), ("value", rule.value)) if value is not None}
    told |= {name: getattr(rule.limits, name) for name in OPERATORS if getattr(rule.limits, name) is not None}
    entry: dict[str, Any] = {"name": rule.name, "type": "custom", "engine": ENGINE, "implementation": told}
    return [entry | _severity(rule.severity, "stop")]


def _limited(entry: dict[str, Any], limits: Limits, rule: Statistic | QueryRule) -> list[dict[str, Any]]:
    """The entry once per operator that the limits need."""
    told = {name: getattr(limits, name) for name in OPERATORS if getattr(limits, name) is not None}
    operators: list[dict[str, Any]]
    if set(told) == {"minimum", "maximum"} and limits.minimum == limits.maximum:
        operators = [{"mustBe": limits.minimum}]
    elif set(told) == {"above", "below"}:
        operators = [{"mustBeBetween": [limits.above, limits.below]}]
    else:
        operators = [{OPERATORS[name]: value} for name, value in told.items()]
    return [entry | operator | _severity(rule.severity, "stop") for operator in operators]


def plain(name: str) -> str:
    """A name as the standard's references can write it: letters, digits and underscores, not starting with a digit."""
    return re.sub(r"^(?=[0-9])|^$", "_", re.sub(r"[^A-Za-z0-9_]", "_", name))


def _relationship(key: ForeignKey, table: str) -> dict[str, Any]:
    source = [f"{plain(table)}.{plain(name)}" for name in key.columns]
    target = [f"{plain(key.table)}.{plain(name)}" for name in key.to]
    written: dict[str, Any] = {"type": "foreignKey"}
    written |= {"from": source, "to": target} if len(source) > 1 else {"from": source[0], "to": target[0]}
    custom = [_custom(SEVERITY, key.severity)] if key.severity != "quarantine" else []
    if any(plain(name) != name for name in (table, *key.columns)):
        custom.append(_custom("from", list(key.columns)))
    if any(plain(name) != name for name in (key.table, *key.to)):
        custom.append(_custom("to", {"table": key.table, "columns": list(key.to)}))
    return written | ({"customProperties": custom} if custom else {})


def _latency(rule: Freshness, table: str) -> dict[str, Any]:
    unit = next((unit for unit, seconds in UNITS.items() if not rule.within % timedelta(seconds=seconds)), "")
    value = rule.within // timedelta(seconds=UNITS[unit]) if unit else rule.within.total_seconds()
    return {"property": "latency", "value": value, "unit": unit or "s", "element": f"{table}.{rule.column}"}


def _severity(severity: str, default: str) -> dict[str, str]:
    return {} if severity == default else {"severity": severity}


def _custom(name: str, value: Any) -> dict[str, Any]:
    return {"property": name, "value": value}
