"""Rules about data: what can be said of a source, joined tables that exist, and what privacy leaves usable."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from difflib import get_close_matches
from typing import TYPE_CHECKING

from homeostat.charter.sql import columns_of
from homeostat.charter.violations import Loc, Violation, shown
from homeostat.core.features import FUNCTIONS

if TYPE_CHECKING:
    from homeostat.core.sections import Data, Join, Labelling, Preparation, Privacy, Problem, Source, Success, Task, Value

Found = Iterator[Violation]
DATABASES = ("postgresql://", "postgres://", "sqlite://")
MAIN = "data"


def is_database(source: str) -> bool:
    """Whether an address is one of a database.

    >>> is_database("postgresql://db/sales"), is_database("s3://bucket/sales/"), is_database("data/")
    (True, False, False)
    """
    return source.startswith(DATABASES)


def sources_are_told_what_they_are(data: Data) -> Found:
    """A database is read by a table or a query; watermarks are for databases, delimiters and the like for files."""
    yield from _source(data, ("data",))
    for name, table in data.tables.items():
        yield from _source(table, ("data", "tables", name))


def _source(section: Source, at: Loc) -> Found:
    if is_database(section.source):
        if (section.table is None) == (section.query is None):
            both = "neither table nor query" if section.table is None else "both table and query"
            yield Violation("HS118", (*at, "source"), f"got a database and {both}", "give one of the two")
        told = type(section).model_fields
        file_only = ("delimiter", "decimal", "encoding", "null_values")
        for name in (name for name in file_only if getattr(section, name) != told[name].default):
            yield Violation("HS118", (*at, name), f"got {shown(getattr(section, name))} for a database; it is for files of text", "drop it")
        if section.watermark is None and (section.slice != "day" or section.late > timedelta(0)):
            name = "slice" if section.slice != "day" else "late"
            yield Violation("HS118", (*at, name), "got it without a watermark, by which rows are taken in by spans", "name the watermark")
        return
    for name in ("table", "query", "watermark"):
        if getattr(section, name) is not None:
            message = f"got {shown(getattr(section, name))} for a source that is no database; files are taken in whole"
            yield Violation("HS118", (*at, name), message, "drop it, or give postgresql://... or sqlite:///... as source")
    for name in (name for name, given in (("slice", section.slice != "day"), ("late", section.late > timedelta(0))) if given):
        yield Violation("HS118", (*at, name), "got it for a source that is no database; files are taken in whole", "drop it")
    if section.delimiter is not None and section.delimiter == section.decimal:
        yield Violation("HS118", (*at, "decimal"), f"got {shown(section.decimal)}, which is the delimiter too; no number could be told")


def joins_have_their_tables(task: Task, data: Data) -> Found:
    """Each join names a table that is there and a time to look back from; each table is used."""
    for index, join in enumerate(data.joins):
        yield from _join(task, data, join, ("data", "joins", index))
    joined = {join.table for join in data.joins}
    for name in data.tables:
        if name == MAIN:
            yield Violation("HS118", ("data", "tables", name), 'got the name "data", which is the main table', "give it another name")
        elif name not in joined and data.features is None:
            message = "is used by no join, and there is no data.features that could read it"
            yield Violation("HS118", ("data", "tables", name), message, "join it, or drop it")


def curated_rows_are_made(data: Data) -> Found:
    """A contract of curated rows needs joins or features that make them; else the rows have one contract, that of their source."""
    if data.curated_contract is not None and not data.joins and data.features is None:
        message = f"got {shown(data.curated_contract)} without data.joins and data.features; the rows stay as they are loaded"
        yield Violation("HS118", ("data", "curated_contract"), message, "name it as data.contract")


def _join(task: Task, data: Data, join: Join, at: Loc) -> Found:
    if join.table not in data.tables:
        near = get_close_matches(join.table, data.tables, n=1)
        step = f"did you mean {near[0]}?" if near else "describe it in data.tables"
        listed = ", ".join(data.tables) or "none"
        yield Violation("HS118", (*at, "table"), f"got {shown(join.table)}, which is not in data.tables; there: {listed}", step)
    if join.as_of is None and task.time is None:
        message = "says no time of the main rows, and task.time is not set; nothing says what was known"
        yield Violation("HS118", at, message, "give as_of, or set task.time")
    if join.tolerance is not None and join.tolerance <= timedelta(0):
        yield Violation("HS118", (*at, "tolerance"), "got no time at all; allowed: more than 0, such as 30d")
    yield from _aggregates(task, join, at)
    if join.online is not None and join.online.max_age is not None and join.online.max_age <= timedelta(0):
        yield Violation("HS118", (*at, "online", "max_age"), "got no time at all; allowed: more than 0, such as 1d")
    if task.target in (*join.on, *join.columns):
        clause = "on" if task.target in join.on else "columns"
        yield Violation("HS118", (*at, clause), f"names {shown(task.target)}, which is task.target; the answer cannot be looked up")


def _aggregates(task: Task, join: Join, at: Loc) -> Found:
    """Each aggregate is one function of a column that is not the answer, over some time."""
    for name, each in join.aggregates.items():
        here = (*at, "aggregates", name)
        if len(each.functions) != 1:
            got = " and ".join(each.functions) or "no function"
            yield Violation("HS118", here, f"got {got}; allowed: one of {', '.join(FUNCTIONS)}", "make an aggregate of each")
        elif task.target in (name, each.column):
            yield Violation("HS118", here, f"names {shown(task.target)}, which is task.target; the answer cannot be looked up")
        if each.window is not None and each.window <= timedelta(0):
            yield Violation("HS118", (*here, "window"), "got no time at all; allowed: more than 0, such as 7d")


def private_columns_stay_usable(task: Task, success: Success, privacy: Privacy) -> Found:
    """A column that is not stored, or only as a hash, is none of those that must be read in clear."""
    needed: dict[str, tuple[str | None, ...]] = {"task.target": (task.target,), "task.time": (task.time,)}
    stored = needed | {
        "task.entity": task.entity,
        "success.segments": success.segments,
        "success.baseline.column": (success.baseline.column,),
    }
    hashed = needed | {"success.baseline.column": (success.baseline.column,)}
    yield from _used(privacy, "never_use", {"task.target": (task.target,)}, "a model that may not learn it has nothing to learn")
    yield from _used(privacy, "never_store", stored, "it would be gone before it is needed")
    yield from _used(privacy, "pseudonymise", hashed, "a hash of it says nothing")
    yield from _used(privacy, "never_log", {"task.time": (task.time,)}, "windows are cut by it")
    yield from _used(privacy, "never_log", {"task.entity": task.entity}, "labels are joined on it; pseudonymise it instead")
    for index, column in enumerate(privacy.pseudonymise):
        if column in privacy.never_store:
            yield Violation(
                "HS117", ("privacy", "pseudonymise", index), f"got {shown(column)}, which is in never_store too", "keep one of the two"
            )


def private_columns_stay_out_of_baselines(success: Success, privacy: Privacy) -> Found:
    """A rule is computed on columns in clear."""
    if success.baseline.rule is None:
        return
    read = columns_of(success.baseline.rule)
    for clause, why in (("never_store", "it would be gone before it is needed"), ("pseudonymise", "a hash of it says nothing")):
        yield from _used(privacy, clause, {"success.baseline.rule": read}, why)


def devices_need_no_key(problem: Problem, task: Task, privacy: Privacy, preparation: Preparation) -> Found:
    """A model that runs on devices takes no pseudonymised input: the key that makes the pseudonym is not there."""
    if problem.mode != "edge":
        return
    outside = {*task.leave_out, *privacy.never_use, *(name for name, choice in preparation.columns.items() if choice.drop)}
    for index, column in enumerate(privacy.pseudonymise):
        if column not in outside:
            message = f"got {shown(column)}, an input, with problem.mode edge; the key of its pseudonyms is not on the device"
            yield Violation("HS117", ("privacy", "pseudonymise", index), message, "put it in task.leave_out, or use another mode")


def private_columns_stay_out_of_money(value: Value, privacy: Privacy) -> Found:
    """The amount of a row is read in clear."""
    for clause in ("never_store", "pseudonymise"):
        yield from _used(privacy, clause, {"value.amount": (value.amount,)}, "money cannot be counted without it")


def private_columns_stay_out_of_joins(data: Data, privacy: Privacy) -> Found:
    """What tables are joined on is stored; what says when is stored in clear. A hash is still good to join on."""
    for index, join in enumerate(data.joins):
        moments: dict[str, tuple[str | None, ...]] = {
            f"data.joins[{index}].valid_from": (join.valid_from,),
            f"data.joins[{index}].as_of": (join.as_of,),
        }
        made: dict[str, tuple[str | None, ...]] = {
            f"data.joins[{index}].aggregates.{name}": (each.column,) for name, each in join.aggregates.items()
        }
        stored = {f"data.joins[{index}].on": join.on, f"data.joins[{index}].key": join.key, **moments, **made}
        yield from _used(privacy, "never_store", stored, "the join could not be made")
        yield from _used(privacy, "pseudonymise", moments, "a hash is no time")
        added = {at: columns for (at, columns), each in zip(made.items(), join.aggregates.values(), strict=True) if each.function != "last"}
        yield from _used(privacy, "pseudonymise", added, "a hash is no number")
    for clause in ("never_store", "pseudonymise"):
        yield from _used(privacy, clause, {"data.watermark": (data.watermark,)}, "new rows are found by it")


def private_columns_stay_out_of_preparation(privacy: Privacy, preparation: Preparation) -> Found:
    """Nothing is decided about columns that are never inputs; a hash is prepared as a category and no other way."""
    group = {"preparation.split.group": (preparation.split.group,)}
    yield from _used(
        privacy, "never_store", {**group, "preparation.types": tuple(preparation.types)}, "it would be gone before it is needed"
    )
    for column, choice in preparation.columns.items():
        at: Loc = ("preparation", "columns", column)
        never = next((name for name in ("never_use", "never_store") if column in getattr(privacy, name)), None)
        if never is not None and choice.drop is not True:
            yield Violation("HS117", at, f"is in privacy.{never} and never an input; nothing can be decided about it", "drop this clause")
        numeric = choice.impute in {"median", "mean", "zero"} or choice.clip or choice.transform not in {None, "none"}
        if column in privacy.pseudonymise and (numeric or choice.encode == "tfidf"):
            yield Violation(
                "HS117", at, "is in privacy.pseudonymise; a hash is neither a number nor a text", "choose an encode for categories"
            )
    for column, kind in preparation.types.items():
        if column in privacy.pseudonymise and kind != "category":
            yield Violation("HS117", ("preparation", "types", column), f"got {kind}; a pseudonymised column is a category", "drop it")


def private_columns_stay_out_of_labels(privacy: Privacy, labelling: Labelling) -> Found:
    """A label rule reads only what is stored in clear."""
    for index, rule in enumerate(labelling.rules):
        hidden = {*privacy.never_store, *privacy.pseudonymise}
        read = [column for column in columns_of(rule.when) if column in hidden] if hidden else []
        if read:
            message = f"reads {read[0]}, which is not stored in clear (privacy)"
            yield Violation("HS117", ("labelling", "rules", index, "when"), message, "write a condition over other columns")


def _used(privacy: Privacy, clause: str, uses: dict[str, tuple[str | None, ...]], why: str) -> Found:
    for index, column in enumerate(getattr(privacy, clause)):
        for use, columns in uses.items():
            if column in columns:
                yield Violation(
                    "HS117", ("privacy", clause, index), f"got {shown(column)}, which is used in {use}; {why}", "take it out of one"
                )
