"""SQL in contracts: conditions on rows in Polars, SELECTs over a delivery in DuckDB. SQL that is wrong is found before any row is read."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from homeostat.core.casts import dtype_of
from homeostat.core.quoting import quoted
from homeostat.core.records import Breach
from homeostat.core.row_sql import row_expression
from homeostat.dataops.flags import Flag
from homeostat.dataops.steady import clock_words, nodes_of, outside_parts, unsteady_functions, unsteady_parts
from homeostat.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

    import polars as pl

    from homeostat.dataops.rules import Contract, QueryRule, RowRule

DATA = "data"
_BATCH, _KEPT = "a batch:", "all batches:"  # no table of a project is called so
_OBJECT = re.compile(r"\$?\{(object|table)\}")
IN_MEMORY = "512MiB"
"""What queries keep in memory when they may use a folder for the rest."""
_NUMBER = re.compile(r"BOOLEAN|U?(TINY|SMALL|BIG|HUGE)?INT|FLOAT|DOUBLE|DECIMAL")
_SHOWN = 3


def typed_rows(contract: Contract) -> pl.DataFrame:
    """No rows, with the columns and types of rows that pass."""
    import polars as pl

    return pl.DataFrame(schema={column.name: dtype_of(column.kind) for column in contract.columns})


def row_flag(rule: RowRule, contract: Contract) -> Flag:
    """The condition, ready to run on values in the contract's types.

    Raises:
        ValueError: the text says what is wrong with the SQL, and which columns there are.
    """
    import polars as pl

    columns = f"the columns are {', '.join(contract.schema())}"
    try:
        condition = row_expression(rule.sql)
        dtype = typed_rows(contract).lazy().select(condition).collect_schema().dtypes()
    except ValueError as problem:
        step = "; such a rule is written as a query" if "other rows" in str(problem) else f"; allowed is a condition in SQL, {columns}"
        raise ValueError(f"got {rule.sql!r}, which {problem}{step}") from problem
    except pl.exceptions.PolarsError as error:
        raise ValueError(f"got {rule.sql!r}: {_first_line(error)}; allowed is a condition in SQL, {columns}") from error
    names = tuple(dict.fromkeys(condition.meta.root_names()))
    if dtype != [pl.Boolean] or not names:
        raise ValueError(f"got {rule.sql!r}, which is not true or false for each row; allowed is a condition over columns, {columns}")
    return Flag(rule.name, names, ~condition, rule.sql, rule.severity)


class Queries:
    """A contract's SELECT rules on a delivery that comes in batches.

    Memory: the columns the SELECTs name, in DuckDB's form; with a ``spill`` folder at most ``IN_MEMORY`` of it, the rest lies there.
    """

    def __init__(self, contract: Contract, references: Mapping[str, pl.DataFrame], spill: Path | None) -> None:
        self._rules = contract.queries
        self._names = dict.fromkeys((DATA, contract.table_name))
        self._pending: pl.DataFrame | None = None
        self._kept = False
        self._connection = _connect(spill)
        self._columns = _columns_read(self._connection, contract)
        self._others = {name: frame for name, frame in references.items() if name not in self._names}
        for name, frame in self._others.items():
            _register(self._connection, name, frame)

    def add(self, good: pl.DataFrame) -> None:
        """Take in the good rows of one batch."""
        self._keep()
        self._pending = good.select(self._columns)

    def breaches(self) -> Iterator[Breach]:
        """The rules that do not hold on all rows taken in.

        Raises:
            DataError: HS212, a SELECT fails on these rows.
        """
        import duckdb

        if self._kept:
            self._keep()
        else:
            self._expose(self._pending)
        for rule in self._rules:
            try:
                breach = _judged(rule, self._connection)
            except duckdb.Error as error:
                raise cannot_run(rule.name, rule.sql, error) from error
            if breach:
                yield breach

    def _keep(self) -> None:
        """Move the last batch into DuckDB's own table: a delivery of one batch never needs to be copied."""
        if self._pending is None:
            return
        _register(self._connection, _BATCH, self._pending)
        if self._kept:
            self._connection.execute(f'INSERT INTO "{_KEPT}" FROM "{_BATCH}"')
        else:
            self._connection.execute(f'CREATE TABLE "{_KEPT}" AS FROM "{_BATCH}"')
            for name in self._names:
                self._connection.execute(f'CREATE VIEW {quoted(name)} AS FROM "{_KEPT}"')
            self._kept = True
        self._connection.unregister(_BATCH)
        self._pending = None

    def _expose(self, frame: pl.DataFrame | None) -> None:
        if frame is not None:
            for name in self._names:
                _register(self._connection, name, frame)


def query_problems(contract: Contract, references: Mapping[str, pl.DataFrame] | None) -> Iterator[tuple[str, str]]:
    """Try the SELECTs on tables without rows: each rule that is wrong, and in words why.

    ``references`` is None when the other tables are not known yet: then a SELECT that reads one must only parse.

    Raises:
        DataError: HS211, one reads a table that was not given.
    """
    if not contract.queries:
        return
    connection = _connect(None)
    own = dict.fromkeys((DATA, contract.table_name))
    for name in own:
        _register(connection, name, typed_rows(contract))
    given = {name.lower(): name for name in references or {}}
    unsteady = unsteady_functions(connection)
    for rule in contract.queries:
        tree = _tree(connection, rule.sql)
        if tree.get("error"):
            yield rule.name, f"got {rule.sql!r}: {tree['error_message']}; one SELECT is allowed"
            continue
        if len(tree["statements"]) != 1:
            yield rule.name, f"got {len(tree['statements'])} statements; one SELECT is allowed"
            continue
        others = sorted(_tables(tree) - {name.lower() for name in own})
        seen = None if others and references is None else [typed_rows(contract), *(references or {}).values()]
        if strays := _strays(list(nodes_of(tree)), unsteady, seen):
            yield rule.name, f"got {rule.sql!r}{strays}"
            continue
        if others and references is None:
            continue
        for name in others:
            if name not in given:
                raise not_given(rule.name, name, references or {})
            _register(connection, given[name], (references or {})[given[name]].clear())
        problem = _shape_problem(connection, rule)
        if problem:
            yield rule.name, f"got {rule.sql!r}{problem}; the columns are {', '.join(contract.schema())}"


def _strays(nodes: list[dict[str, Any]], unsteady: Collection[str], seen: Sequence[pl.DataFrame] | None) -> str:
    """What a SELECT reads beside the tables it sees (None: not known yet); nothing when it keeps to them."""
    for what, _ in outside_parts(nodes):
        return f", which reads {what}; allowed: {DATA} and the names in data.tables"
    columns = {name.lower() for frame in seen or () for name in frame.columns}
    words = [] if seen is None else [word for word, _ in clock_words(nodes) if word not in columns]
    for what in (*(part for part, _ in unsteady_parts(nodes, unsteady)), *words):
        return f", which reads {what}; its value changes from run to run, and the same rows must be judged the same every time"
    return ""


def _shape_problem(connection: Any, rule: QueryRule) -> str:
    """What is wrong with a SELECT's names or result; nothing when it is right."""
    import duckdb

    try:
        types = [str(row[1]) for row in connection.execute(f"DESCRIBE {_filled(rule)}").fetchall()]
    except duckdb.Error as error:
        return f": {_first_line(error)}"
    if rule.limits is None or (len(types) == 1 and _NUMBER.match(types[0])):
        return ""
    return f", which gives {', '.join(types)}; a SELECT of one number (or boolean) is allowed"


def _connect(spill: Path | None) -> Any:
    """A database in memory that reads no file. One thread: sums are taken in the order of the rows, so a number is the same each time."""
    import duckdb

    config: dict[str, str | bool | int] = {"threads": 1, "python_enable_replacements": False, "autoinstall_known_extensions": False}
    if spill is not None:
        config |= {"temp_directory": str(spill), "memory_limit": IN_MEMORY}
    connection = duckdb.connect(config=config)
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")
    return connection


class _Arrow:
    """A frame as a stream of Arrow data, with nothing else about it that DuckDB would look for."""

    def __init__(self, frame: pl.DataFrame) -> None:
        self._frame = frame

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        return self._frame.__arrow_c_stream__(requested_schema)


def _register(connection: Any, name: str, frame: pl.DataFrame) -> None:
    connection.register(name, _Arrow(frame))


def _filled(rule: QueryRule) -> str:
    return _OBJECT.sub(DATA, rule.sql).strip().rstrip(";")


def _tree(connection: Any, sql: str) -> dict[str, Any]:
    """The SELECT as DuckDB parses it."""
    [(text,)] = connection.execute("SELECT json_serialize_sql(?)", [_OBJECT.sub(DATA, sql)]).fetchall()
    found: dict[str, Any] = json.loads(text)
    return found


def _tables(tree: dict[str, Any]) -> set[str]:
    """Names of the tables it reads, in lower case, without those it defines itself."""
    nodes = list(nodes_of(tree))
    defined = {str(entry["key"]).lower() for node in nodes for entry in node.get("cte_map", {}).get("map", ())}
    return {str(node["table_name"]).lower() for node in nodes if node.get("type") == "BASE_TABLE"} - defined


def _columns_read(connection: Any, contract: Contract) -> list[str]:
    """The delivery's columns that the SELECTs can touch: all of them where one says ``*``, joins naturally or names a table as a value."""
    names: set[str] = set()
    for rule in contract.queries:
        nodes = list(nodes_of(_tree(connection, rule.sql)))
        named = {str(part).lower() for node in nodes for part in node.get("column_names", ())[-1:]}
        tables = {str(node.get(key, "")).lower() for node in nodes for key in ("table_name", "alias")} - {""}
        natural = any(node.get("ref_type") == "NATURAL" or node.get("using_columns") for node in nodes)
        if natural or named & tables or any(node.get("class") == "STAR" for node in nodes):
            return list(contract.schema())
        names |= named
    return [name for name in contract.schema() if name.lower() in names] or list(contract.schema())[:1]


def _judged(rule: QueryRule, connection: Any) -> Breach | None:
    sql = _filled(rule)
    if rule.limits is None:
        [(count,)] = connection.execute(f"FROM ({sql}) AS found SELECT count(*)").fetchall()
        if not count:
            return None
        rows = connection.execute(f"FROM ({sql}) AS found LIMIT {_SHOWN}").fetchall()
        first = ", ".join(str(row[0] if len(row) == 1 else row) for row in rows) + (", ..." if count > _SHOWN else "")
        return Breach(rule.name, rule.severity, f"{rule.name}: got {count} rows ({first}), allowed: none", float(count), "no rows")
    words = rule.limits.words()
    found = connection.execute(f"FROM ({sql}) AS found LIMIT 2").fetchall()
    value = found[0][0] if len(found) == 1 else None
    if value is None:
        got = "no value" if len(found) < 2 else "more than one row"
        return Breach(rule.name, rule.severity, f"{rule.name}: got {got}, allowed: {words}", None, words)
    if rule.limits.hold(float(value)):
        return None
    return Breach(rule.name, rule.severity, f"{rule.name}: got {value}, allowed: {words}", float(value), words)


def cannot_run(rule: str, sql: str, error: Exception) -> DataError:
    """What is raised when SQL that is right in itself fails on the rows that came."""
    return DataError(
        "HS212",
        f"{sql!r} fails on these rows: {_first_line(error)}",
        place=f"contract rule {rule!r}",
        next_step="write the rule so that every row can be judged, such as with TRY_CAST",
    )


def not_given(rule: str, table: str, references: Mapping[str, pl.DataFrame]) -> DataError:
    """What is raised when a contract looks into a table that the check was not given."""
    return DataError(
        "HS211",
        f"the rule needs the table {table!r}; given are: {', '.join(sorted(references)) or 'none'}",
        place=f"contract rule {rule!r}",
        next_step="name the table under data.tables in the charter, or take the rule out of the contract",
    )


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
