"""Dataset versions: named when the rows passed both validations, read, listed, compared and written out."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from homeostat.core.ids import digest, fact_id
from homeostat.core.records import PROVENANCE, DatasetVersion, SourceFile
from homeostat.errors import DataError, ProjectError
from homeostat.flow.curate import curate, recipe
from homeostat.flow.intake import MAIN, accepted, contract_digest, delivered, intakes, loaded
from homeostat.flow.writing import write_rows

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    import polars as pl

    from homeostat.core.facts import Fact
    from homeostat.core.ports import Progress
    from homeostat.flow.project import Project


def name_dataset(project: Project, there: Mapping[str, set[str] | None], progress: Progress | None = None) -> Fact:
    """The rows that lie in the tables now, as a dataset version: recorded when they pass as a whole, and only then.

    Args:
        project: the project.
        there: by table the parts its source has now; None where it could not be asked.
        progress: told what is being done.

    Raises:
        DataError: HS207, no delivery was ever accepted; HS220, the rows as a whole break their contract.
        ProjectError: HS610, a table is gone.
    """
    tables = [intake.table for intake in intakes(project)]
    _require_rows(project)
    left = {table: _left(project, table, there[table]) for table in tables}
    last = [fact for table in tables for fact in delivered(project, table).values()]
    key = digest({"deliveries": sorted(fact.id for fact in last), "left": left, "recipe": recipe(project)})
    known = project.ledger.get(fact_id("dataset", key))
    if known is not None:
        return known
    for table, paths in left.items():
        _leave(project, table, paths, key)
    from homeostat.flow.online import lookups

    kept = {path: fact for path, fact in accepted(project, MAIN).items() if path not in left[MAIN] and fact.body["good"]}
    made = curate(project, kept, progress)
    contract = project.charter.data.contract
    body: dict[str, object] = {
        "table": made.table,
        "version": made.version,
        "rows": made.rows,
        "quarantined": made.quarantined + sum(int(f.body["quarantined"]) for f in last if f.body["table"] == MAIN),
        "dropped": made.dropped,
        "digest": made.digest,
        "schema": made.schema,
        "contract": {"path": contract or "", "sha256": contract_digest(project, contract)},
        "left": left,
        "lookups": [asdict(lookup.without(made.changed)) for _, lookup in lookups(project)],
        "tables": {table: loaded(project, table).version() for table in tables if table != MAIN and loaded(project, table).exists()},
        "sources": [
            {"path": path, "sha256": fact.body["sha256"], "bytes": fact.body["bytes"], "rows": fact.body["good"]}
            for path, fact in kept.items()
        ],
    }
    return project.record("dataset", key, body, causes=(project.charter_fact().id, *(fact.id for fact in last)))


def dataset_version(fact: Fact) -> DatasetVersion:
    """The record a ``dataset`` fact holds."""
    body: dict[str, Any] = dict(fact.body)
    body["sources"] = tuple(SourceFile(**source) for source in body["sources"])
    return DatasetVersion(**{name: body[name] for name in DatasetVersion.__slots__})


def read_dataset(project: Project, fact: Fact) -> pl.DataFrame:
    """The rows of a dataset version, in the order of their sources, with ``_source`` and ``_line``."""
    version = dataset_version(fact)
    return project.table(version.table).read(version=version.version)


def dataset_batches(project: Project, fact: Fact) -> Iterator[pl.DataFrame]:
    """The rows of a dataset version in frames, in no order, with ``_source`` and ``_line``."""
    version = dataset_version(fact)
    yield from project.table(version.table).batches(version.version)


def _require_rows(project: Project) -> None:
    there = accepted(project, MAIN)
    if any(fact.body["good"] for fact in there.values()):
        if not loaded(project, MAIN).exists():
            raise ProjectError(
                "HS610",
                "deliveries were accepted, but the table that held them is gone",
                place=f"loaded/{MAIN}",
                next_step="restore .homeostat/tables",
            )
        return
    worst = list(delivered(project, MAIN).values())[-1].body
    raise DataError(
        "HS207",
        f"{worst['bad']} of {worst['rows']} rows break the contract and no delivery was accepted; {told_failures(worst)}",
        place=str(worst["path"]),
        next_step="the rows are kept in quarantine with their reasons; mend the source or the contract and ingest again",
    )


def told_failures(delivery: Mapping[str, Any]) -> str:
    """The rules a delivery broke most, the rules that stopped it first, and how its columns differ from what was agreed."""
    stops = [str(breach["message"]) for breach in delivery["breaches"] if breach["severity"] == "stop"]
    counts = sorted(delivery["failures"].items(), key=lambda item: -item[1])[:5]
    failing = ["failing rules: " + ", ".join(f"{rule} ({count})" for rule, count in counts)] if counts else []
    changed = [f"changed columns: {', '.join(delivery['changed_columns'])}"] if delivery["changed_columns"] else []
    return "; ".join([*stops, *failing, *changed]) or "no row has a value"


def _left(project: Project, table: str, there: set[str] | None) -> list[str]:
    """Parts that came from another source clause and are no part of the source that is named now."""
    if there is None:
        return []
    origin = next(intake.origin for intake in intakes(project) if intake.table == table)
    facts = accepted(project, table)
    return sorted(path for path, fact in facts.items() if path not in there and fact.body["source"] != origin)


def _leave(project: Project, table: str, paths: list[str], key: str) -> None:
    """Take the rows of these parts out of the table."""
    if not paths:
        return
    with loaded(project, table).delivery(f"left:{key}", {"left": ", ".join(paths)}) as delivery:
        if delivery.version is None:
            delivery.commit(replacing=paths)


def dataset_called(project: Project, text: str) -> Fact:
    """The dataset a person means: a fact's id, or its number in ``log``, such as ``2``.

    Raises:
        ProjectError: HS605, there is none.
    """
    facts = list(reversed(project.ledger.find("dataset")))
    if text.isdigit() and 1 <= int(text) <= len(facts):
        return facts[int(text) - 1]
    found = next((fact for fact in facts if fact.id == text), None)
    if found is None:
        raise ProjectError(
            "HS605",
            f"got {text!r}; there are {len(facts)} dataset versions",
            next_step="`homeostat data log` lists them with their numbers",
        )
    return found


def log(project: Project) -> list[dict[str, Any]]:
    """Every dataset version, newest first, with its number and how its sources differ from those of the one before."""
    facts = list(reversed(project.ledger.find("dataset")))
    told = []
    for number, fact in enumerate(facts, start=1):
        before = facts[number - 2] if number > 1 else None
        told.append(
            {
                "number": number,
                "id": fact.id,
                "at": fact.at.isoformat(),
                "actor": fact.actor,
                **{key: fact.body[key] for key in ("table", "version", "rows", "quarantined", "dropped", "digest")},
                "sources": source_changes(before, fact),
            }
        )
    return told[::-1]


def source_changes(old: Fact | None, new: Fact) -> dict[str, list[str]]:
    """Which sources came, went, or came again with another content."""
    before = {source["path"]: source["sha256"] for source in old.body["sources"]} if old is not None else {}
    after = {source["path"]: source["sha256"] for source in new.body["sources"]}
    return {
        "added": sorted(set(after) - set(before)),
        "removed": sorted(set(before) - set(after)),
        "changed": sorted(path for path in set(after) & set(before) if after[path] != before[path]),
    }


def diff(project: Project, old: Fact, new: Fact) -> dict[str, Any]:
    """How two dataset versions differ: columns, sources, and rows, told apart by where they came from (``_source`` and ``_line``).

    ``rows`` counts those only in the old one, only in the new one, and in both with other values; ``columns`` counts, for these, the
    rows in which each column differs. A null differs from a value and equals a null.
    """
    import polars as pl

    from homeostat.dataops.versions import compare_schemas

    change = compare_schemas(old.body["schema"], new.body["schema"])
    told: dict[str, Any] = {
        "schema": {"added": list(change.added), "removed": list(change.removed), "changed": [list(each) for each in change.changed]},
        "sources": source_changes(old, new),
        "rows": {"removed": 0, "added": 0, "changed": 0},
        "columns": {},
    }
    if old.body["digest"] == new.body["digest"] and old.body["schema"] == new.body["schema"]:
        return told
    before, after = read_dataset(project, old), read_dataset(project, new)
    keys = list(PROVENANCE)
    told["rows"] = {"removed": before.join(after, on=keys, how="anti").height, "added": after.join(before, on=keys, how="anti").height}
    both = before.join(after, on=keys, how="inner", suffix="\x00new")
    shared = [name for name in before.columns if name in after.columns and name not in keys]
    changed = both.select(_as_text(before, name).ne_missing(_as_text(after, name, f"{name}\x00new")).alias(name) for name in shared)
    told["rows"]["changed"] = changed.select(pl.any_horizontal(pl.all())).to_series().sum() if shared else 0
    told["columns"] = {name: int(changed[name].sum()) for name in shared if changed[name].any()}
    return told


def _as_text(frame: pl.DataFrame, name: str, column: str | None = None) -> pl.Expr:
    """The column as it can be compared whatever its type was in either version; NaN is null."""
    import polars as pl

    found = pl.col(column or name)
    return (found.fill_nan(None) if frame.schema[name].is_float() else found).cast(pl.String)


def checkout(project: Project, dataset: Fact, out: Path) -> int:
    """Write the rows of a dataset version, with where each came from, to a CSV or Parquet file; returns how many there are.

    Raises:
        DataError: HS209, not a suffix that can be written.
        ProjectError: HS607, the file is there already; HS602, it cannot be written.
    """
    frame = read_dataset(project, dataset)
    write_rows(out, frame)
    return frame.height
