"""A contract from ODCS text: v3.1.0 and v3.0. Documentation clauses are accepted; a rule that nothing here would check is refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta
from typing import Any, cast, get_args

import yaml

from homeostat.core.casts import LogicalType
from homeostat.core.durations import LONGEST
from homeostat.core.plain_yaml import PlainLoader
from homeostat.core.targets import text_of
from homeostat.dataops.odcs import MAY_BE_ABSENT, OPTIONS, SEVERITY, UNITS
from homeostat.dataops.odcs_quality import Quality, read_quality
from homeostat.dataops.odcs_reader import Reader
from homeostat.dataops.rules import CHECKS, ColumnRule, Contract, ForeignKey, Freshness, UniqueKey
from homeostat.dataops.verify import bound_problem, empty, fits, shown, verify
from homeostat.errors import DataError

READ = ("v3.0.0", "v3.0.1", "v3.0.2", "v3.1.0")
KINDS: tuple[str, ...] = get_args(LogicalType)
_TEXTS = {"description", "tags", "customProperties", "authoritativeDefinitions", "businessName", "physicalName", "id"}
_ROOT = _TEXTS | {"apiVersion", "kind", "name", "version", "status", "schema", "tenant", "servers", "dataProduct", "domain", "support"}
_ROOT |= {"price", "team", "roles", "slaDefaultElement", "slaProperties", "contractCreatedTs"}
_OBJECT = _TEXTS | {"name", "logicalType", "physicalType", "dataGranularityDescription", "properties", "quality", "relationships"}
_PROPERTY = _TEXTS | {"name", "logicalType", "logicalTypeOptions", "required", "unique", "primaryKey", "primaryKeyPosition", "quality"}
_PROPERTY |= {"physicalType", "classification", "encryptedName", "criticalDataElement", "examples", "partitioned", "partitionKeyPosition"}
_PROPERTY |= {"transformSourceObjects", "transformLogic", "transformDescription", "relationships"}
_RELATIONSHIP = {"type", "from", "to", "customProperties"}
_LENGTHS = ("minLength", "maxLength")
_LATENCY = ("latency", "ly", "freshness")
_UNIT_WORDS = {
    "days": "d",
    "day": "d",
    "hours": "h",
    "hour": "h",
    "hr": "h",
    "minutes": "min",
    "minute": "min",
    "seconds": "s",
    "second": "s",
}
_BITS = {"i8": 7, "i16": 15, "i32": 31, "i64": 63, "i128": 127, "u8": 8, "u16": 16, "u32": 32, "u64": 64, "u128": 128}


def parse_contract(text: str, name: str) -> Contract:
    """The contract in an ODCS YAML text; ``name`` is what errors call the text, such as its file name.

    Raises:
        DataError: HS206, not valid YAML, not a contract of the standard, a rule that cannot be checked, or SQL that is wrong; says the
            clause, the value got and what is allowed.
    """
    try:
        document = yaml.load(text, Loader=PlainLoader)  # noqa: S506 - a safe loader
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{name}:{mark.line + 1}" if mark else name
        raise DataError("HS206", f"not valid YAML: {getattr(error, 'problem', None) or error}", place=where) from error
    reader = Reader(name)
    reader.known(document, _ROOT, "the contract")
    reader.one_of(document.get("apiVersion"), READ, "apiVersion")
    reader.one_of(document.get("kind"), ("DataContract",), "kind")
    version = reader.text(document.get("version"), "version")
    objects = document.get("schema")
    if not isinstance(objects, list) or len(objects) != 1:
        got = f"{len(objects)} objects" if isinstance(objects, list) else repr(objects)
        reader.refuse("schema", f"got {got}; a list with exactly one object (the table) is allowed")
    table = reader.known(objects[0], _OBJECT, "schema[0]")
    title = reader.text(document.get("name", table.get("name")), "name")
    contract = _contract(document, table, (title, version), reader)
    verify(contract, name)
    return contract


def _contract(document: Mapping[str, Any], table: Mapping[str, Any], title: tuple[str, str], reader: Reader) -> Contract:
    name = reader.text(table.get("name", title[0]), "schema[0].name")
    entries = reader.items(table.get("properties"), "schema[0].properties", "columns")
    if not entries:
        reader.refuse("schema[0].properties", "got nothing; a list with one entry per column is allowed")
    whole = read_quality(table.get("quality"), "schema[0].quality", reader)
    columns = tuple(_column(entry, f"schema[0].properties[{i}]", reader, whole) for i, entry in enumerate(entries))
    names = [column.name for column in columns]
    for i, column in enumerate(names):
        if column in names[:i]:
            reader.refuse(f"schema[0].properties[{i}].name", f"got {column!r} a second time; each column is allowed once")
    primary = _primary_key(entries, reader)
    if len(primary) > 1:
        if primary not in [key.columns for key in whole.keys]:
            whole.keys.append(UniqueKey(primary))
        columns = tuple(_without_own_key(column, entry) for column, entry in zip(columns, entries, strict=True))
    return Contract(
        *title,
        columns,
        table=name,
        keys=tuple(whole.keys),
        references=_references(table, entries, name, reader),
        conditions=tuple(whole.conditions),
        freshness=_freshness(document, table, name, names, reader),
        statistics=tuple(whole.statistics),
        queries=tuple(whole.queries),
    )


def _primary_key(entries: list[Any], reader: Reader) -> tuple[str, ...]:
    """The columns of the primary key by their position; those that tell none come first, as they stand."""
    told = [(i, entry) for i, entry in enumerate(entries) if entry.get("primaryKey")]
    clauses = {entry["name"]: f"schema[0].properties[{i}] ({entry['name']}).primaryKeyPosition" for i, entry in told}
    places = {entry["name"]: reader.number(entry.get("primaryKeyPosition", -1), clauses[entry["name"]]) for _, entry in told}
    return tuple(sorted(places, key=lambda name: places[name]))


def _without_own_key(column: ColumnRule, entry: Mapping[str, Any]) -> ColumnRule:
    """A part of a key of several columns need not be unique by itself, unless it says so."""
    said = entry.get("unique") or any(
        rule.get("metric", rule.get("rule")) in ("duplicateValues", "duplicateCount") for rule in entry.get("quality") or ()
    )
    return column if said or not entry.get("primaryKey") else replace(column, unique=False)


def _column(entry: Any, place: str, reader: Reader, whole: Quality) -> ColumnRule:
    reader.known(entry, _PROPERTY, place)
    name = reader.text(entry.get("name"), f"{place}.name")
    where = f"{place} ({name})"
    kind = cast("LogicalType", reader.one_of(entry.get("logicalType"), KINDS, f"{where}.logicalType"))
    kind, options = _options(entry.get("logicalTypeOptions", {}), kind, f"{where}.logicalTypeOptions", reader)
    quality = read_quality(entry.get("quality"), f"{where}.quality", reader, name)
    whole.conditions += quality.conditions
    whole.statistics += quality.statistics
    whole.queries += quality.queries
    checks = quality.checks
    pattern = options.pop("pattern", None) if "pattern" in options else checks.get("pattern")
    if "pattern" in checks and checks["pattern"] != pattern:
        reader.refuse(f"{where}.quality", f"got the pattern {shown(checks['pattern'])} beside {shown(pattern)}; one is allowed")
    custom = reader.custom(entry.get("customProperties"), f"{where}.customProperties")
    severities = quality.severities | reader.severities(custom, "quarantine", f"{where}.customProperties")
    for check in severities:
        reader.one_of(check, CHECKS, f"{where}.customProperties.{SEVERITY}")
    key = reader.flag(entry.get("primaryKey", False), f"{where}.primaryKey")
    column = ColumnRule(
        name=name,
        kind=kind,
        required=reader.flag(entry.get("required", False), f"{where}.required") or key or "required" in checks,
        unique=reader.flag(entry.get("unique", False), f"{where}.unique") or key or "unique" in checks,
        allowed=_allowed(checks.get("allowed"), kind, f"{where}.quality", reader),
        optional=reader.flag(custom.get(MAY_BE_ABSENT, False), f"{where}.customProperties.{MAY_BE_ABSENT}"),
        pattern=None if pattern is None else reader.text(pattern, f"{where}.pattern"),
        severities=tuple(severities.items()),
        **options,
    )
    if empty(column):
        told = " and ".join(f"{OPTIONS[field]} {bound}" for field, bound in column.bounds)
        reader.refuse(f"{where}.logicalTypeOptions", f"got {told}; minimum <= maximum is allowed")
    return column


def _options(options: Any, kind: LogicalType, place: str, reader: Reader) -> tuple[LogicalType, dict[str, Any]]:
    """The options by our names, and the kind: v3.0 has no timestamp, there it is a date whose format has hours."""
    temporal = {"format", "timezone"} if kind in ("date", "timestamp") else set()
    width = {"format"} if kind in ("number", "integer") else set()
    reader.known(options, set(OPTIONS.values()) | temporal | width, place)
    if kind == "date" and "HH" in str(options.get("format", "")):
        kind = "timestamp"
    found: dict[str, Any] = {}
    for field, option in OPTIONS.items():
        value, clause = options.get(option), f"{place}.{option}"
        if value is None:
            continue
        if option in (*_LENGTHS, "pattern"):
            if kind != "string":
                reader.refuse(clause, f"got {shown(value)}; only a string column has lengths and patterns")
            found[field] = reader.text(value, clause) if option == "pattern" else reader.whole(value, clause)
        else:
            value = value.isoformat() if isinstance(value, date) else value
            problem = bound_problem(value, kind)
            if problem:
                reader.refuse(clause, problem)
            found[field] = value
    if kind == "integer" and "format" in options:
        bits = _BITS[reader.one_of(options["format"], _BITS, f"{place}.format")]
        signed = str(options["format"]).startswith("i")
        _tighten(found, -(2**bits) if signed else 0, 2**bits - 1)
    elif kind == "number" and "format" in options:
        reader.one_of(options["format"], ("f32", "f64"), f"{place}.format")
    return kind, found


def _tighten(found: dict[str, Any], low: int, high: int) -> None:
    """Limits no wider than those of a narrow integer type. 64 bits are as wide as an integer column itself."""
    if low > -(2**63) and "above" not in found:
        found["minimum"] = max(low, found.get("minimum", low))
    if high < 2**63 - 1 and "below" not in found:
        found["maximum"] = min(high, found.get("maximum", high))


def _allowed(values: Any, kind: LogicalType, clause: str, reader: Reader) -> tuple[str, ...] | None:
    if values is None:
        return None
    place = f"{clause}.validValues"
    if not isinstance(values, list) or not values:
        reader.refuse(place, f"got {shown(values)}; a list of values is allowed")
    if kind == "timestamp":
        reader.refuse(place, "got a list of timestamps; only limits are allowed for this type")
    if None in values:
        reader.refuse(place, "got null among the values; a missing value breaks no rule but `required`, so it need not be listed")
    texts = tuple(text_of(value) for value in values)
    for text in texts:
        if not fits(text, kind):
            reader.refuse(place, f"got {text!r}; each value must be a {kind}")
    return texts


def _references(table: Mapping[str, Any], entries: list[Any], name: str, reader: Reader) -> tuple[ForeignKey, ...]:
    ids = {str(entry.get("id", entry["name"])): str(entry["name"]) for entry in entries}
    found: list[ForeignKey] = []
    for i, entry in enumerate(entries):
        place = f"schema[0].properties[{i}] ({entry['name']}).relationships"
        for n, told in enumerate(reader.items(entry.get("relationships"), place, "relationships")):
            if "from" in reader.known(told, _RELATIONSHIP, f"{place}[{n}]"):
                reader.refuse(f"{place}[{n}].from", "got a source; a relationship of a property starts at that property")
            found.append(_reference(told, (str(entry["name"]),), f"{place}[{n}]", reader))
    place = "schema[0].relationships"
    for n, told in enumerate(reader.items(table.get("relationships"), place, "relationships")):
        reader.known(told, _RELATIONSHIP, f"{place}[{n}]")
        custom = reader.custom(told.get("customProperties"), f"{place}[{n}].customProperties")
        if "from" in custom:
            columns = reader.names(custom["from"], f"{place}[{n}].customProperties.from")
        else:
            ends = [_end(text, f"{place}[{n}].from", reader) for text in reader.names(told.get("from"), f"{place}[{n}].from")]
            columns = tuple(ids.get(column, column) for _, column in ends)
            strange = [own for own, _ in ends if own not in (name, str(table.get("id", name)))]
            if strange:
                reader.refuse(f"{place}[{n}].from", f"got the table {strange[0]!r}; a relationship from {name!r} is allowed")
        found.append(_reference(told, columns, f"{place}[{n}]", reader))
    return tuple(found)


def _reference(told: Mapping[str, Any], columns: tuple[str, ...], place: str, reader: Reader) -> ForeignKey:
    reader.one_of(told.get("type", "foreignKey"), ("foreignKey",), f"{place}.type")
    custom = reader.custom(told.get("customProperties"), f"{place}.customProperties")
    severity = reader.severity(custom.get(SEVERITY), "quarantine", f"{place}.customProperties.{SEVERITY}")
    if "to" in custom:
        target = reader.known(custom["to"], {"table", "columns"}, f"{place}.customProperties.to")
        table = reader.text(target.get("table"), f"{place}.customProperties.to.table")
        return ForeignKey(columns, table, reader.names(target.get("columns"), f"{place}.customProperties.to.columns"), severity)
    ends = [_end(text, f"{place}.to", reader) for text in reader.names(told.get("to"), f"{place}.to")]
    if len({table for table, _ in ends}) != 1:
        reader.refuse(f"{place}.to", f"got {shown(told.get('to'))}; columns of one table are allowed")
    return ForeignKey(columns, ends[0][0], tuple(column for _, column in ends), severity)


def _end(text: str, clause: str, reader: Reader) -> tuple[str, str]:
    """Table and column of a reference: ``table.column``, or ``schema/table/properties/column`` with ids, also of another contract."""
    path = text.rpartition("#")[2].strip("/")
    parts = path.split("/") if "/" in path else ["schema", *path.split(".")[:1], "properties", *path.split(".")[1:]]
    if len(parts) != 4 or (parts[0], parts[2]) != ("schema", "properties"):
        reader.refuse(clause, f"got {shown(text)}; allowed: table.column, or schema/table/properties/column")
    return parts[1], parts[3]


def _freshness(
    document: Mapping[str, Any], table: Mapping[str, Any], name: str, columns: list[str], reader: Reader
) -> tuple[Freshness, ...]:
    """The service level ``latency`` of columns. Other service levels are promises about the provider, not about rows."""
    custom = reader.custom(table.get("customProperties"), "schema[0].customProperties")
    severities = reader.severities(custom, "stop", "schema[0].customProperties")
    found: list[Freshness] = []
    for i, entry in enumerate(reader.items(document.get("slaProperties"), "slaProperties", "service levels")):
        place = f"slaProperties[{i}]"
        if str(reader.mapping(entry, place).get("property")).lower() not in _LATENCY:
            continue
        unit = str(entry.get("unit"))
        reader.one_of(unit, (*UNITS, *_UNIT_WORDS), f"{place}.unit")
        seconds = reader.number(entry.get("value"), f"{place}.value") * UNITS[_UNIT_WORDS.get(unit, unit)]
        if not 0 <= seconds <= LONGEST.total_seconds():
            reader.refuse(f"{place}.value", f"got {shown(entry['value'])} {unit}; 0 to a hundred years is allowed")
        element = reader.text(entry.get("element", document.get("slaDefaultElement")), f"{place}.element")
        for column in _elements(element, name, columns):
            if column not in columns:
                reader.refuse(f"{place}.element", f"got {shown(element)}; a column of {name!r} is allowed: {', '.join(columns)}")
            found.append(Freshness(column, timedelta(seconds=seconds), severities.get(f"{column}.fresh", "stop")))
    unused = [rule for rule in severities if rule not in [fresh.name for fresh in found]]
    if unused:
        reader.refuse(
            f"schema[0].customProperties.{SEVERITY}", f"got the rule {unused[0]!r}; only freshness rules have their severity here"
        )
    return tuple(found)


def _elements(text: str, table: str, columns: list[str]) -> list[str]:
    whole = text.removeprefix(f"{table}.")
    return [whole] if whole in columns else [part.strip().removeprefix(f"{table}.") for part in text.split(",")]
