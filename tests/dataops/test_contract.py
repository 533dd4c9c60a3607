"""Contracts as text: exact round trips, the published names, and errors that say the clause."""

from __future__ import annotations

import importlib.util
import json
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
import yaml
from hypothesis import assume, given, settings
from hypothesis import strategies as st

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
from homeostat.dataops.verify import verify
from homeostat.errors import DataError

if TYPE_CHECKING:
    from homeostat.core.records import Severity

NAMES = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), min_size=1, max_size=12)
NUMBERS = st.one_of(st.none(), st.integers(-(2**62), 2**62), st.floats(-1e18, 1e18))


SEVERITIES: st.SearchStrategy[Severity] = st.sampled_from(["warn", "reject", "quarantine", "stop"])


@st.composite
def rules(draw: st.DrawFn) -> ColumnRule:
    kind = draw(st.sampled_from(["number", "integer", "string", "boolean", "date", "timestamp"]))
    bounds = {
        "number": NUMBERS,
        "integer": NUMBERS,
        "date": st.one_of(st.none(), st.dates().map(lambda d: d.isoformat())),
        "timestamp": st.one_of(st.none(), st.datetimes().map(lambda d: d.isoformat())),
    }
    low, high = draw(bounds.get(kind, st.none())), draw(bounds.get(kind, st.none()))
    if low is not None and high is not None and low > high:
        low, high = high, low
    limits = dict(
        zip(draw(st.sampled_from([("minimum", "maximum"), ("above", "maximum"), ("minimum", "below")])), (low, high), strict=True)
    )
    if low is not None and high is not None and low == high:
        limits = {"minimum": low, "maximum": high}
    values = {
        "string": NAMES,
        "integer": st.integers(-(2**63), 2**63 - 1).map(str),
        "number": st.floats(allow_nan=False, allow_infinity=False).map(str),
        "boolean": st.sampled_from(["true", "false"]),
        "date": st.dates().map(lambda d: d.isoformat()),
    }
    allowed = draw(st.one_of(st.none(), st.lists(values[kind], min_size=1, max_size=3).map(tuple))) if kind in values else None
    texts: dict[str, Any] = {}
    if kind == "string":
        shortest = draw(st.one_of(st.none(), st.integers(0, 9)))
        texts = {"shortest": shortest, "longest": draw(st.one_of(st.none(), st.integers(shortest or 0, 99)))}
        texts["pattern"] = draw(st.sampled_from([None, "^a+$", r"\d{3}-\w", "[^'\"]"]))
    checks = ["required", "range", "length", "pattern", "allowed", "unique"]
    severities = draw(st.dictionaries(st.sampled_from(checks), SEVERITIES, max_size=3))
    flags = [draw(st.booleans()) for _ in range(3)]
    return ColumnRule(
        draw(NAMES), kind, flags[0], flags[1], allowed=allowed, optional=flags[2], severities=tuple(severities.items()), **limits, **texts
    )


OWN = ("n", "i", "s", "at")
BASE_COLUMNS = (ColumnRule("n", "number"), ColumnRule("i", "integer"), ColumnRule("s", "string"), ColumnRule("at", "timestamp"))
FINITE = st.floats(-1e12, 1e12) | st.integers(-(10**12), 10**12)


@st.composite
def limits_of(draw: st.DrawFn) -> Limits:
    low, high = sorted((draw(FINITE), draw(FINITE)))
    name = draw(st.sampled_from(["minimum", "maximum", "above", "below", "both", "open", "equal"]))
    both = {"both": Limits(minimum=low, maximum=high), "open": Limits(above=low, below=high + 1), "equal": Limits(minimum=low, maximum=low)}
    return both.get(name) or Limits(**{name: low})


@st.composite
def statistics_of(draw: st.DrawFn) -> Statistic:
    measure = draw(st.sampled_from(["rows", "nulls", "null_percent", "value_percent", "mean", "std", "quantile", "correlation"]))
    columns = {"rows": (), "correlation": ("n", "i")}.get(measure, (draw(st.sampled_from(["n", "i"])),))
    at = draw(st.floats(0.001, 1)) if measure == "quantile" else None
    value = "3" if measure == "value_percent" else None
    limits = draw(limits_of())
    # No nulls at all is what the standard writes for a column that is required, and is read as that: a rule on rows.
    assume(measure not in ("nulls", "null_percent") or limits != Limits(minimum=0, maximum=0))
    return Statistic(draw(NAMES), measure, limits, columns, at, value, draw(SEVERITIES))


@st.composite
def contracts(draw: st.DrawFn) -> Contract:
    """Contracts with every kind of rule; names may be anything."""
    extra = draw(
        st.lists(rules(), max_size=3, unique_by=lambda rule: rule.name.lower()).filter(lambda c: not {r.name.lower() for r in c} & {*OWN})
    )
    sql = st.sampled_from(["n < i", "s LIKE 'a%' OR n IS NULL", "at > TIMESTAMP '2024-01-01' AND s <> 'it''s'"])
    queries = st.sampled_from(["SELECT avg(n) FROM {object}", "SELECT count(*) FROM data WHERE i > 3", "SELECT max(i) FROM elsewhere"])
    own = st.lists(st.sampled_from([*OWN, *(rule.name for rule in extra)]), min_size=2, max_size=3, unique=True).map(tuple)
    sources = draw(st.lists(own, max_size=2))
    references = [ForeignKey(columns, draw(NAMES), tuple(draw(NAMES) for _ in columns), draw(SEVERITIES)) for columns in sources]
    within = st.timedeltas(timedelta(0), timedelta(days=9_999))
    contract = Contract(
        draw(NAMES),
        draw(NAMES),
        (*BASE_COLUMNS, *extra),
        table=draw(st.just("") | NAMES),
        keys=tuple(UniqueKey(columns, draw(SEVERITIES)) for columns in draw(st.lists(own, max_size=2))),
        references=tuple(references),
        conditions=tuple(draw(st.lists(st.builds(RowRule, NAMES, sql, SEVERITIES), max_size=2))),
        freshness=draw(st.just(()) | st.tuples(st.builds(Freshness, st.just("at"), within, SEVERITIES))),
        statistics=tuple(draw(st.lists(statistics_of(), max_size=3))),
        queries=tuple(draw(st.lists(st.builds(QueryRule, NAMES, queries, st.none() | limits_of(), SEVERITIES), max_size=2))),
    )
    names = [rule.name for rule in contract.table_rules()]
    assume(len(names) == len(set(names)))
    return contract


@cache
def schema_validator() -> jsonschema.protocols.Validator:
    """The published JSON Schema of the standard, as its Python package carries it."""
    spec = importlib.util.find_spec("open_data_contract_standard")
    if spec is None or spec.origin is None:
        pytest.skip("the package open-data-contract-standard, which carries the standard's JSON Schema, is not installed")
    schema = json.loads((Path(spec.origin).parent / "schema.json").read_text(encoding="utf-8"))
    assert "v3.1.0" in schema["properties"]["apiVersion"]["enum"]
    return jsonschema.Draft201909Validator(schema)


@settings(deadline=None, max_examples=150)
@given(contracts())
def test_round_trip_is_exact(contract: Contract) -> None:
    verify(contract, "drawn")
    assert parse_contract(dump_contract(contract), "c.yaml") == contract


@settings(deadline=None, max_examples=60)
@given(contracts())
def test_what_is_written_is_valid_by_the_standards_schema(contract: Contract) -> None:
    schema_validator().validate(yaml.safe_load(dump_contract(contract)))


def test_the_text_uses_the_standards_names() -> None:
    rule = ColumnRule("t", "number", required=True, unique=True, minimum=0.5, maximum=2, allowed=("1", "2"), optional=True)
    document = yaml.safe_load(dump_contract(Contract("bikes", "1.2.0", (rule,))))
    assert {key: document[key] for key in ("apiVersion", "kind", "id", "version", "status")} == {
        "apiVersion": "v3.1.0",
        "kind": "DataContract",
        "id": "bikes",
        "version": "1.2.0",
        "status": "active",
    }
    assert document["schema"][0]["properties"] == [
        {
            "name": "t",
            "logicalType": "number",
            "required": True,
            "unique": True,
            "logicalTypeOptions": {"minimum": 0.5, "maximum": 2},
            "quality": [{"type": "library", "metric": "invalidValues", "arguments": {"validValues": ["1", "2"]}, "mustBe": 0}],
            "customProperties": [{"property": "mayBeAbsent", "value": True}],
        }
    ]


FOREIGN = """
apiVersion: v3.0.2
kind: DataContract
id: 53581432-6c55-4ba2-a65f-72344a91553a
version: 1.1.0
status: active
description: {purpose: sales}
team: [{username: ann}]
schema:
  - name: orders
    logicalType: object
    physicalName: orders_v1
    properties:
      - {name: id, logicalType: integer, primaryKey: true, description: the order}
      - {name: at, logicalType: date, logicalTypeOptions: {format: "yyyy-MM-dd HH:mm:ss", minimum: "2020-01-01T00:00:00"}}
      - name: state
        logicalType: string
        quality:
          - {type: text, description: as the shop writes it}
          - {type: library, rule: validValues, validValues: [open, closed]}
          - {metric: nullValues, mustBe: 0}
          - {metric: duplicateValues, mustBe: 0}
"""


def test_a_contract_of_another_tool_is_read() -> None:
    contract = parse_contract(FOREIGN, "orders.yaml")
    assert contract == Contract(
        "orders",
        "1.1.0",
        (
            ColumnRule("id", "integer", required=True, unique=True),
            ColumnRule("at", "timestamp", minimum="2020-01-01T00:00:00"),
            ColumnRule("state", "string", required=True, unique=True, allowed=("open", "closed")),
        ),
    )
    assert contract.schema() == {"id": "integer", "at": "timestamp", "state": "string"}


BASE = dump_contract(Contract("c", "1", (ColumnRule("a", "number", minimum=0, maximum=1), ColumnRule("b", "string", allowed=("x",)))))


@pytest.mark.parametrize(
    ("old", "new", "place", "words"),
    [
        ("apiVersion: v3.1.0", "apiVersion: v2.2.2", "apiVersion", "'v2.2.2'; allowed: v3.0.0"),
        ("kind: DataContract", "kind: Other", "kind", "'Other'; allowed: DataContract"),
        ("version: '1'", "version: 1", "version", "got 1; a text is allowed"),
        ("required: false", "rekuired: false", "properties[0]", "'rekuired'; allowed are"),
        ("required: false", "required: maybe", "properties[0] (a).required", "'maybe'; true or false"),
        ("logicalType: number", "logicalType: float", "(a).logicalType", "'float'; allowed: number, integer"),
        ("minimum: 0", "minimum: two", "(a).logicalTypeOptions.minimum", "'two'; a number"),
        ("minimum: 0", "minimum: 1" + "0" * 400, "(a).logicalTypeOptions.minimum", "a number between"),
        ("minimum: 0", "minimum: .inf", "(a).logicalTypeOptions.minimum", "a number between"),
        ("minimum: 0", "minimum: 2", "(a).logicalTypeOptions", "minimum 2 and maximum 1"),
        ("minimum: 0", "multipleOf: 2", "(a).logicalTypeOptions", "'multipleOf'; allowed are exclusiveMaximum, exclusiveMinimum"),
        ("minimum: 0", "exclusiveMinimum: 1", "(a).logicalTypeOptions", "exclusiveMinimum 1 and maximum 1"),
        ("minimum: 0", "minLength: 1", "(a).logicalTypeOptions.minLength", "got 1; only a string column"),
        ("logicalType: number", "logicalType: string", "(a).logicalTypeOptions.minimum", "no limits are allowed"),
        ("logicalType: number", "logicalType: date", "(a).logicalTypeOptions.minimum", "ISO 8601 text is allowed"),
        ("- name: b", "- name: a", "properties[1].name", "'a' a second time"),
        ("mustBe: 0", "mustBe: 5", "(b).quality[0].mustBe", "got 5; 0 is allowed"),
        ("metric: invalidValues", "metric: rowCount", "(b).quality[0].metric", "'rowCount'; allowed: nullValues"),
        ("type: library", "type: sql", "(b).quality[0]", "the clause 'metric'"),
        ("type: library", "type: other", "(b).quality[0].type", "'other'; allowed: library, sql"),
        ("type: library", "severity: loud", "(b).quality[0].severity", "'loud'; allowed: warn, reject, quarantine, stop"),
        ("- x", "- null", "(b).quality.validValues", "got null among the values"),
        ("validValues:", "pattern:", "(b).pattern", "got ['x']; a text is allowed"),
        ("logicalType: string", "logicalType: integer", "(b).quality.validValues", "'x'; each value must be a integer"),
        ("schema:\n", "schema:\n- name: other\n", "schema", "got 2 objects"),
    ],
)
def test_what_cannot_be_checked_is_refused(old: str, new: str, place: str, words: str) -> None:
    assert old in BASE
    with pytest.raises(DataError) as caught:
        parse_contract(BASE.replace(old, new, 1), "c.yaml")
    assert caught.value.code == "HS206"
    assert caught.value.place.startswith("c.yaml: ")
    assert place in caught.value.place
    assert words in caught.value.message


@pytest.mark.parametrize(
    "text", ["", "[1, 2]", "just words", "a: [", "schema: 3", "{apiVersion: v3.1.0, kind: DataContract, version: '1'}"]
)
def test_no_contract_at_all(text: str) -> None:
    with pytest.raises(DataError, match="HS206"):
        parse_contract(text, "c.yaml")


def test_a_yaml_fault_has_its_line() -> None:
    with pytest.raises(DataError) as caught:
        parse_contract("apiVersion: v3.1.0\nkind: [", "c.yaml")
    assert caught.value.place.startswith("c.yaml:")
    assert caught.value.place != "c.yaml:"


@pytest.mark.parametrize(
    ("version", "says"),
    [
        ('"1"\nversion: "2"', "'version' twice, first on line 5"),
        ("{a: 1, a: 2}", "'a' twice"),
        ("[" * 5000 + "]" * 5000, "more than 40 levels of nesting"),
        ("&v [1]\ntags: [*v, *v]", "the alias"),
        ('"\\ud83d"', "half a character"),
    ],
)
def test_yaml_that_would_lose_a_rule_or_never_end_is_refused(version: str, says: str) -> None:
    text = f"apiVersion: v3.1.0\nkind: DataContract\nid: a\nname: n\nversion: {version}\nschema: []\n"
    with pytest.raises(DataError) as caught:
        parse_contract(text, "c.yaml")
    assert caught.value.code == "HS206"
    assert says in caught.value.message
