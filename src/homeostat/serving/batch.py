"""A frame scored as it is in a batch: one answer per row as columns, and for each row that has none the reason."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from homeostat.graph.decode import decode_frame
from homeostat.graph.fields import ALLOWED, parse_timestamp
from homeostat.serving.manifest import ENDS
from homeostat.serving.predictor import endless

if TYPE_CHECKING:
    import polars as pl

    from homeostat.graph.plan import Input
    from homeostat.serving.manifest import Manifest
    from homeostat.serving.predictor import Predictor, Said

DECODED_ROWS, RUN_ROWS = 65_536, 4_096
"""Rows that are decoded together, and rows of one run of the graph: what the graph makes of the latter stays in the cache of a core."""
NOT_FINITE = "its score is not finite: numbers too large for the model"


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """The answers to rows: ``answers`` has a row for each, null where ``problems`` (row -> why) has one."""

    answers: pl.DataFrame
    problems: dict[int, str]


@dataclass(slots=True)
class _Noted:
    """Gathers what cannot be decoded, by row; of several things in one row the first is kept."""

    start: int = 0
    problems: dict[int, str] = field(default_factory=dict)

    def __call__(self, given: Input, bad: pl.Series, series: pl.Series) -> None:
        rows = bad.fill_null(False).arg_true()
        for row, value in zip(rows.to_list(), series.gather(rows).to_list(), strict=True):
            got = f"{str(value)[:60]!r} ({series.dtype})"
            self.problems.setdefault(self.start + row, f"column {given.name!r}: got {got}; a {given.kind} is {ALLOWED[given.kind]}")


def score_frame(predictor: Predictor, inputs: tuple[Input, ...], frame: pl.DataFrame, decimal: str = "") -> Scored:
    """The answers to all rows of a frame, in their order.

    A file of text gives a column a type only if all of its values are of it, so a single bad one makes all of them texts. With ``decimal``
    such columns are read as their kinds, value by value.

    Args:
        predictor: answers.
        inputs: the bundle's.
        frame: the rows, with a column for each input.
        decimal: the decimal mark of numbers in texts; empty: a text is no number.

    Raises:
        DataError: HS203, an input is missing.
    """
    import polars as pl

    noted = _Noted()
    if decimal:
        frame = _as_kinds(inputs, frame, decimal, noted)
    found = []
    size = min(DECODED_ROWS, predictor.rows_at_once)
    for noted.start in range(0, max(frame.height, 1), size):
        decoded = decode_frame(inputs, frame[noted.start : noted.start + size], noted)
        said = predictor.say_decoded(decoded, RUN_ROWS)
        for row in endless(said):
            noted.problems.setdefault(noted.start + row, NOT_FINITE)
        found.append(answer_frame(predictor.manifest, said))
    return Scored(without(pl.concat(found), noted.problems), noted.problems)


def without(answers: pl.DataFrame, problems: dict[int, str]) -> pl.DataFrame:
    """The answers with null in the rows that have a problem."""
    import polars as pl

    if not problems:
        return answers
    good = np.ones(answers.height, dtype=np.bool_)
    good[list(problems)] = False
    return answers.select(pl.when(pl.lit(pl.Series(good))).then(pl.col(name)).alias(name) for name in answers.columns)


def answer_frame(manifest: Manifest, said: Said) -> pl.DataFrame:
    """What the graph says as columns: ``prediction``, then ``probability``, ``probability_<class>`` per class, or the ends."""
    import polars as pl

    if manifest.task == "regression":
        ends = {} if said.ends is None else {name: said.ends[:, at] for at, name in enumerate(ENDS)}
        return pl.DataFrame({"prediction": said.scores[:, 0], **ends})
    prediction = pl.Series(manifest.classes, dtype=pl.String).gather(said.decisions)
    if manifest.task == "binary":
        return pl.DataFrame({"prediction": prediction, "probability": said.scores[:, 1]})
    return pl.DataFrame(
        {"prediction": prediction, **{f"probability_{name}": said.scores[:, at] for at, name in enumerate(manifest.classes)}}
    )


def answer_names(manifest: Manifest) -> tuple[str, ...]:
    """The names of the columns that ``answer_frame`` gives."""
    if manifest.task == "regression":
        return ("prediction", *(ENDS if manifest.intervals else ()))
    return ("prediction", *(("probability",) if manifest.task == "binary" else (f"probability_{name}" for name in manifest.classes)))


def _as_kinds(inputs: tuple[Input, ...], frame: pl.DataFrame, decimal: str, noted: _Noted) -> pl.DataFrame:
    """Columns of text read as their inputs' kinds, value by value; those that are not of the kind are noted, and null."""
    import polars as pl

    read = {}
    for each in inputs:
        if each.name not in frame.columns or frame.schema[each.name] != pl.String or each.kind not in ("number", "boolean", "timestamp"):
            continue
        given = frame[each.name]
        texts = given.str.strip_chars()
        if each.kind == "boolean":
            texts = texts.str.to_lowercase().replace({"true": "1", "false": "0"})
        values = (texts.str.replace(",", ".", literal=True) if decimal == "," else texts).cast(pl.Float64, strict=False)
        if each.kind == "timestamp":
            values = values.fill_null(texts.replace_strict(_moments(texts.filter(values.is_null())), default=None, return_dtype=pl.Float64))
        noted(each, values.is_null() & given.is_not_null(), given)
        read[each.name] = values
    return frame.with_columns(pl.Series(name, values) for name, values in read.items())


def _moments(texts: pl.Series) -> dict[str, float]:
    """The ISO 8601 texts among these, with their seconds."""
    found = {}
    for text in texts.unique().drop_nulls().to_list():
        with suppress(ValueError):
            found[text] = parse_timestamp(text)
    return found
