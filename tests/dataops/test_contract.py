"""Contracts as text: exact round trips, the published names, and errors that say the clause."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from homeostat.dataops.contract import ColumnRule, Contract, dump_contract, parse_contract
from homeostat.errors import DataError

NAMES = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=12)
NUMBERS = st.one_of(st.none(), st.integers(-(2**62), 2**62), st.floats(-1e18, 1e18))


@st.composite
def rules(draw: st.DrawFn) -> ColumnRule:
    kind = draw(st.sampled_from(["number", "integer", "string", "boolean", "date", "timestamp"]))
    low = high = None
    if kind in ("number", "integer"):
        low, high = draw(NUMBERS), draw(NUMBERS)
    elif kind == "date":
        low, high = (draw(st.one_of(st.none(), st.dates().map(lambda d: d.isoformat()))) for _ in range(2))
    elif kind == "timestamp":
        low, high = (draw(st.one_of(st.none(), st.datetimes().map(lambda d: d.isoformat()))) for _ in range(2))
    if low is not None and high is not None and low > high:  # type: ignore[operator]
        low, high = high, low
    values = {
        "string": NAMES,
        "integer": st.integers(-(2**63), 2**63 - 1).map(str),
        "number": st.floats(allow_nan=False, allow_infinity=False).map(str),
        "boolean": st.sampled_from(["true", "false"]),
        "date": st.dates().map(lambda d: d.isoformat()),
    }
    allowed = draw(st.one_of(st.none(), st.lists(values[kind], min_size=1, max_size=3).map(tuple))) if kind in values else None
    flags = [draw(st.booleans()) for _ in range(3)]
    return ColumnRule(draw(NAMES), kind, flags[0], flags[1], low, high, allowed, flags[2])


@settings(deadline=None, max_examples=60)
@given(NAMES, NAMES, st.lists(rules(), min_size=1, max_size=4, unique_by=lambda rule: rule.name))
def test_round_trip_is_exact(name: str, version: str, columns: list[ColumnRule]) -> None:
    contract = Contract(name, version, tuple(columns))
    assert parse_contract(dump_contract(contract), "c.yaml") == contract


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
        ("minimum: 0", "exclusiveMinimum: 0", "(a).logicalTypeOptions", "'exclusiveMinimum'; allowed are maximum, minimum"),
        ("logicalType: number", "logicalType: string", "(a).logicalTypeOptions.minimum", "no limits are allowed"),
        ("logicalType: number", "logicalType: date", "(a).logicalTypeOptions.minimum", "ISO 8601 text is allowed"),
        ("- name: b", "- name: a", "properties[1].name", "'a' a second time"),
        ("mustBe: 0", "mustBe: 5", "(b).quality[0].mustBe", "got 5; 0 is allowed"),
        ("metric: invalidValues", "metric: rowCount", "(b).quality[0].metric", "'rowCount'; allowed: nullValues"),
        ("type: library", "type: sql", "(b).quality[0].type", "'sql'; allowed: library"),
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
