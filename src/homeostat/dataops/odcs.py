"""A contract as text: the part of the Open Data Contract Standard (ODCS) v3 that is checked here.

Written as v3.1.0, the first version with a timestamp type and a named metric for allowed values; v3.0 is read too.
Documentation clauses (description, tags, team, ...) are accepted; a rule that nothing here would check is refused.

Source: Bitol, Open Data Contract Standard v3.1.0, https://bitol-io.github.io/open-data-contract-standard/.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, NoReturn, cast, get_args

import yaml

from homeostat.core.casts import LogicalType
from homeostat.core.targets import text_of
from homeostat.dataops.rules import ColumnRule, Contract
from homeostat.errors import DataError

WRITTEN = "v3.1.0"
READ = ("v3.0.0", "v3.0.1", "v3.0.2", "v3.1.0")
KINDS: tuple[str, ...] = get_args(LogicalType)
MAY_BE_ABSENT = "mayBeAbsent"
_TEXTS = {"description", "tags", "customProperties", "authoritativeDefinitions", "businessName", "physicalName", "id"}
_ROOT = _TEXTS | {"apiVersion", "kind", "name", "version", "status", "schema", "tenant", "servers", "dataProduct", "domain", "support"}
_ROOT |= {"price", "team", "roles", "slaDefaultElement", "slaProperties", "contractCreatedTs"}
_OBJECT = _TEXTS | {"name", "logicalType", "physicalType", "dataGranularityDescription", "properties"}
_PROPERTY = _TEXTS | {"name", "logicalType", "logicalTypeOptions", "required", "unique", "primaryKey", "primaryKeyPosition", "quality"}
_PROPERTY |= {"physicalType", "classification", "encryptedName", "criticalDataElement", "examples", "partitioned", "partitionKeyPosition"}
_PROPERTY |= {"transformSourceObjects", "transformLogic", "transformDescription"}
_RULE = _TEXTS | {"type", "metric", "rule", "arguments", "validValues", "mustBe", "name", "dimension", "severity", "businessImpact", "unit"}


def dump_contract(contract: Contract) -> str:
    """The contract as ODCS YAML; ``parse_contract`` reads back an equal one."""
    document = {
        "apiVersion": WRITTEN,
        "kind": "DataContract",
        "id": contract.name,
        "name": contract.name,
        "version": contract.version,
        "status": "active",
        "schema": [{"name": contract.name, "logicalType": "object", "properties": [_property(column) for column in contract.columns]}],
    }
    text = yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=120)
    # PyYAML writes these line breaks as they are and reads them back as spaces; escaped they survive.
    odd = any(mark in text for mark in "\x85\u2028\u2029")
    return yaml.safe_dump(document, sort_keys=False, width=120) if odd else text


def _property(column: ColumnRule) -> dict[str, Any]:
    options = {name: value for name, value in (("minimum", column.minimum), ("maximum", column.maximum)) if value is not None}
    written: dict[str, Any] = {"name": column.name, "logicalType": column.kind, "required": column.required}
    if column.unique:
        written["unique"] = True
    if options:
        written["logicalTypeOptions"] = options
    if column.allowed is not None:
        arguments = {"validValues": list(column.allowed)}
        written["quality"] = [{"type": "library", "metric": "invalidValues", "arguments": arguments, "mustBe": 0}]
    if column.optional:
        written["customProperties"] = [{"property": MAY_BE_ABSENT, "value": True}]
    return written


def parse_contract(text: str, name: str) -> Contract:
    """The contract in an ODCS YAML text; ``name`` is what errors call the text, such as its file name.

    Raises:
        DataError: HS206, not valid YAML, not a contract of the standard, or a rule that cannot be checked; says the clause, the
            value got and what is allowed.
    """
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{name}:{mark.line + 1}" if mark else name
        raise DataError("HS206", f"not valid YAML: {getattr(error, 'problem', None) or error}", place=where) from error
    reader = _Reader(name)
    reader.known(document, _ROOT, "the contract")
    reader.one_of(document.get("apiVersion"), READ, "apiVersion")
    reader.one_of(document.get("kind"), ("DataContract",), "kind")
    version = reader.text(document.get("version"), "version")
    objects = document.get("schema")
    if not isinstance(objects, list) or len(objects) != 1:
        got = f"{len(objects)} objects" if isinstance(objects, list) else repr(objects)
        reader.refuse("schema", f"got {got}; a list with exactly one object (the table) is allowed")
    table = objects[0]
    reader.known(table, _OBJECT, "schema[0]")
    title = reader.text(document.get("name", table.get("name")), "name")
    return Contract(title, version, _columns(table.get("properties"), reader))


class _Reader:
    """Knows the text's name, so that every refusal can say where."""

    def __init__(self, name: str) -> None:
        self.name = name

    def refuse(self, clause: str, message: str) -> NoReturn:
        raise DataError("HS206", message, place=f"{self.name}: {clause}", next_step="mend the contract; `homeostat init` shows one")

    def known(self, value: Any, clauses: set[str], place: str) -> None:
        if not isinstance(value, Mapping):
            self.refuse(place, f"got {_shown(value)}; a mapping is allowed")
        unknown = [str(key) for key in value if key not in clauses]
        if unknown:
            self.refuse(place, f"got the clause {unknown[0]!r}; allowed are {', '.join(sorted(clauses))}")

    def one_of(self, value: Any, allowed: tuple[str, ...], clause: str) -> str:
        if value not in allowed:
            self.refuse(clause, f"got {_shown(value)}; allowed: {', '.join(allowed)}")
        return cast("str", value)

    def text(self, value: Any, clause: str) -> str:
        if not isinstance(value, str) or not value:
            self.refuse(clause, f"got {_shown(value)}; a text is allowed (put it in quotes)")
        return value

    def flag(self, value: Any, clause: str) -> bool:
        if not isinstance(value, bool):
            self.refuse(clause, f"got {_shown(value)}; true or false is allowed")
        return value


def _columns(properties: Any, reader: _Reader) -> tuple[ColumnRule, ...]:
    if not isinstance(properties, list) or not properties:
        reader.refuse("schema[0].properties", f"got {_shown(properties)}; a list with one entry per column is allowed")
    columns = tuple(_column(entry, f"schema[0].properties[{i}]", reader) for i, entry in enumerate(properties))
    names = [column.name for column in columns]
    for i, name in enumerate(names):
        if name in names[:i]:
            reader.refuse(f"schema[0].properties[{i}].name", f"got {name!r} a second time; each column is allowed once")
    keys = [entry["name"] for entry in properties if entry.get("primaryKey")]
    if len(keys) > 1:
        reader.refuse("schema[0].properties", f"got a primary key of {len(keys)} columns ({', '.join(keys)}); one column is allowed")
    return columns


def _column(entry: Any, place: str, reader: _Reader) -> ColumnRule:
    reader.known(entry, _PROPERTY, place)
    name = reader.text(entry.get("name"), f"{place}.name")
    where = f"{place} ({name})"
    kind = cast("LogicalType", reader.one_of(entry.get("logicalType"), KINDS, f"{where}.logicalType"))
    options = entry.get("logicalTypeOptions", {})
    temporal = {"format"} if kind in ("date", "timestamp") else set()
    reader.known(options, {"minimum", "maximum"} | temporal, f"{where}.logicalTypeOptions")
    if kind == "date" and "HH" in str(options.get("format", "")):
        kind = "timestamp"  # v3.0 has no timestamp: there it is a date whose format has hours
    minimum = _bound(options.get("minimum"), kind, f"{where}.logicalTypeOptions.minimum", reader)
    maximum = _bound(options.get("maximum"), kind, f"{where}.logicalTypeOptions.maximum", reader)
    if minimum is not None and maximum is not None and _empty(minimum, maximum):
        reader.refuse(f"{where}.logicalTypeOptions", f"got minimum {minimum} and maximum {maximum}; minimum <= maximum is allowed")
    rules = _quality(entry.get("quality", []), f"{where}.quality", reader)
    key = reader.flag(entry.get("primaryKey", False), f"{where}.primaryKey")
    return ColumnRule(
        name=name,
        kind=kind,
        required=reader.flag(entry.get("required", False), f"{where}.required") or key or "required" in rules,
        unique=reader.flag(entry.get("unique", False), f"{where}.unique") or key or "unique" in rules,
        minimum=minimum,
        maximum=maximum,
        allowed=_allowed(rules.get("allowed"), kind, f"{where}.quality", reader),
        optional=_optional(entry.get("customProperties", []), f"{where}.customProperties", reader),
    )


def _bound(value: Any, kind: LogicalType, clause: str, reader: _Reader) -> int | float | str | None:
    if value is None:
        return None
    if kind in ("number", "integer"):
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 2**63:
            reader.refuse(clause, f"got {_shown(value)}; a number between -2^63 and 2^63 is allowed")
        return value
    if kind not in ("date", "timestamp"):
        reader.refuse(clause, f"got {_shown(value)}; a {kind} column has no order, so no limits are allowed")
    text = value.isoformat() if isinstance(value, date) else value
    if not _is_moment(text, kind):
        reader.refuse(clause, f"got {_shown(value)}; ISO 8601 text is allowed, such as {_example(kind)}")
    return cast("str", text)


def _is_moment(text: Any, kind: LogicalType) -> bool:
    try:
        if kind == "date":
            date.fromisoformat(text)
            return True
        return datetime.fromisoformat(text).tzinfo is None
    except (TypeError, ValueError):
        return False


def _example(kind: LogicalType) -> str:
    return '"2024-01-31"' if kind == "date" else '"2024-01-31T18:00:00"'


def _empty(minimum: int | float | str, maximum: int | float | str) -> bool:
    if isinstance(minimum, str) or isinstance(maximum, str):
        return datetime.fromisoformat(str(minimum)) > datetime.fromisoformat(str(maximum))
    return minimum > maximum


def _quality(entries: Any, clause: str, reader: _Reader) -> dict[str, Any]:
    """Rules by our names: ``required`` and ``unique`` as flags, ``allowed`` with its values. Text rules are for people only."""
    if not isinstance(entries, list):
        reader.refuse(clause, f"got {_shown(entries)}; a list of rules is allowed")
    found: dict[str, Any] = {}
    for i, entry in enumerate(entries):
        place = f"{clause}[{i}]"
        if isinstance(entry, Mapping) and entry.get("type") == "text":
            continue
        reader.known(entry, _RULE, place)
        reader.one_of(entry.get("type", "library"), ("library", "text"), f"{place}.type")
        metric = entry.get("metric", entry.get("rule"))
        if metric == "validValues":  # v3.0: the rule itself, no comparison
            found["allowed"] = entry.get("validValues", entry.get("mustBe"))
            continue
        if entry.get("mustBe") != 0 or isinstance(entry.get("mustBe"), bool):
            reader.refuse(f"{place}.mustBe", f"got {_shown(entry.get('mustBe'))}; 0 is allowed: each bad row is quarantined")
        if metric == "nullValues":
            found["required"] = True
        elif metric in ("duplicateValues", "duplicateCount"):
            found["unique"] = True
        elif metric == "invalidValues" and set(entry.get("arguments") or {}) == {"validValues"}:
            found["allowed"] = entry["arguments"]["validValues"]
        else:
            allowed = "nullValues, duplicateValues, or invalidValues with the argument validValues"
            reader.refuse(f"{place}.metric", f"got {_shown(metric)}; allowed: {allowed}")
    return found


def _allowed(values: Any, kind: LogicalType, clause: str, reader: _Reader) -> tuple[str, ...] | None:
    if values is None:
        return None
    place = f"{clause}.validValues"
    if not isinstance(values, list) or not values:
        reader.refuse(place, f"got {_shown(values)}; a list of values is allowed")
    if kind == "timestamp":
        reader.refuse(place, "got a list of timestamps; only limits are allowed for this type")
    texts = tuple(text_of(value) for value in values)
    for text in texts:
        if not fits(text, kind):
            reader.refuse(place, f"got {text!r}; each value must be a {kind}")
    return texts


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
    return kind == "string" or _is_moment(text, kind)


def _optional(entries: Any, clause: str, reader: _Reader) -> bool:
    if not isinstance(entries, list):
        reader.refuse(clause, f"got {_shown(entries)}; a list of property and value is allowed")
    found = [entry for entry in entries if isinstance(entry, Mapping) and entry.get("property") == MAY_BE_ABSENT]
    return reader.flag(found[-1].get("value"), f"{clause}.{MAY_BE_ABSENT}") if found else False


def _shown(value: Any) -> str:
    return "nothing" if value is None else repr(value)[:80]
