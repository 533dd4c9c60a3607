"""Contracts as other tools write them: what the standard says in its own words is read, what cannot be checked is refused by its clause."""

from __future__ import annotations

import copy
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from homeostat.dataops.contract import (
    ColumnRule,
    ForeignKey,
    Freshness,
    Limits,
    QueryRule,
    Statistic,
    UniqueKey,
    dump_contract,
    parse_contract,
)
from homeostat.errors import DataError

FOREIGN = """
apiVersion: v3.1.0
kind: DataContract
id: orders-of-the-shop
name: Orders of the shop
version: 2.0.0
status: active
domain: sales
tenant: shop
dataProduct: orders
contractCreatedTs: "2026-01-01T00:00:00Z"
authoritativeDefinitions: [{url: "https://example.org/orders", type: businessDefinition}]
support: [{channel: data-help, tool: email}]
price: {priceAmount: 1.5, priceCurrency: EUR, priceUnit: gigabyte}
team: {name: shop data, members: [{username: ann, role: owner}]}
roles: [{role: reader, access: read}]
servers: [{server: here, type: local, path: ./orders, format: parquet}]
tags: [orders]
slaProperties:
  - {property: latency, value: 4, unit: d, element: orders.ordered_at}
  - {property: generalAvailability, value: "2026-01-01T00:00:00Z"}
  - {property: retention, value: 3, unit: y, element: orders.ordered_at}
schema:
  - id: orders_tbl
    name: orders
    physicalType: table
    dataGranularityDescription: one row a line of an order
    quality:
      - {metric: rowCount, mustBeBetween: [100, 120], dimension: completeness}
      - {type: library, metric: duplicateValues, mustBe: 0, arguments: {properties: [order_no, item]}, severity: critical}
      - {type: text, description: totals agree with the ledger}
      - {name: paid, type: sql, query: "SELECT COUNT(*) FROM ${object} WHERE amount IS NULL", mustBeLessOrEqualTo: 3, severity: warning}
      - {name: fair, type: sql, query: "SELECT AVG(amount) < 100 FROM orders", mustBe: true, schedule: 0 20 * * *, scheduler: cron}
    relationships:
      - {from: schema/orders_tbl/properties/ordered_item, to: "stock.yaml#/schema/items/properties/item_no", type: foreignKey}
      - {from: [orders.order_no, orders.item], to: [lines.order_no, lines.item]}
    properties:
      - name: order_no
        logicalType: string
        physicalType: varchar(9)
        primaryKey: true
        primaryKeyPosition: 1
        logicalTypeOptions: {minLength: 9, maxLength: 9, pattern: "^[A-Z]{2}[0-9]{7}$"}
        classification: internal
        examples: [AB1234567]
        criticalDataElement: true
      - id: ordered_item
        name: item
        logicalType: integer
        logicalTypeOptions: {format: i16, minimum: 1}
        primaryKey: true
        primaryKeyPosition: 2
        relationships: [{to: catalogue.item}]
        partitioned: true
        partitionKeyPosition: 1
      - name: amount
        logicalType: number
        logicalTypeOptions: {exclusiveMinimum: 0, maximum: 1000, format: f64}
        transformLogic: price * quantity
        quality:
          - {metric: nullValues, mustBeLessThan: 1, unit: percent}
          - {type: sql, query: "SELECT COUNT(*) FROM {object} WHERE {property} > 900", mustBeLessThan: 5, severity: info}
      - name: unit
        logicalType: string
        quality:
          - {metric: invalidValues, mustBe: 0, arguments: {validValues: [kg, pounds], pattern: "^[a-z]+$"}, severity: error}
          - {metric: nullValues, mustBe: 0, severity: critical, dimension: completeness, businessImpact: operational, method: counting}
      - name: ordered_at
        logicalType: timestamp
        logicalTypeOptions: {minimum: "2020-01-01 00:00:00", format: "yyyy-MM-dd HH:mm:ss", timezone: false}
"""


def test_the_standards_own_words_are_read() -> None:
    contract = parse_contract(FOREIGN, "orders.yaml")
    assert (contract.name, contract.version, contract.table_name) == ("Orders of the shop", "2.0.0", "orders")
    assert contract.columns == (
        ColumnRule("order_no", "string", required=True, shortest=9, longest=9, pattern="^[A-Z]{2}[0-9]{7}$"),
        ColumnRule("item", "integer", required=True, minimum=1, maximum=2**15 - 1),
        ColumnRule("amount", "number", above=0, maximum=1000),
        ColumnRule("unit", "string", required=True, allowed=("kg", "pounds"), pattern="^[a-z]+$", severities=(("required", "stop"),)),
        ColumnRule("ordered_at", "timestamp", minimum="2020-01-01 00:00:00"),
    )
    assert set(contract.keys) == {UniqueKey(("order_no", "item"), "stop")}
    assert set(contract.references) == {
        ForeignKey(("item",), "items", ("item_no",)),
        ForeignKey(("item",), "catalogue", ("item",)),
        ForeignKey(("order_no", "item"), "lines", ("order_no", "item")),
    }
    assert contract.freshness == (Freshness("ordered_at", timedelta(days=4)),)
    assert set(contract.statistics) == {
        Statistic("rows", "rows", Limits(above=100, below=120)),
        Statistic("amount.null_percent", "null_percent", Limits(below=1), ("amount",)),
    }
    assert set(contract.queries) == {
        QueryRule("paid", "SELECT COUNT(*) FROM ${object} WHERE amount IS NULL", Limits(maximum=3), "warn"),
        QueryRule("fair", "SELECT AVG(amount) < 100 FROM orders", Limits(minimum=1, maximum=1)),
        QueryRule("amount.quality[1]", 'SELECT COUNT(*) FROM {object} WHERE "amount" > 900', Limits(below=5), "warn"),
    }


@pytest.mark.parametrize(
    ("old", "new", "place", "words"),
    [
        ("metric: rowCount, mustBeBetween: [100, 120]", "metric: rowCount", "schema[0].quality[0]", "got no operator; one of mustBe"),
        ("mustBeBetween: [100, 120]", "mustNotBe: 7", "schema[0].quality[0]", "the clause 'mustNotBe'; allowed are"),
        ("mustBeBetween: [100, 120]", "mustBeBetween: 100", "quality[0].mustBeBetween", "got 100; a list of two numbers"),
        ("mustBeBetween: [100, 120]", "mustBe: many", "quality[0].mustBe", "got 'many'; a number"),
        ("metric: rowCount", "metric: missingValues", "schema[0].quality[0].metric", "'missingValues'; allowed: rowCount"),
        ("properties: [order_no, item]", "properties: [order_no, nothing]", "rule 'order_no+nothing.unique'", "the column 'nothing'"),
        ("mustBe: 0, arguments: {properties", "mustBe: 2, arguments: {properties", "schema[0].quality[1].mustBe", "got 2; 0 is allowed"),
        (
            "mustBeLessThan: 1, unit: percent",
            "mustBeLessThan: 1, unit: shares",
            "(amount).quality[0].unit",
            "'shares'; allowed: rows, percent",
        ),
        ("type: text, description", "type: custom, engine: soda, description", "schema[0].quality[2].engine", "'soda'; allowed: homeostat"),
        ("SELECT AVG(amount)", "SELECT AVG(amuont)", "orders.yaml: rule 'fair'", "the columns are order_no, item"),
        ("name: fair", "name: paid", "schema[0].quality[4]", "the name 'paid' a second time"),
        ("value: 4, unit: d", "value: 4, unit: fortnights", "slaProperties[0].unit", "'fortnights'; allowed: d, h"),
        ("value: 4, unit: d", "value: soon, unit: d", "slaProperties[0].value", "'soon'; a number"),
        ("value: 4, unit: d", "value: 99999999, unit: d", "slaProperties[0].value", "0 to a hundred years"),
        ("unit: d, element: orders.ordered_at", "unit: d, element: lines.at", "slaProperties[0].element", "a column of 'orders'"),
        ("unit: d, element: orders.ordered_at", "unit: d", "slaProperties[0].element", "got nothing"),
        ("to: catalogue.item", "to: catalogue.item.no", "(item).relationships[0].to", "allowed: table.column"),
        ("to: catalogue.item", "from: orders.item, to: a.b", "(item).relationships[0].from", "starts at that property"),
        ("to: [lines.order_no, lines.item]", "to: [lines.order_no, other.item]", "relationships[1].to", "columns of one table"),
        ("to: [lines.order_no, lines.item]", "to: lines.item", "rule 'order_no+item.in.lines'", "2 columns and 1"),
        ("from: [orders.order_no, orders.item]", "from: [lines.a, lines.b]", "relationships[1].from", "the table 'lines'"),
        ("type: foreignKey", "type: friend", "relationships[0].type", "'friend'; allowed: foreignKey"),
        ("minLength: 9", "minLength: -1", "(order_no).logicalTypeOptions.minLength", "a whole number of 0 or more"),
        ("format: i16", "format: i12", "(item).logicalTypeOptions.format", "'i12'; allowed: i8"),
        ("timezone: false", "defaultTimezone: Australia/Sydney", "(ordered_at).logicalTypeOptions", "'defaultTimezone'"),
        ("logicalType: timestamp", "logicalType: time", "(ordered_at).logicalType", "'time'; allowed"),
        ('pattern: "^[A-Z]{2}[0-9]{7}$"', 'pattern: "(?=A)"', "rule 'order_no'", "without look-around"),
        ("format: f64", "multipleOf: 0.5", "(amount).logicalTypeOptions", "'multipleOf'"),
    ],
)
def test_what_cannot_be_checked_is_refused_by_its_clause(old: str, new: str, place: str, words: str) -> None:
    assert old in FOREIGN
    with pytest.raises(DataError) as caught:
        parse_contract(FOREIGN.replace(old, new, 1), "orders.yaml")
    assert caught.value.code == "HS206"
    assert place in caught.value.place
    assert words in caught.value.message
    assert "orders.yaml" in caught.value.place


def _places(node: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [path, *(place for key, value in inner for place in _places(value, (*path, key)))]


DOCUMENT = yaml.safe_load(FOREIGN)
JUNK = st.sampled_from(
    [None, 0, -1, 2.5, float("nan"), True, "", "x", "a.b", "{object}", [], [None], ["x"], {}, {"x": 1}, [[]], [{"type": "sql"}], 10**30]
)


@settings(max_examples=100)
@given(st.sampled_from(_places(DOCUMENT)[1:]), JUNK)
def test_junk_in_any_place_is_read_or_refused(place: tuple[Any, ...], junk: Any) -> None:
    document = copy.deepcopy(DOCUMENT)
    node = document
    for key in place[:-1]:
        node = node[key]
    node[place[-1]] = junk
    try:
        contract = parse_contract(yaml.safe_dump(document), "orders.yaml")
    except DataError as error:
        refusal = (error.code, error.place.partition(": ")[0])
    else:
        assert parse_contract(dump_contract(contract), "again.yaml") == contract
        return
    assert refusal == ("HS206", "orders.yaml")


def test_the_page_on_contracts_shows_one_that_is_read() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "contracts.md").read_text(encoding="utf-8")
    (text,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    contract = parse_contract(text, "contracts.md")
    assert [rule.name for rule in contract.table_rules()] == [
        "customer+ordered.unique",
        "customer.in.customers",
        "sent after ordered",
        "ordered.fresh",
        "amount.null_percent",
        "rows",
        "usual amounts",
        "one day's turnover",
    ]
    assert parse_contract(dump_contract(contract), "again") == contract
