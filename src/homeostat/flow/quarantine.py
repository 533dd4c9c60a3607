"""Quarantined rows: listed, written out for a person to mend, and replayed into the table they were meant for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from homeostat.core.ids import digest
from homeostat.errors import DataError
from homeostat.flow.intake import delivered
from homeostat.flow.privacy import shield_frame
from homeostat.flow.writing import write_rows

if TYPE_CHECKING:
    from pathlib import Path

    import polars as pl

    from homeostat.core.facts import Fact
    from homeostat.core.ports import Progress
    from homeostat.flow.project import Project

KEYS = ("_table", "_source", "_line")
ABOUT = (*KEYS, "_rules", "_reasons", "_final")


@dataclass(frozen=True, slots=True)
class Replayed:
    """What came of a replay: mended rows given, those now taken in, those that are still bad, and the dataset that followed.

    ``rejected`` of those given are kept out for good by a rule of that severity, whatever the file says of them.
    """

    given: int
    taken_in: int
    still_bad: int
    rejected: int
    dataset: Fact


def quarantined(project: Project) -> pl.DataFrame:
    """The rows in quarantine now: those of the last delivery of each part, and of the last transformation. Empty when there is none."""
    import polars as pl

    table = project.table("quarantine")
    if not table.exists():
        texts = dict.fromkeys(("_table", "_source"), pl.String)
        return pl.DataFrame(schema={**texts, "_line": pl.Int64, "_rules": pl.List(pl.String), "_final": pl.Boolean})
    return table.read()


def overview(project: Project) -> list[dict[str, Any]]:
    """Per part and rule how many rows are in quarantine, how many for good, and the reason of the first; the most frequent first."""
    import polars as pl

    rows = quarantined(project)
    if rows.is_empty():
        return []
    counted = (
        rows.explode("_rules", keep_nulls=True, empty_as_null=True)
        .group_by("_table", "_source", "_rules", maintain_order=True)
        .agg(
            pl.len().alias("rows"),
            pl.col("_final").sum().alias("final"),
            pl.col("_line").first().alias("line"),
            pl.col("_reasons").first().alias("reason"),
        )
        .sort("rows", descending=True, maintain_order=True)
    )
    return [
        {"table": r["_table"], "source": r["_source"], "rule": r["_rules"]}
        | {name: r[name] for name in ("rows", "final", "line", "reason")}
        for r in counted.to_dicts()
    ]


def export(project: Project, out: Path) -> int:
    """Write the rows in quarantine to a CSV or Parquet file with one column per field; returns how many there are.

    Raises:
        DataError: HS202, there is none; HS209, not a suffix that can be written.
        ProjectError: HS607, the file is there already; HS602, it cannot be written.
    """
    from homeostat.dataops.quarantine import unpacked

    rows = quarantined(project)
    if rows.is_empty():
        raise DataError("HS202", "no row is in quarantine", next_step="there is nothing to mend")
    write_rows(out, unpacked(rows))
    return rows.height


def replay(project: Project, path: Path, progress: Progress | None = None) -> Replayed:
    """Take mended rows in: each stands in place of the quarantined row of its ``_table``, ``_source`` and ``_line``.

    The file is what ``export`` wrote, with its fields corrected; rows that were not mended may be left out or in. The part a row belongs
    to is judged again with the mended rows in place of the quarantined ones, so they pass the same contract, keep their origin, and come
    in once however often the file is replayed. Rows that a rule rejects stay as they are.

    Raises:
        DataError: HS201 and up, the file cannot be read; HS221, it names rows that are not in quarantine, or one row twice; nothing of it
            is used.
    """
    from homeostat.flow.ingest import ingest
    from homeostat.infra.label_files import read_texts

    frame = read_texts(path).drop("_rules", "_reasons", "_final", "_given", strict=False)
    asked = _checked(project, frame, path.name)
    given = asked.join(quarantined(project).filter("_final"), on=KEYS, how="anti", maintain_order="left")
    before = quarantined(project).select(KEYS)
    for (table, source), rows in given.group_by("_table", "_source", maintain_order=True):
        _record(project, str(table), str(source), rows)
    dataset = ingest(project, progress)
    mine = before.join(given.select(KEYS), on=KEYS, how="semi")
    still = mine.join(quarantined(project).select(KEYS), on=KEYS, how="semi").height
    return Replayed(asked.height, given.height - still, still, asked.height - given.height, dataset)


def _checked(project: Project, frame: pl.DataFrame, name: str) -> pl.DataFrame:
    import polars as pl

    missing = [key for key in KEYS if key not in frame.columns]
    step = "`homeostat quarantine export FILE` writes the rows with these columns; mend the others and leave these as they are"
    if missing:
        raise DataError("HS221", f"got no column {missing[0]}", place=name, next_step=step)
    given = frame.with_columns(pl.col("_line").cast(pl.Int64, strict=False), pl.col("_table", "_source").cast(pl.String))
    strange = given.join(quarantined(project), on=KEYS, how="anti")
    if strange.height:
        first = strange.row(0, named=True)
        raise DataError(
            "HS221",
            f"{strange.height} row(s) are not in quarantine; the first: {first['_table']} {first['_source']} line {first['_line']}",
            place=name,
            next_step=step,
        )
    doubled = given.filter(given.select(KEYS).is_duplicated())
    if doubled.height:
        first = doubled.row(0, named=True)
        raise DataError("HS221", f"{first['_source']} line {first['_line']} comes twice", place=name, next_step="keep one of the two")
    return _empty_as_it_was(project, given)


def _empty_as_it_was(project: Project, given: pl.DataFrame) -> pl.DataFrame:
    """An empty cell stands for null and for the empty text: where the row had the one or the other before, it still has."""
    import polars as pl

    from homeostat.dataops.quarantine import unpacked

    before = given.select(KEYS).join(unpacked(quarantined(project)), on=KEYS, how="left", maintain_order="left")
    shared = [name for name in given.columns if name in before.columns and name not in ABOUT]
    return given.with_columns(
        pl.when(pl.col(name).is_null() & (before[name] == "")).then(pl.lit("")).otherwise(name).alias(name) for name in shared
    )


def _record(project: Project, table: str, source: str, rows: pl.DataFrame) -> Fact:
    """Keep the mended rows in the raw zone and note whose place they take."""
    delivery = delivered(project, table).get(source)
    if delivery is None:
        raise DataError(
            "HS221",
            f"rows of {table} are made by joins and features.sql; they have no source line of their own to mend",
            place=source,
            next_step="mend the rows of the tables they are made from",
        )
    fields = [name for name in rows.columns if name not in ("_table", "_source", "_text")]
    raw = project.raw.put_frames([shield_frame(project, rows.select(fields).sort("_line"))])
    sha256 = str(delivery.body["sha256"])
    body: dict[str, object] = {
        "table": table,
        "path": source,
        "sha256": sha256,
        "raw": raw.sha256,
        "rows": rows.height,
    }
    key = digest([table, source, sha256, raw.sha256])
    return project.record("repair", key, body, subject=f"{table}:{source}", causes=(delivery.id,))
