"""Stage 8 as a journey, in batch: rows from anywhere, in partitions that are kept as they are done, to one output with all of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from homeostat.core import sections
from homeostat.core.addresses import is_local
from homeostat.core.ids import canonical, digest
from homeostat.errors import DataError, ProjectError
from homeostat.flow.privacy import batch_shield
from homeostat.flow.score_part import BadRows, Order, PartScorer, output_names, packed_schema
from homeostat.flow.serving import serving
from homeostat.infra.batch_input import given_rows, row_files, unchanged
from homeostat.infra.batch_output import check_columns, finish, output_of
from homeostat.infra.engine import engine_of
from homeostat.infra.parts import opened
from homeostat.serving.partitions import PARTITION_ROWS, partitions, seconds_left
from homeostat.serving.predictor import cores

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    import polars as pl

    from homeostat.core.ports import Progress
    from homeostat.flow.project import Project
    from homeostat.infra.batch_input import Given, RowFile
    from homeostat.infra.batch_output import Output
    from homeostat.serving.bundle import Bundle
    from homeostat.serving.partitions import Partition

SPOOL = "scoring"
_CHANGED = {
    "bundle": "another version is to score it",
    "version": "another version is to score it",
    "input": "the input is another, or has changed",
    "reading": "files are to be read otherwise",
    "bad_rows": "--bad-rows is another",
    "output": "the output is of another kind",
    "partition_rows": "partitions are cut otherwise",
}


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """What is scored, by what, and where it goes.

    ``source`` and ``output`` are addresses made out already; ``root`` is what the paths among them are relative to. ``section`` says how
    files of text are read, ``store`` which engine runs the partitions.
    """

    source: str
    output: Output
    root: Path
    bundle: Bundle
    version: int
    run: str
    shield: Callable[[pl.DataFrame], pl.DataFrame]
    section: sections.Source
    store: sections.Store
    bad_rows: BadRows = "refuse"
    partition_rows: int = PARTITION_ROWS


def score(
    project: Project, source: str, target: str, *, root: Path, bad_rows: BadRows = "refuse", progress: Progress | None = None
) -> dict[str, Any]:
    """Score all rows of a source with the champion: one row out for each row in, in their order.

    The output has the columns of the input, the answers, ``model_version`` and ``run``. Run again after it was broken off, it goes on
    with the partitions that are missing; where the input, the version or the output's kind is another it starts anew and says so.

    Args:
        project: whose champion scores.
        source: a file, a folder, a glob, a Delta table's folder, ``s3://...``, ``http(s)://...``, or a database and ``#TABLE``.
        target: a file, a folder with a ``/`` at its end, a Delta table, or ``s3://...``.
        root: what paths are relative to.
        bad_rows: ``refuse`` ends with an error at a row that cannot be scored; ``null`` leaves its answer empty, and says why in the
            column ``problem``.
        progress: told how far it is.

    Raises:
        DataError: the input cannot be read, lacks a column or has one that the output needs; HS420, a row cannot be scored; HS421, the
            input changed meanwhile; HS423, its files do not go together.
        ProjectError: the output's name or place will not do; HS422, another process writes it.
    """
    output = output_of(target, root, project.state / SPOOL)
    require_apart(source, output, root)
    now = serving(project)
    data = project.charter.data
    section = sections.Source(
        source=source, delimiter=data.delimiter, decimal=data.decimal, encoding=data.encoding, null_values=data.null_values
    )
    run = str(now.version.fact.body["run"])
    batch = Batch(
        source, output, root, now.bundle, now.version.number, run, batch_shield(project), section, project.charter.store, bad_rows
    )
    return run_batch(batch, project.clock.now().isoformat(), progress)


def run_batch(batch: Batch, now: str, progress: Progress | None = None) -> dict[str, Any]:
    """Score a batch, or what is missing of it; ``now`` tells it from an equal one at another time. See ``score``."""
    output = batch.output
    given = given_rows(batch.source, batch.section, batch.root)
    identity = _identity(batch, given)
    with opened(output.parts, output.suffix, identity, {"key": digest({"at": now, "of": identity})}) as parts:
        if parts.changed and progress:
            reasons = dict.fromkeys(_CHANGED.get(name, name) for name in parts.changed)
            progress.note(f"what was scored before is of no use: {'; '.join(reasons)}; starting anew")
        if progress:
            progress.update(f"read {', '.join(each.name for each in given[:3])}{' ...' if len(given) > 3 else ''}")
        files = row_files(given, output.parts / "input")
        schema = _output_schema(batch, files[0])
        check_columns(output, schema)
        cut = partitions([each.footer.group_rows for each in files], batch.partition_rows)
        before = parts.done()
        _score_missing(batch, files, [each for each in cut if each.number not in before], schema, _Told(cut, set(before), progress))
        if not unchanged(given, given_rows(batch.source, batch.section, batch.root)):
            raise DataError("HS421", "the input changed while it was scored", place=given[0].name, next_step="run the same command again")
        done = parts.done()
        finish(output, [done[each.number].path for each in cut], schema, str(parts.state["key"]), batch.section)
        parts.close()
    return {
        "rows": sum(each.rows for each in cut),
        "bad": sum(each.bad for each in done.values()),
        "taken_up": sum(each.rows for each in cut if each.number in before),
        "version": batch.version,
        "output": output.shown,
    }


class _Told:
    """Tells a person how many rows are done and about how long the rest takes, at the pace of this run."""

    def __init__(self, cut: Sequence[Partition], before: set[int], progress: Progress | None) -> None:
        self._progress = progress
        self._total = sum(each.rows for each in cut)
        self._before = self._done = sum(each.rows for each in cut if each.number in before)
        if progress and self._done:
            progress.note(f"going on: {self._done:,} of {self._total:,} rows are scored already")

    def add(self, rows: int, since: float) -> None:
        """Further rows are done, so many seconds after this run began."""
        self._done += rows
        if self._progress:
            left = seconds_left(self._done - self._before, self._total - self._before, since)
            rest = f", about {_duration(left)} left" if left else ""
            self._progress.update(f"scored {self._done:,} of {self._total:,} rows{rest}", done=self._done / self._total)


def _score_missing(batch: Batch, files: Sequence[RowFile], missing: Sequence[Partition], schema: pl.Schema, told: _Told) -> None:
    order = Order(
        bundle=batch.bundle,
        version=batch.version,
        run=batch.run,
        shield=batch.shield,
        bad_rows=batch.bad_rows,
        output=batch.output,
        like=packed_schema(schema),
        decimal=batch.section.decimal,
        files=files,
    )
    if not missing:
        return
    with engine_of(batch.store, cores()) as engine:
        began = engine.clock()
        engine.together(
            PartScorer(order).score,
            [(each,) for each in missing],
            done=lambda _, found: told.add(found[0], engine.clock() - began),
        )


def _identity(batch: Batch, given: Sequence[Given]) -> Mapping[str, Any]:
    """What finished partitions are of."""
    reading = canonical(batch.section.model_dump(mode="json", exclude={"source"})).decode()
    return {
        "input": [[each.name, each.fingerprint] for each in given],
        "version": batch.version,
        "bundle": batch.bundle.manifest.graph_sha256,
        "reading": reading,
        "bad_rows": batch.bad_rows,
        "output": batch.output.kind,
        "partition_rows": batch.partition_rows,
    }


def _output_schema(batch: Batch, file: RowFile) -> pl.Schema:
    """The columns of the output.

    Raises:
        DataError: HS203, an input is missing, or there is a column that the output needs.
    """
    import polars as pl

    missing = [each.name for each in batch.bundle.inputs() if each.name not in file.schema]
    if missing:
        raise DataError("HS203", f"missing {', '.join(missing)}; there are {', '.join(file.schema)}", place=f"column {missing[0]!r}")
    names = output_names(batch.bundle.manifest, batch.bad_rows)
    taken = [name for name in names if name in file.schema]
    if taken:
        message = f"the input has a column {taken[0]!r}, which the output needs"
        raise DataError("HS203", message, place=file.name, next_step="rename it")
    texts = {"run", "problem", *(("prediction",) if batch.bundle.manifest.classes else ())}
    types = {name: pl.String() if name in texts else pl.Int32() if name == "model_version" else pl.Float64() for name in names}
    return pl.Schema({**file.schema, **types})


def require_apart(source: str, output: Output, root: Path) -> None:
    """Return when the output is not the input, nor lies in the folder that is read.

    Raises:
        ProjectError: HS607.
    """
    if not is_local(source) or not is_local(output.address):
        return
    given, made = (root / source).resolve(), output.path.resolve()
    if made == given or made.is_relative_to(given):
        place = "is the input" if made == given else "lies in the folder that is the input"
        raise ProjectError("HS607", f"the output {place}", place=str(made), next_step="give another output")


def _duration(seconds: float) -> str:
    whole = max(1, round(seconds))
    if whole < 60:
        return f"{whole} s"
    return f"{whole // 60} min" if whole < 3600 else f"{whole // 3600} h {whole % 3600 // 60} min"
