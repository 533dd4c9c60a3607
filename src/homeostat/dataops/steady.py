"""What in a SELECT makes it answer otherwise on the same rows: the clock, the session, chance, and places outside its tables."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import duckdb

TABLE_FUNCTIONS = frozenset({"generate_series", "range", "unnest"})
# What a bare word means to DuckDB when no column has its name.
CLOCK_WORDS = frozenset(
    {
        *("current_catalog", "current_date", "current_role", "current_schema", "current_time", "current_timestamp", "current_user"),
        *("localtime", "localtimestamp", "session_user", "user"),
    }
)
SESSION = frozenset({"age", "current_schemas", "current_setting", "getvariable", "in_search_path"})
"""Functions that read the clock or the session although they take arguments: ``age(x)`` counts from today."""


def nodes_of(tree: Any) -> Iterator[dict[str, Any]]:
    """Every mapping in a syntax tree, outer ones first."""
    if isinstance(tree, dict):
        yield tree
        tree = list(tree.values())
    if isinstance(tree, list):
        for part in tree:
            yield from nodes_of(part)


def unsteady_functions(connection: duckdb.DuckDBPyConnection) -> frozenset[str]:
    """Names of functions whose result is not fixed by their arguments."""
    found = connection.execute(
        "SELECT DISTINCT function_name FROM duckdb_functions() WHERE stability = 'VOLATILE' "
        "OR (stability = 'CONSISTENT_WITHIN_QUERY' AND len(parameters) = 0)"
    ).fetchall()
    return frozenset(name for (name,) in found) | CLOCK_WORDS | SESSION


def unsteady_parts(nodes: list[dict[str, Any]], unsteady: Collection[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """What changes from run to run, such as ``now()`` or ``a sample``, each with its node."""
    inside = {id(node["function"]) for node in nodes if node.get("type") == "TABLE_FUNCTION"}
    for node in nodes:
        function = str(node.get("function_name", "")).lower()
        if node.get("sample") is not None:
            yield "a sample", node
        if node.get("class") == "FUNCTION" and function in unsteady and id(node) not in inside and not _between_two(node, function):
            yield f"{function}()", node


def outside_parts(nodes: list[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    """What reads something else than tables that are given, such as ``read_csv()``, each with its node."""
    for node in nodes:
        if node.get("type") == "TABLE_FUNCTION" and node["function"]["function_name"].lower() not in TABLE_FUNCTIONS:
            yield f"{node['function']['function_name']}()", node
        if node.get("type") == "SHOW_REF":
            yield "DESCRIBE or SHOW", node
        if node.get("type") == "BASE_TABLE" and (node["schema_name"] or node["catalog_name"]):
            yield f"the table {node['schema_name'] or node['catalog_name']}.{node['table_name']}", node


def clock_words(nodes: list[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Bare words that mean the clock or the session unless a column has their name, in lower case, each with its node."""
    for node in nodes:
        if node.get("class") == "COLUMN_REF" and len(node["column_names"]) == 1 and node["column_names"][0].lower() in CLOCK_WORDS:
            yield node["column_names"][0].lower(), node


def _between_two(node: dict[str, Any], function: str) -> bool:
    """``age`` of two moments is a difference like any other."""
    return function == "age" and len(node["arguments"]) == 2
