"""Labels the source does not hold: imported from people, given by rules, asked for by a queue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from homeostat.core.casts import present
from homeostat.core.ids import canonical, digest, fact_id
from homeostat.core.records import PROVENANCE
from homeostat.core.targets import text_of
from homeostat.errors import DataError
from homeostat.preparation.labelling import LABEL, Votes, known_labels, labels_as, vote

if TYPE_CHECKING:
    from pathlib import Path

    import polars as pl

    from homeostat.core.facts import Fact
    from homeostat.flow.project import Project

TABLE = "dataset_labels"
SHOWN = 20


def import_labels(project: Project, path: Path) -> Fact:
    """Take in labels for rows of the newest dataset version and return the ``dataset_labels`` fact.

    Each row of the file is taken, refused with a reason (all of them are kept in a blob), empty or a repetition. A later import
    corrects an earlier one. The same file on the same dataset changes nothing; on a later one only rows without a place so far are looked
    at again.

    Raises:
        DataError: the file cannot be read; HS204, HS230, it lacks the target or a key.
        ProjectError: HS608, nothing is ingested yet.
    """
    from homeostat.flow.datasets import read_dataset
    from homeostat.flow.privacy import shield_frame
    from homeostat.infra.label_files import read_texts
    from homeostat.infra.sources import sha256_file
    from homeostat.preparation.label_import import key_columns, match_labels

    task = project.charter.task
    dataset = project.latest("dataset", "run `homeostat ingest` first")
    given = shield_frame(project, read_texts(path))
    sha256 = sha256_file(path)
    earlier = [fact for fact in project.ledger.find("dataset_labels") if fact.body["sha256"] == sha256]
    key = digest({"sha256": sha256, "dataset": dataset.id})
    same = project.ledger.get(fact_id("dataset_labels", key))
    if same is not None or (earlier and not earlier[0].body["refused"]):
        return same or earlier[0]
    rows = read_dataset(project, dataset)
    keys = key_columns(given.columns, task.entity, task.target)
    taken_before = _taken_before(project, sha256)
    fresh = given.filter(~given["_given"].is_in(taken_before))
    classes = _classes(project, rows)
    most = 2 if task.type == "binary" else None
    found = match_labels(fresh, rows, keys, task.target, classes, most=most)
    stored = _stored(project, dataset, rows, found.taken, keys, sha256)
    version = project.table(TABLE).append(stored, {"sha256": sha256}, key=key) if stored.height else None
    refused = found.refused.to_dicts()
    body: dict[str, object] = {
        "path": path.name,
        "sha256": sha256,
        "dataset": dataset.id,
        "version": version,
        "keys": list(keys),
        "rows": given.height,
        "taken": found.taken.height,
        "taken_before": len(taken_before),
        "empty": found.empty,
        "repeated": found.repeated,
        "refused": len(refused),
        "reasons": _counted([str(row["_reason"]) for row in refused]),
        "first_refused": [{"line": row["_given"], "reason": row["_reason"]} for row in refused[:SHOWN]],
        "refused_rows": project.blobs.put(canonical(refused)) if refused else "",
    }
    return project.record("dataset_labels", key, body, causes=(dataset.id,))


def _counted(reasons: list[str]) -> dict[str, int]:
    """How often each reason came, without the values in it."""
    plain = [reason.partition("; ")[2] if reason.startswith("got ") else reason for reason in reasons]
    return {reason: plain.count(reason) for reason in sorted(set(plain))[:SHOWN]}


def _taken_before(project: Project, sha256: str) -> list[int]:
    table = project.table(TABLE)
    if not table.exists():
        return []
    stored = table.read(columns=["_sha256", "_given"])
    return [int(place) for place in stored.filter(stored["_sha256"] == sha256)["_given"].to_list()]


def _classes(project: Project, rows: pl.DataFrame) -> frozenset[str] | None:
    """The only labels allowed: the classes of the source and the rules; None in a regression, and while no two classes are known."""
    charter = project.charter
    if charter.task.type == "regression":
        return None
    known = set(known_labels(rows, charter.task.target).drop_nulls().unique().to_list())
    known |= {text_of(rule.label) for rule in charter.labelling.rules}
    return frozenset(known) if len(known) > 1 else None


def _stored(project: Project, dataset: Fact, rows: pl.DataFrame, taken: pl.DataFrame, keys: tuple[str, ...], sha256: str) -> pl.DataFrame:
    """The rows of the table of labels: whom a label is for, what it says, and where it came from."""
    import polars as pl

    by_row = keys == PROVENANCE
    none = pl.Series([None] * taken.height, dtype=pl.String)
    source = taken["_source"] if by_row else none
    line = taken["_line"].cast(pl.Int64) if by_row else none.cast(pl.Int64)
    contents = none
    if by_row:
        place = taken.select("_source", pl.col("_line").cast(rows.schema["_line"]), "_given")
        about = place.join(rows, on=list(PROVENANCE), how="left", maintain_order="left")
        contents = pl.Series(_contents(about.drop("_given"), project.charter.task.target), dtype=pl.String)
    entity = none if by_row else pl.Series([canonical(row).decode() for row in taken.select(keys).iter_rows(named=True)], dtype=pl.String)
    files = _files(dataset)
    return pl.DataFrame(
        {
            "_source": source,
            "_line": line,
            "_file": pl.Series([files.get(each or "") for each in source], dtype=pl.String),
            "_content": contents,
            "_entity": entity,
            "label": taken["_label_text"],
            "_sha256": pl.Series([sha256] * taken.height, dtype=pl.String),
            "_given": taken["_given"].cast(pl.Int64),
        }
    ).with_columns(pl.lit(project.clock.now()).alias("_taken"))


def _files(dataset: Fact) -> dict[str, str]:
    """SHA-256 of each source file of a dataset version."""
    return {str(source["path"]): str(source["sha256"]) for source in dataset.body["sources"]}


def _contents(rows: pl.DataFrame, target: str) -> list[str]:
    """A digest of each row without target, place and nulls: a column that was added since, and is null here, changes nothing."""
    plain = rows.drop(target, *PROVENANCE)
    return [digest({name: text_of(value) for name, value in row.items() if value is not None})[:32] for row in plain.iter_rows(named=True)]


def labels_version(project: Project) -> int | None:
    """The version of the table of imported labels as it is now; None when nothing was imported."""
    table = project.table(TABLE)
    return table.version() if table.exists() else None


def imported(project: Project, dataset: Fact, rows: pl.DataFrame, version: int | None) -> pl.Series:
    """The imported label of each row as text, (n,), null where there is none; of several the last that was taken in.

    A label for a place holds for the file it was given for. When the file has changed since, it holds for the rows of that file
    with the same content, wherever they are now. A label for an entity holds for all its rows.
    """
    import polars as pl

    target = project.charter.task.target
    if version is None:
        return pl.Series(LABEL, [None] * rows.height, dtype=pl.String)
    labels = project.table(TABLE).read(version=version).with_row_index("_row").sort("_taken", "_row")
    places = rows.select(*PROVENANCE).with_row_index("_place")
    now = pl.DataFrame(
        {"_source": list(_files(dataset)), "_now": list(_files(dataset).values())}, schema=[("_source", pl.String), ("_now", pl.String)]
    )
    by_row = labels.filter(pl.col("_source").is_not_null()).join(now, on="_source", how="left", maintain_order="left")
    unchanged = by_row.filter(pl.col("_now") == pl.col("_file"))
    moved = by_row.filter((pl.col("_now") != pl.col("_file")).fill_null(False))
    found = [unchanged.join(places, on=list(PROVENANCE), how="inner").select("_place", "_taken", "_row", "label")]
    if moved.height:
        inside = rows.with_row_index("_place").filter(pl.col("_source").is_in(moved["_source"].unique().implode()))
        contents = inside.select("_place", "_source").with_columns(
            pl.Series("_content", _contents(inside.drop("_place"), target), dtype=pl.String)
        )
        found.append(moved.join(contents, on=["_source", "_content"], how="inner").select("_place", "_taken", "_row", "label"))
    by_entity = labels.filter(pl.col("_entity").is_not_null())
    if by_entity.height:
        found.append(by_entity.join(_entities(rows, by_entity), on="_entity", how="inner").select("_place", "_taken", "_row", "label"))
    last = pl.concat(found).sort("_taken", "_row").unique("_place", keep="last", maintain_order=True)
    joined = places.join(last.select("_place", "label"), on="_place", how="left", maintain_order="left")
    return joined["label"].alias(LABEL)


def _entities(rows: pl.DataFrame, labels: pl.DataFrame) -> pl.DataFrame:
    """``_place`` and ``_entity`` of the rows, for each set of key columns that labels were given by and the rows still have."""
    import json

    import polars as pl

    from homeostat.core.targets import texts

    keys = {tuple(sorted(json.loads(text))) for text in labels["_entity"].unique().to_list()}
    parts = [pl.DataFrame(schema={"_place": pl.UInt32, "_entity": pl.String})]
    for names in sorted(keys):
        if set(names) <= set(rows.columns):
            plain = rows.select(texts(rows[name]).alias(name) for name in names).with_row_index("_place").drop_nulls()
            texts_of = [canonical(row).decode() for row in plain.select(names).iter_rows(named=True)]
            parts.append(plain.select("_place", pl.Series("_entity", texts_of, dtype=pl.String)))
    return pl.concat(parts)


def with_labels(project: Project, dataset: Fact, rows: pl.DataFrame, version: int | None) -> tuple[pl.DataFrame, Votes]:
    """All rows with the best label there is in the target column, ``_label`` saying where it is from, and the rules' votes.

    A label of the source wins over an imported one, and that over a rule. Rows without any keep a null in both columns.

    Raises:
        DataError: HS231, a rule cannot be asked of the rows.
    """
    import polars as pl

    task, section = project.charter.task, project.charter.labelling
    if version is None and not section.rules:  # most projects: the source says all there is to say
        there = rows.select(pl.when(present(task.target, rows.schema[task.target])).then(pl.lit("source")).alias(LABEL)).to_series()
        return rows.with_columns(there), Votes(pl.Series(LABEL, [], dtype=pl.String), 0, ())
    dtype = rows.schema[task.target]
    own, given = known_labels(rows, task.target), imported(project, dataset, rows, version)
    known = own.zip_with(own.is_not_null(), given)
    votes = vote(rows.drop(task.target), known, section)
    values = {"source": rows[task.target], "imported": labels_as(given, dtype), "rule": labels_as(votes.labels, dtype)}
    place = (
        pl.when(pl.lit(own).is_not_null())
        .then(pl.lit("source"))
        .when(pl.lit(given).is_not_null())
        .then(pl.lit("imported"))
        .when(pl.lit(votes.labels).is_not_null())
        .then(pl.lit("rule"))
    )
    labelled = rows.with_columns(place.alias(LABEL))
    best = pl.coalesce(pl.when(pl.col(LABEL) == name).then(pl.lit(values[name].cast(dtype))) for name in values)
    return labelled.with_columns(best.alias(task.target)), votes


def told_rules(project: Project) -> dict[str, Any]:
    """What the rules do on the newest dataset version: coverage, conflicts, accuracy where the truth is known.

    Raises:
        ProjectError: HS608, nothing is ingested yet.
        DataError: HS231, a rule cannot be asked of the rows.
    """
    from dataclasses import asdict

    from homeostat.flow.datasets import read_dataset

    dataset = project.latest("dataset", "run `homeostat ingest` first")
    frame, votes = with_labels(project, dataset, read_dataset(project, dataset), labels_version(project))
    counts = {name: int((frame[LABEL] == name).sum()) for name in ("source", "imported", "rule")}
    return {
        "dataset": dataset.id,
        "rows": frame.height,
        "labels": counts,
        "without": int(frame[LABEL].null_count()),
        "ties": votes.ties,
        "weight": project.charter.labelling.weight,
        "rules": [asdict(rule) for rule in votes.rules],
    }


def write_queue(project: Project, path: Path, size: int | None) -> dict[str, Any]:
    """Write the rows where a label would help most, with an empty target column and the reason for each; recorded as a ``queue`` fact.

    Rows with a weak label count as rows without one. The champion says what it is unsure of; without one the rows are spread.

    Raises:
        ProjectError: HS608, nothing is ingested yet; HS607, the file is there already; HS602, it cannot be written.
        DataError: HS202, every row has a label.
    """
    import polars as pl

    from homeostat.flow.datasets import read_dataset
    from homeostat.flow.registry import champion, load_bundle
    from homeostat.infra.label_files import write_labels
    from homeostat.preparation.queue import choose
    from homeostat.serving.predictor import Predictor

    charter = project.charter
    dataset = project.latest("dataset", "run `homeostat ingest` first")
    frame, _ = with_labels(project, dataset, read_dataset(project, dataset), labels_version(project))
    true = frame[LABEL].is_in(["source", "imported"]).fill_null(False)
    open_rows = frame.filter(~true)
    if open_rows.is_empty():
        raise DataError("HS202", "every row of the dataset has a label; there is nothing to ask", place=dataset.id)
    current = champion(project)
    scores = Predictor(load_bundle(project, current.bundle)).predict_frame(open_rows) if current else None
    plain = [name for name in frame.columns if name not in (*PROVENANCE, LABEL, charter.task.target)]
    wanted = size or charter.labelling.queue
    chosen = choose(open_rows.select(plain), frame.filter(true).select(plain), scores, wanted, charter.learning.seed)
    rows = open_rows[chosen.rows].select(
        *PROVENANCE,
        *plain,
        pl.lit(None, dtype=pl.String).alias(charter.task.target),
        pl.Series("_why", chosen.why, dtype=pl.String),
    )
    write_labels(rows, path)
    body: dict[str, object] = {
        "rows": rows.height,
        "open": open_rows.height,
        "random": sum(reason.startswith("random") for reason in chosen.why),
        "champion": current.fact.id if current else "",
        "dataset": dataset.id,
        "seed": charter.learning.seed,
    }
    fact = project.record("queue", digest({**body, "chosen": rows.select(PROVENANCE).rows()}), body, causes=(dataset.id,))
    return {"queue": fact.id, "file": str(path), **body}
