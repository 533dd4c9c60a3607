"""One partition of a batch: its rows read, scored and written as a part. It runs in a thread here or in another process."""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal

from homeostat.errors import DataError
from homeostat.infra.batch_output import write_part
from homeostat.infra.formats import parquet_pages
from homeostat.infra.formats.parquet import BROKEN, LINE
from homeostat.infra.parts import put_part
from homeostat.serving.batch import Scored, answer_names, score_frame, without
from homeostat.serving.predictor import Predictor

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import IO

    import polars as pl

    from homeostat.infra.batch_input import RowFile
    from homeostat.infra.batch_output import Output
    from homeostat.serving.bundle import Bundle
    from homeostat.serving.manifest import Manifest
    from homeostat.serving.partitions import Partition

BadRows = Literal["refuse", "null"]
PROBLEM = "problem"


@dataclass(frozen=True, slots=True, eq=False)
class Order:
    """What is the same for all partitions of a batch.

    Attributes:
        bundle: the model.
        version: its number, and ``run`` the run that trained it.
        shield: what is done to rows before the model sees them.
        bad_rows: what becomes of a row that cannot be scored: the batch is refused, or its answer is null.
        output: where the batch goes.
        like: a Parquet file without rows, with the columns of the output.
        decimal: the decimal mark of numbers in files of text.
        files: those that partitions are of.
    """

    bundle: Bundle
    version: int
    run: str
    shield: Callable[[pl.DataFrame], pl.DataFrame]
    bad_rows: BadRows
    output: Output
    like: bytes
    decimal: str
    files: Sequence[RowFile]


class PartScorer:
    """Scores partitions. What is sent to another process is the order; each process loads the graph once."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self._inputs = order.bundle.inputs()
        self._predictor = Predictor(order.bundle)

    def __reduce__(self) -> tuple[type[PartScorer], tuple[Order]]:
        return PartScorer, (self._order,)

    def score(self, part: Partition) -> tuple[int, int]:
        """Score a partition and keep its part; return its rows, and how many have no answer.

        Raises:
            DataError: HS420, a row cannot be scored and such rows are refused; HS209, the file is damaged.
            ProjectError: HS602, the part cannot be written.
        """
        order, kind = self._order, self._order.output.kind
        file = order.files[part.file]
        text = kind in ("csv", "ndjson")
        names = [name for name in file.schema if text or name in {each.name for each in self._inputs}]
        frame = _rows(file, part, [*names, LINE, BROKEN] if file.lines else names)
        scored = self._scored(frame, file)
        if scored.problems and order.bad_rows == "refuse":
            raise self._refusal(scored.problems, frame, file, part)
        more = scored.answers.hstack(told_columns(order, scored, frame.height))
        write: Callable[[IO[bytes]], object]
        if text:
            write = partial(write_part, frame.select(list(file.schema)).hstack(more), kind)
        else:
            blocks = [_packed(more[at : at + rows]) for at, rows in _spans(part.group_rows)]
            write = partial(parquet_pages.widen, (file.path, file.footer), part.groups, (LINE, BROKEN), blocks, order.like)
        put_part(order.output.parts, order.output.suffix, part.number, len(scored.problems), write)
        return part.rows, len(scored.problems)

    def _scored(self, frame: pl.DataFrame, file: RowFile) -> Scored:
        order = self._order
        found = score_frame(self._predictor, self._inputs, order.shield(frame), order.decimal if file.text else "")
        if not file.lines or not frame[BROKEN].count():
            return found
        rows = frame[BROKEN].is_not_null().arg_true().to_list()
        broken = {row: f"the line cannot be parsed: {frame[BROKEN][row]}" for row in rows}
        return Scored(without(found.answers, broken), {**found.problems, **broken})

    def _refusal(self, problems: dict[int, str], frame: pl.DataFrame, file: RowFile, part: Partition) -> DataError:
        row = min(problems)
        place = f"{file.name}:{frame[LINE][row]}" if file.lines else f"{file.name} row {part.start + row + 1}"
        more = f" (and {len(problems) - 1} more among the {part.rows} rows around it)" if len(problems) > 1 else ""
        step = "mend it and run the same command again, or give --bad-rows null"
        return DataError("HS420", f"{problems[row]}{more}; nothing was written", place=place, next_step=step)


def told_columns(order: Order, scored: Scored, rows: int) -> pl.DataFrame:
    """The columns beside the answers: the version, its run, and with ``--bad-rows null`` what is wrong with a row."""
    import polars as pl

    columns = [pl.repeat(order.version, rows, dtype=pl.Int32), pl.repeat(order.run, rows, dtype=pl.String)]
    found = pl.select(columns[0].alias("model_version"), columns[1].alias("run"))
    if order.bad_rows == "refuse":
        return found
    problems = [scored.problems.get(row) for row in range(rows)] if scored.problems else [None] * rows
    return found.with_columns(pl.Series(PROBLEM, problems, dtype=pl.String))


def output_names(manifest: Manifest, bad_rows: BadRows) -> tuple[str, ...]:
    """The columns that the output has beside those of the input."""
    return (*answer_names(manifest), "model_version", "run", *((PROBLEM,) if bad_rows == "null" else ()))


def packed_schema(schema: pl.Schema) -> bytes:
    """A Parquet file of these columns without rows."""
    return _packed(schema.to_frame())


def _rows(file: RowFile, part: Partition, names: list[str]) -> pl.DataFrame:
    import polars as pl

    try:
        lazy = pl.scan_parquet(file.path, glob=False, hive_partitioning=False)
        return lazy.slice(part.start, part.rows).select(names).collect()
    except (OSError, pl.exceptions.PolarsError) as error:
        first = str(error).splitlines()[0]
        raise DataError("HS209", f"the file is damaged, or is gone: {first}", place=file.name, next_step="deliver it again") from error


def _spans(sizes: tuple[int, ...]) -> list[tuple[int, int]]:
    return [(sum(sizes[:at]), size) for at, size in enumerate(sizes)]


def _packed(frame: pl.DataFrame) -> bytes:
    """A frame as a Parquet file of one row group."""
    buffer = io.BytesIO()
    frame.write_parquet(buffer, compression="zstd", compression_level=1, row_group_size=max(frame.height, 1))
    return buffer.getvalue()
