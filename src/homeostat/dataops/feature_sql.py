"""A project's ``features.sql`` read without running it: one SELECT over known tables that gives the same rows every time."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from homeostat.dataops.steady import clock_words, nodes_of, outside_parts, unsteady_functions, unsteady_parts
from homeostat.errors import DataError

if TYPE_CHECKING:
    import duckdb

MAIN = "data"


@dataclass(frozen=True, slots=True)
class FeatureSql:
    """A checked statement.

    Args:
        text: the statement as written, without a final semicolon.
        name: the file, for messages.
        tables: the names it reads.
        words: bare words that mean the clock or the session unless a column has their name, with their lines.
        row_level: each output row depends on one row of ``data`` only, so that ``data`` may come in batches. False when in doubt.
    """

    text: str
    name: str
    tables: frozenset[str]
    words: Mapping[str, int]
    row_level: bool


def feature_sql(text: str, name: str = "features.sql") -> FeatureSql:
    """Check that a text is one SELECT that touches nothing but its tables and has no chance or clock in it.

    Raises:
        DataError: HS226, not one valid SELECT; HS228, it reads files, system tables, the clock or random numbers.
    """
    import duckdb

    with duckdb.connect(":memory:", config={"enable_external_access": "false"}) as connection:
        try:
            statements = connection.extract_statements(text)
        except duckdb.Error as error:
            raise sql_error(error, text, name) from error
        kinds = [statement.type.name for statement in statements]
        if kinds != ["SELECT"]:
            got = " and ".join(kinds) or "nothing"
            raise DataError("HS226", f"got {got}; allowed: one SELECT", place=name, next_step="write one SELECT; WITH may come before it")
        whole = statements[0].query.rstrip().removesuffix(";")
        tree = json.loads(connection.execute("SELECT json_serialize_sql(?::VARCHAR)", [whole]).fetchall()[0][0])
        if tree["error"]:
            raise DataError("HS226", f"got a statement that cannot be checked: {tree['error_message']}", place=name)
        unsteady, gathering = unsteady_functions(connection), _gathering(connection)
    nodes = list(nodes_of(tree["statements"]))
    for what, node in outside_parts(nodes):
        raise _forbidden(what, node, whole, name)
    for what, node in unsteady_parts(nodes, unsteady):
        raise _unsteady(what, f"{name}:{_line(node, whole)}")
    named = {entry["key"] for node in nodes for entry in _cte_entries(node)}
    read = [node["table_name"].lower() for node in nodes if node.get("type") == "BASE_TABLE" and node["table_name"] not in named]
    words = {word: _line(node, whole) for word, node in clock_words(nodes)}
    gathers = any(_gathers(node, gathering) for node in nodes)
    return FeatureSql(whole, name, frozenset(read), words, row_level=not gathers and read.count(MAIN) == 1)


def sql_error(error: duckdb.Error, text: str, name: str) -> DataError:
    """What DuckDB says about a statement in one line, with the line of the file."""
    import re

    told = str(error)
    message = re.sub(r"^[A-Za-z ]+ Error: ", "", told.split("\n\nLINE ", maxsplit=1)[0]).strip()
    place = re.search(r"^LINE (\d+):", told, re.MULTILINE)
    if place is not None:
        return DataError("HS226", message, place=f"{name}:{place[1]}")
    quoted = re.search(r'with name (\S+)|"([^"]+)"', message)
    word = None if quoted is None else re.search(rf"\b{re.escape(quoted[1] or quoted[2])}\b", text)
    return DataError("HS226", message, place=name if word is None else f"{name}:{text.count(chr(10), 0, word.start()) + 1}")


def refuse_words(sql: FeatureSql, columns: Collection[str]) -> None:
    """Refuse the bare words that no column has the name of.

    Raises:
        DataError: HS228, such as ``current_date``.
    """
    known = {column.lower() for column in columns}
    for word, line in sql.words.items():
        if word not in known:
            raise _unsteady(word, f"{sql.name}:{line}")


def _gathering(connection: duckdb.DuckDBPyConnection) -> frozenset[str]:
    """Names of functions that gather many rows."""
    found = connection.execute(
        "SELECT DISTINCT function_name FROM duckdb_functions() WHERE function_type IN ('aggregate', 'window')"
    ).fetchall()
    return frozenset(name for (name,) in found)


def _cte_entries(node: dict[str, Any]) -> list[dict[str, Any]]:
    found = node.get("cte_map")
    return found["map"] if isinstance(found, dict) else []


def _gathers(node: dict[str, Any], gathering: Collection[str]) -> bool:
    """Whether a part of the tree makes a row depend on other rows."""
    many = node.get("class") == "FUNCTION" and str(node["function_name"]).lower() in gathering
    cut = any(
        modifier["type"] in ("DISTINCT_MODIFIER", "LIMIT_MODIFIER", "LIMIT_PERCENT_MODIFIER") for modifier in node.get("modifiers") or ()
    )
    other = node.get("type") in ("SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE", "PIVOT")
    return many or cut or other or node.get("class") == "WINDOW" or bool(node.get("group_expressions")) or node.get("qualify") is not None


def _line(node: dict[str, Any], text: str) -> int:
    at = int(node.get("query_location", 0))
    raw = text.encode()
    return raw.count(b"\n", 0, at) + 1 if at <= len(raw) else 1


def _forbidden(what: str, node: dict[str, Any], text: str, name: str) -> DataError:
    step = "declare it in data.tables and read it by that name"
    return DataError(
        "HS228", f"got {what}; allowed: `data` and the names in data.tables", place=f"{name}:{_line(node, text)}", next_step=step
    )


def _unsteady(what: str, place: str) -> DataError:
    message = f"got {what}, whose value changes from run to run; the same rows must give the same dataset version"
    return DataError("HS228", message, place=place, next_step="take the moment from a column, and random choices from a hash of the keys")
