"""A contract on a frame: good rows with the contract's types, bad rows as they came with the rules they break and why."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from homeostat.core.casts import dtype_of, read_as
from homeostat.core.records import PROVENANCE, Breach, ContractReport
from homeostat.dataops.flags import Flag, column_flags, mark, read_values
from homeostat.dataops.measures import Measures
from homeostat.dataops.seen import Seen
from homeostat.dataops.sql import Queries, cannot_run, not_given, row_flag
from homeostat.dataops.verify import verify
from homeostat.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    import polars as pl

    from homeostat.core.records import Severity
    from homeostat.dataops.rules import ColumnRule, Contract, ForeignKey


def check(
    frame: pl.DataFrame, contract: Contract, *, references: Mapping[str, pl.DataFrame] | None = None, now: datetime | None = None
) -> ContractReport:
    """Split a delivery: each row is either good or quarantined, none is lost and none is changed on its way to quarantine.

    Rules on columns are ``<column>.type``, ``.required``, ``.range``, ``.length``, ``.pattern``, ``.allowed`` and ``.unique``; on rows
    ``<a>+<b>.unique``, ``<a>.in.<table>`` and named conditions. A null (or NaN) breaks only ``required``; a value that cannot be read as
    the column's type breaks only ``type``, and so does infinity. ``unique`` looks at this delivery alone: each occurrence after the first
    breaks it, whatever else is wrong with the first. A row that breaks rules of severity ``warn`` only is good.

    Rules on the whole (freshness, statistics, queries) look at the good rows, which are what would be taken in; those that do not hold, or
    cannot be answered because there is nothing to measure, are ``breaches``.

    ``good`` has the contract's columns, in its order and types (an absent optional column is null), then ``_source`` and
    ``_line`` if they came in. Columns the contract does not know are left out of it; ``compare_schemas`` tells of them.
    ``quarantined`` has all columns that came in, and ``_rules`` and ``_reasons``.

    Args:
        frame: the delivery.
        contract: what it must be.
        references: the tables that foreign keys and queries look into, by name.
        now: the moment freshness is judged at; without a zone it is UTC, as timestamps are.

    Raises:
        DataError: HS203, columns are missing that must be there; HS206, the contract contradicts itself; HS211, it needs a table that was
            not given; HS212, its SQL fails on these rows.
        ValueError: the contract has a freshness rule and ``now`` is missing.
    """
    checker = Checker(contract, references=references, now=now)
    report = checker.batch(frame)
    return replace(report, breaches=checker.finish())


class Checker:
    """``check`` for a delivery that comes in batches: any cutting of its rows gives the same good rows, quarantined rows and breaches.

    Memory, beside one batch: for each unique column and key the keys so far (``seen.Seen``: 8 bytes a row for numbers and times, 16 for
    texts and keys of several columns); the distinct keys of referenced tables; one block of 65,536 rows of the columns whose mean,
    deviation or correlation is limited; and for queries the columns they name (``sql.Queries``), all but 512 MiB of them in the folder
    ``spill`` when one is given. A contract without unique rules and queries is checked in the memory of one batch.

    Args:
        contract: what the delivery must be.
        references: the tables that foreign keys and queries look into, by name.
        now: the moment freshness is judged at; without a zone it is UTC.
        spill: a folder for what queries keep.

    Raises:
        DataError: HS203, a referenced table lacks a column; HS206, the contract contradicts itself; HS211, it needs a table that was not
            given.
        ValueError: the contract has a freshness rule and ``now`` is missing.
    """

    def __init__(
        self,
        contract: Contract,
        *,
        references: Mapping[str, pl.DataFrame] | None = None,
        now: datetime | None = None,
        spill: Path | None = None,
    ) -> None:
        given = references or {}
        verify(contract, f"contract {contract.name!r}", given)
        if contract.freshness and now is None:
            raise ValueError(f"contract {contract.name!r} has freshness rules, so the caller must say what time it is")
        self._contract = contract
        self._conditions = [row_flag(rule, contract) for rule in contract.conditions]
        self._known = {key.name: _known_keys(key, contract, given) for key in contract.references}
        keys = [(f"{column.name}.unique", (column.name,)) for column in contract.columns if column.unique]
        self._seen = {name: Seen() for name in [name for name, _ in keys] + [key.name for key in contract.keys]}
        self._measures = Measures(contract, now.astimezone(UTC).replace(tzinfo=None) if now and now.tzinfo else now)
        self._queries = Queries(contract, given, spill) if contract.queries else None

    def batch(self, frame: pl.DataFrame) -> ContractReport:
        """The next rows of the delivery, split as ``check`` splits it; ``breaches`` is empty.

        Raises:
            DataError: HS203, columns are missing that must be there; HS212, a condition fails on these rows.
        """
        contract = self._contract
        here = _columns_here(frame, contract)
        values = _with_absent(read_values(frame, here), contract)
        rules: list[Flag] = []
        for column in here:
            rules += column_flags(column, values)
            if column.unique:
                words = "a value not seen before"
                rules += self._repeated(f"{column.name}.unique", (column.name,), values, words, column.severity("unique"))
        for key in contract.keys:
            rules += self._repeated(key.name, key.columns, values, "a combination not seen before", key.severity)
        rules += [_unknown(key, values, self._known[key.name]) for key in contract.references]
        rules += self._conditions
        report = _split(frame, _good_columns(frame, values, contract), values, rules)
        self._measures.add(report.good)
        if self._queries:
            self._queries.add(report.good)
        return report

    def finish(self) -> tuple[Breach, ...]:
        """The rules on the whole delivery that do not hold, after its last batch.

        Raises:
            DataError: HS212, a query fails on these rows.
        """
        return (*self._measures.breaches(), *(self._queries.breaches() if self._queries else ()))

    def _repeated(self, name: str, columns: tuple[str, ...], values: pl.DataFrame, allowed: str, severity: Severity) -> list[Flag]:
        import polars as pl

        again = self._seen[name].repeated(values.select(columns))
        return [] if again is None else [Flag(name, columns, pl.lit(again), allowed, severity)]


def check_values(frame: pl.DataFrame, contract: Contract, columns: Collection[str]) -> ContractReport:
    """The value rules (all but ``unique``) of those of the given columns that are in both the frame and the contract.

    For rows that are not a whole delivery, such as served inputs. ``good`` keeps every column of the frame.
    """
    here = [rule for rule in contract.columns if rule.name in columns and rule.name in frame.columns]
    values = read_values(frame, here)
    return _split(
        frame, frame.with_columns(values[rule.name] for rule in here), values, [f for rule in here for f in column_flags(rule, values)]
    )


def _columns_here(frame: pl.DataFrame, contract: Contract) -> list[ColumnRule]:
    missing = [rule.name for rule in contract.columns if not rule.optional and rule.name not in frame.columns]
    if missing:
        raise DataError(
            "HS203",
            f"got the columns {', '.join(c for c in frame.columns if c not in PROVENANCE)}; missing: {', '.join(missing)}",
            place=f"contract {contract.name!r}",
            next_step="mend the delivery, or mark the columns as mayBeAbsent in the contract",
        )
    return [rule for rule in contract.columns if rule.name in frame.columns]


def _with_absent(values: pl.DataFrame, contract: Contract) -> pl.DataFrame:
    import polars as pl

    absent = [column for column in contract.columns if column.name not in values.columns]
    return values.with_columns(pl.lit(None, dtype=dtype_of(column.kind)).alias(column.name) for column in absent) if absent else values


def _good_columns(frame: pl.DataFrame, values: pl.DataFrame, contract: Contract) -> pl.DataFrame:
    return values.select(list(contract.schema())).with_columns(frame[name] for name in PROVENANCE if name in frame.columns)


def _split(frame: pl.DataFrame, good: pl.DataFrame, values: pl.DataFrame, rules: list[Flag]) -> ContractReport:
    """Split the rows of ``frame`` by the flags; ``good`` has the same rows as they are taken in."""
    import polars as pl

    flags = _evaluated(values, rules)
    counts = {name: int(count) for name, count in flags.sum().row(0, named=True).items() if count} if flags.width else {}
    broken = [rule for rule in rules if rule.name in counts and rule.severity != "warn"]
    warnings = {rule.name: counts[rule.name] for rule in rules if rule.name in counts and rule.severity == "warn"}
    if not broken:
        return ContractReport(good, mark(frame.clear(), flags, []), {}, warnings)
    flags = flags.select(rule.name for rule in broken)
    bad = flags.select(pl.any_horizontal(pl.all())).to_series()
    quarantined = mark(frame.filter(bad), flags.filter(bad), broken)
    failures = {rule.name: counts[rule.name] for rule in broken}
    return ContractReport(good.filter(~bad), quarantined, failures, warnings, {rule.name: rule.severity for rule in broken})


def _evaluated(values: pl.DataFrame, rules: list[Flag]) -> pl.DataFrame:
    """One column of booleans per rule."""
    import polars as pl

    try:
        return values.select(rule.broken.fill_null(value=False).alias(rule.name) for rule in rules)
    except pl.exceptions.PolarsError:
        for rule in rules:
            try:
                values.select(rule.broken)
            except pl.exceptions.PolarsError as error:
                raise cannot_run(rule.name, rule.allowed, error) from error
        raise


def _known_keys(key: ForeignKey, contract: Contract, references: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """The distinct keys of the table a foreign key looks into, in the types and under the names of the contract's columns."""
    if key.table not in references:
        raise not_given(key.name, key.table, references)
    table, kinds = references[key.table], {column.name: column.kind for column in contract.columns}
    missing = [name for name in key.to if name not in table.columns]
    if missing:
        raise DataError(
            "HS203",
            f"got the columns {', '.join(table.columns)}; missing: {', '.join(missing)}",
            place=f"contract rule {key.name!r}, table {key.table!r}",
            next_step="name a column of that table in the contract",
        )
    typed = (read_as(there, table.schema[there], kinds[own]).alias(own) for own, there in zip(key.columns, key.to, strict=True))
    return table.select(typed).drop_nulls().unique()


def _unknown(key: ForeignKey, values: pl.DataFrame, known: pl.DataFrame) -> Flag:
    import polars as pl

    allowed = f"a value of {', '.join(key.to)} in {key.table}"
    if len(key.columns) == 1:
        return Flag(key.name, key.columns, ~pl.col(key.columns[0]).is_in(known.to_series().implode()), allowed, key.severity)
    rows = values.select(key.columns)
    found = rows.join(known.with_columns(pl.lit(1).alias("_known:")), on=key.columns, how="left", maintain_order="left")
    missing = found.select(~pl.any_horizontal(pl.col(key.columns).is_null()) & pl.col("_known:").is_null()).to_series()
    return Flag(key.name, key.columns, pl.lit(missing), allowed, key.severity)
