"""The prediction log kept small and as long as the charter says: partitions, retention, and forgetting one entity."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from homeostat.core.durations import format_duration, parse_duration
from homeostat.core.targets import texts
from homeostat.errors import ProjectError
from homeostat.flow.served import with_moment
from homeostat.infra.prediction_columns import INPUT, exact_values

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import polars as pl

    from homeostat.core.facts import Fact
    from homeostat.flow.project import Project
    from homeostat.infra.prediction_keeping import Compacted


@dataclass(frozen=True, slots=True)
class Forgotten:
    """The ``forgetting`` fact, and how many rows lie in segments that are being written: they can't be changed yet."""

    fact: Fact
    waiting: int


def keep_log(project: Project) -> Fact | None:
    """Make partitions of closed segments and remove what is older than the charter keeps; returns the ``pruning`` fact, if any went.

    Raises:
        ProjectError: HS602, the folder cannot be written; HS440, a partition is damaged.
    """
    compact_log(project)
    return prune_log(project)


def compact_log(project: Project) -> Compacted:
    """Make partitions of the segments that no process writes any more.

    Raises:
        ProjectError: HS602, the folder cannot be written; HS440, a partition is damaged.
    """
    from homeostat.infra.prediction_keeping import compact

    _finish(project)
    return compact(project.predictions)


def prune_log(project: Project) -> Fact | None:
    """Remove days that are older than ``deploy.log.keep``, but rows whose label may still come; None: there is nothing to remove.

    What goes is recorded before it goes. A kill in between is made good by the next call, which removes what is recorded.

    Raises:
        ProjectError: HS602, the folder cannot be written; HS440, a partition is damaged.
    """
    from homeostat.infra.prediction_files import day_of
    from homeostat.infra.prediction_keeping import to_remove

    _finish(project)
    keep, delay, now = project.charter.deploy.log.keep, project.charter.task.label_delay, project.clock.now()
    if keep is None:
        return None
    before = day_of(now - keep)
    found = to_remove(project.predictions, before, _awaited(project, now, delay))
    if not found.rows.total():
        return None
    body: dict[str, object] = {
        "before": before.isoformat(),
        "as_of": now.isoformat(),
        "keep": format_duration(keep),
        "label_delay": format_duration(delay),
        "rows": found.rows.total(),
        "days": {day: rows for day, rows in sorted(found.rows.items()) if rows},
        "awaited": found.kept.total(),
    }
    fact = project.record("pruning", f"{before.isoformat()}:{now.isoformat()}", body)
    _finish(project)
    return fact


def forget(project: Project, values: Mapping[str, str]) -> Forgotten:
    """Take the inputs of an entity's rows out of the log; its answers stay, as answers to nobody.

    Labels and the rows of data sources are not touched. A kill on the way leaves some of the rows: run it again.

    Args:
        project: whose log it is.
        values: the entity's columns and their values, as they are sent to the server.

    Raises:
        ProjectError: HS441, these are not the entity's columns; HS602, the folder cannot be written; HS440, a partition is damaged.
    """
    from homeostat.infra.prediction_columns import to_columns
    from homeostat.infra.prediction_files import chunks, segments
    from homeostat.infra.prediction_keeping import counted, rewrite
    from homeostat.infra.predictions import Ids

    entity = project.charter.task.entity
    if not entity or set(values) != set(entity):
        allowed = f"needed: {', '.join(entity)}" if entity else "the charter names no task.entity"
        raise ProjectError("HS441", f"got {', '.join(values) or 'no column'}; {allowed}", next_step="give COLUMN=VALUE for each of them")
    compact_log(project)
    theirs = _of_entity(_as_logged(project, values))
    found = counted(project.predictions, theirs)
    body: dict[str, object] = {"columns": sorted(values), "rows": found.total(), "days": dict(sorted(found.items()))}
    fact = project.record("forgetting", Ids().take(1)[0], body)
    rewrite(project.predictions, theirs, _emptied)
    open_rows = (to_columns(chunk.records) for path in segments(project.predictions) for chunk in chunks(path))
    return Forgotten(fact, sum(int(theirs(frame).sum()) for frame in open_rows))


def overview(project: Project) -> dict[str, Any]:
    """What the log holds: rows and megabytes by day and version, segments, torn lines, and what deaths of processes cost."""
    from homeostat.infra.prediction_files import parts, segments
    from homeostat.infra.prediction_records import count, rows_of, torn
    from homeostat.infra.segment import lost

    folder = project.predictions
    open_ = segments(folder)
    names = {path.stem for path in open_}
    rows: Counter[tuple[str, str]] = Counter()
    size: Counter[tuple[str, str]] = Counter()
    for part in parts(folder):
        if part.segment not in names:
            rows[part.day.isoformat(), part.version] += rows_of(part)
            size[part.day.isoformat(), part.version] += part.path.stat().st_size
    days = [{"day": key[0], "version": key[1], "rows": rows[key], "mb": round(size[key] / 1e6, 3)} for key in sorted(rows)]
    records = count(folder)
    return {
        "records": records,
        "days": days,
        "segments": len(open_),
        "in_segments": records - rows.total(),
        "torn": len(torn(folder)),
        "lost": lost(folder),
    }


def _finish(project: Project) -> None:
    """Remove what the newest ``pruning`` says: all of it is gone already, unless a kill came in between."""
    from homeostat.infra.prediction_keeping import prune

    for fact in project.ledger.find("pruning", limit=1):
        as_of, delay = datetime.fromisoformat(str(fact.body["as_of"])), parse_duration(str(fact.body["label_delay"]))
        prune(project.predictions, date.fromisoformat(str(fact.body["before"])), _awaited(project, as_of, delay))


def _awaited(project: Project, now: datetime, delay: timedelta) -> Callable[[pl.DataFrame], pl.Series]:
    """Whether the label of a row may still come at a moment: what the row is about is less than the label delay ago, or ahead."""
    import polars as pl

    time = project.charter.task.time

    def stays(frame: pl.DataFrame) -> pl.Series:
        moment = pl.max_horizontal("_moment", "at")
        return with_moment(time, frame).select((moment > now - delay).alias("stays"))["stays"]

    return stays


def _as_logged(project: Project, values: Mapping[str, str]) -> dict[str, str]:
    """The values as the log holds them: pseudonyms where the charter asks for them."""
    import polars as pl

    from homeostat.flow.privacy import shield_frame

    frame = shield_frame(project, pl.DataFrame({name: [value] for name, value in values.items()}))
    absent = [name for name in values if name not in frame.columns]
    if absent or set(values) & set(project.charter.privacy.never_log):
        hidden = ", ".join(absent or sorted(set(values) & set(project.charter.privacy.never_log)))
        raise ProjectError(
            "HS441", f"the log holds no {hidden}: the charter's privacy keeps it out", next_step="there is nothing to forget"
        )
    return {name: str(frame[name][0]) for name in values}


def _of_entity(values: Mapping[str, str]) -> Callable[[pl.DataFrame], pl.Series]:
    """Whether a row is of the entity, by the texts of its columns."""
    import polars as pl

    from homeostat.core.targets import text_of

    def theirs(frame: pl.DataFrame) -> pl.Series:
        same = pl.repeat(value=True, n=frame.height, eager=True)
        for name, value in values.items():
            if frame["rest"].null_count() < frame.height:
                told = [None if each is None else text_of(each) for each in exact_values(frame, name)]
                given = pl.Series(told, dtype=pl.String)
            elif f"{INPUT}{name}" in frame.columns:
                given = texts(frame[f"{INPUT}{name}"])
            else:
                given = pl.repeat(None, frame.height, dtype=pl.String, eager=True)
            same &= (given == value).fill_null(value=False)
        return same

    return theirs


def _emptied(frame: pl.DataFrame, rows: pl.Series) -> pl.DataFrame:
    """The frame without the inputs of some rows, nor anything of theirs that no column holds."""
    import polars as pl

    names = [name for name in frame.columns if name.startswith(INPUT) or name == "rest"]
    return frame.with_columns(
        *(pl.when(~rows).then(pl.col(name)).alias(name) for name in names),
        pl.when(rows).then(pl.lit("[]")).otherwise("fields").alias("fields"),
    )
