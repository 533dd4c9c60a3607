"""From loaded rows to the rows models learn from: joins, features, and the second validation. Without either the loaded rows are it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from homeostat.core.addresses import without_secrets
from homeostat.core.ids import digest
from homeostat.core.records import PROVENANCE
from homeostat.errors import DataError
from homeostat.flow.intake import MAIN, accepted, contract_digest, is_transformed, load_contract, loaded

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import polars as pl

    from homeostat.core.facts import Fact
    from homeostat.core.ports import Progress
    from homeostat.core.records import ContractReport
    from homeostat.core.sections import Join
    from homeostat.dataops.contract import Contract
    from homeostat.flow.project import Project

CURATED = "curated"
MEMORY_MB = 2_048
"""What the transformation may use before it spills to disk."""


@dataclass(frozen=True, slots=True)
class Curated:
    """A committed version of the rows to learn from. ``dropped`` rows were filtered out by ``features.sql``, ``quarantined`` afterwards.

    ``changed`` are joined columns that ``features.sql`` left out or gave other values.
    """

    table: str
    version: int
    rows: int
    schema: Mapping[str, str]
    digest: str
    dropped: int = 0
    quarantined: int = 0
    changed: tuple[str, ...] = ()


def recipe(project: Project) -> dict[str, Any]:
    """What makes the curated rows out of the loaded ones; equal recipes on equal rows give equal rows."""
    data = project.charter.data
    return {
        "source": without_secrets(data.source),
        "joins": [_clause(join) for join in data.joins],
        "features": _features(project),
        "contract": contract_digest(project, data.contract),
        "curated_contract": contract_digest(project, data.curated_contract),
    }


def _clause(join: Join) -> dict[str, Any]:
    """The clauses of a join that decide what it adds: a table looks up online what it adds anyway."""
    unsaid = {name for name in ("key", "aggregates") if not getattr(join, name)}
    return join.model_dump(mode="json", exclude={"online", *unsaid})


def curate(project: Project, kept: Mapping[str, Fact], progress: Progress | None = None) -> Curated:
    """Make the curated rows and check them as a whole. ``kept`` are the deliveries whose rows lie in the main table.

    Raises:
        DataError: HS220, the rows as a whole break their contract, and nothing was committed; HS225 and up, ``features.sql``.
    """
    if is_transformed(project):
        if progress:
            progress.update("join and transform")
        return _transformed(project)
    from homeostat.dataops.versions import dataset_digest, schema_of

    table = loaded(project, MAIN)
    contract = load_contract(project, project.charter.data.contract)
    if contract is not None and len(kept) > 1:
        _refuse_doubles(table.scan(), contract)
    return Curated(
        f"loaded/{MAIN}",
        table.version(),
        sum(int(fact.body["good"]) for fact in kept.values()),
        schema_of(table.scan().head(0).collect()),
        dataset_digest((path, str(fact.body["digest"])) for path, fact in kept.items()),
    )


def _transformed(project: Project) -> Curated:
    """Join, transform, check, commit: all of it or nothing."""
    from homeostat.dataops.quarantine import quarantine_rows
    from homeostat.dataops.versions import content_digest, schema_of

    others = {name: loaded(project, name).read() for name in project.charter.data.tables if loaded(project, name).exists()}
    key = digest({"recipe": recipe(project), "rows": _versions(project)})
    main = loaded(project, MAIN).read()
    whole = joined(project, main, others)
    rows, dropped = transformed(project, main, others, whole)
    report = second_check(project, rows, others)
    part = f"{CURATED}:"
    with project.table("quarantine").delivery(key, {"curated": key}, part) as bad, project.table(CURATED).delivery(key, {}) as good:
        if bad.version is None:
            bad.write(quarantine_rows(report, key, CURATED))
            bad.commit(replacing=[part])
        if good.version is None:
            good.write(report.good)
            good.commit(replacing=None)
    assert good.version is not None  # noqa: S101 - a commit sets it, or raises
    return Curated(
        CURATED,
        good.version,
        report.good.height,
        schema_of(report.good),
        content_digest(report.good.drop(PROVENANCE)),
        dropped,
        report.quarantined.height,
        changed_columns(whole, rows, [name for name in whole.columns if name not in main.columns]),
    )


def changed_columns(before: pl.DataFrame, after: pl.DataFrame, names: Sequence[str]) -> tuple[str, ...]:
    """Of these columns those that are not in the rows after the SQL, or have other values or another type there."""
    keys = list(PROVENANCE)
    kept = before.select(*names, *keys).join(after.select(keys), on=keys, how="semi", maintain_order="left")
    made = kept.select(keys).join(after, on=keys, how="left", maintain_order="left")
    return tuple(name for name in names if name not in made.columns or not kept[name].equals(made[name], check_dtypes=True))


def transformed(
    project: Project, rows: pl.DataFrame, others: Mapping[str, pl.DataFrame], whole: pl.DataFrame | None = None
) -> tuple[pl.DataFrame, int]:
    """The rows after the charter's joins and ``features.sql``, and how many of them the SQL filtered out.

    ``whole`` are the rows after the joins, where they are at hand.

    Raises:
        DataError: HS202, a joined table has no rows; HS203, a column is missing; HS225 and up, what is wrong with a time or the SQL.
    """
    from homeostat.charter.columns import check_columns

    rows, dropped = featured(project, joined(project, rows, others) if whole is None else whole, others)
    check_columns(project.charter, rows.columns, place=project.charter.data.features or "data.joins")
    return rows, dropped


def joined(project: Project, rows: pl.DataFrame, others: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """The rows after the charter's joins.

    Raises:
        DataError: see ``transformed``.
    """
    from homeostat.dataops.asof import join_as_of

    for join in project.charter.data.joins:
        rows = join_as_of(rows, _table(others, join.table), join, join.as_of or project.charter.task.time or "")
    return rows


def featured(project: Project, rows: pl.DataFrame, others: Mapping[str, pl.DataFrame]) -> tuple[pl.DataFrame, int]:
    """The joined rows after ``features.sql``, and how many it filtered out.

    Raises:
        DataError: see ``transformed``.
    """
    from homeostat.dataops.feature_sql import feature_sql
    from homeostat.dataops.transform import Limits, transform

    sql = _features(project)
    if sql is None:
        return rows, 0
    charter = project.charter
    statement = feature_sql(sql, str(charter.data.features))
    limits = Limits(memory_mb=MEMORY_MB, spill=project.state / "spill", unseen=charter.privacy.never_use)
    made = transform(rows, {name: frame.drop(PROVENANCE) for name, frame in others.items()}, statement, limits)
    return made.frame, made.dropped.height


def second_check(project: Project, rows: pl.DataFrame, others: Mapping[str, pl.DataFrame]) -> ContractReport:
    """The curated rows through their own contract.

    Raises:
        DataError: HS220, a rule that stops is broken, or too many rows are bad.
    """
    from homeostat.core.records import ContractReport
    from homeostat.dataops.check import Checker

    name = project.charter.data.curated_contract
    contract = load_contract(project, name)
    if contract is None:
        return ContractReport(rows, rows.clear(), {})
    checker = Checker(contract, references=others, now=project.clock.now(), spill=project.state / "spill")
    report = checker.batch(rows)
    stops = [breach.message for breach in checker.finish() if breach.severity == "stop"]
    if stops or report.stopped or report.broken_share > project.charter.data.max_quarantined:
        failing = ", ".join(f"{rule} ({count})" for rule, count in sorted(report.failures.items(), key=lambda item: -item[1])[:5])
        raise _broken("; ".join([*stops, *([f"failing rules: {failing}"] if failing else [])]), name or "")
    return report


def _refuse_doubles(rows: pl.LazyFrame, contract: Contract) -> None:
    """Keys that are unique in each delivery must be so in all of them together.

    Raises:
        DataError: HS220, two deliveries hold rows with the same key.
    """
    import polars as pl

    keys = [(column.name,) for column in contract.columns if column.unique] + [key.columns for key in contract.keys]
    for key in keys:
        doubled = (
            rows.drop_nulls(list(key))
            .group_by(list(key))
            .agg(pl.len().alias("_n"), pl.col("_source").unique().sort().head(2).alias("_in"))
            .filter(pl.col("_n") > 1)
            .sort(list(key))
            .collect(engine="streaming")
        )
        if doubled.height:
            first = doubled.row(0, named=True)
            values = ", ".join(f"{name} = {first[name]}" for name in key)
            raise _broken(
                f"{doubled.height} keys come more than once; the first, {values}, is in {' and '.join(first['_in'])}", contract.name
            )


def _broken(message: str, place: str) -> DataError:
    return DataError(
        "HS220",
        f"the rows as a whole break the contract, and no dataset version was made: {message}",
        place=f"contract {place!r}",
        next_step="mend the source (or remove the file that repeats rows) and ingest again; the version before stays in use",
    )


def _table(others: Mapping[str, pl.DataFrame], name: str) -> pl.DataFrame:
    if name not in others:
        raise DataError(
            "HS202", "the table that data.joins names has no rows yet", place=f"data.tables.{name}", next_step="look at its source"
        )
    return others[name]


def _versions(project: Project) -> dict[str, list[str]]:
    return {
        name: sorted(str(fact.body["digest"]) + str(fact.body["path"]) for fact in accepted(project, name).values())
        for name in (MAIN, *project.charter.data.tables)
    }


def _features(project: Project) -> str | None:
    name = project.charter.data.features
    if name is None:
        return None
    try:
        return (project.root / name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "its bytes are not UTF-8"
        raise DataError("HS201", f"cannot be read: {reason}", place=name, next_step="correct data.features") from error
