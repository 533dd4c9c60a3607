"""Which columns a foreign graph's inputs are given: as they are named, by their order, or as it was said; each checked against the rows."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from homeostat.core.targets import texts
from homeostat.errors import LearningError
from homeostat.graph.plan import Feed, Input
from homeostat.serving.foreign_session import NULL, numbers

if TYPE_CHECKING:
    import polars as pl

    from homeostat.graph.ports import Port, Ports

UNSEEN = "\N{REPLACEMENT CHARACTER}unseen"
"""The text that stands for one that neither the reference rows nor the graph know."""
ONLY = ""
"""In a mapping the name of the only input."""


@dataclass(frozen=True, slots=True)
class Wired:
    """The plan's inputs, what each of the graph's inputs is given, and from which columns."""

    inputs: tuple[Input, ...]
    feeds: tuple[Feed, ...]
    columns: Mapping[str, tuple[str, ...]]


def wire(ports: Ports, frame: pl.DataFrame, columns: Sequence[str], said: Mapping[str, Sequence[str]], *, fill: bool) -> Wired:
    """Find each input's columns.

    Args:
        ports: what the graph says of itself.
        frame: reference rows.
        columns: those that may be inputs, in the order of the file.
        said: columns by input, as far as a person or the model's signature told; ``ONLY`` stands for the only input.
        fill: whether nulls become the reference's median (texts: the most frequent one).

    Raises:
        LearningError: HS377, an input's columns cannot be told, are not in the rows, or hold what it does not take.
    """
    found = _matched(ports, frame, columns, said)
    kinds: dict[str, str] = {}
    for port in ports.inputs:
        for name in found[port.name]:
            kind = _kind(port, frame[name])
            if kinds.setdefault(name, kind) != kind:
                raise LearningError("HS377", "one input takes it as a text and another as a number", place=f"column {name!r}")
    vocabularies = {name: _vocabulary(ports, found, frame, name) for name, kind in kinds.items() if kind == "category"}
    inputs = tuple(Input(name, kind, vocabularies.get(name, ())) for name, kind in kinds.items())  # type: ignore[arg-type]  # kinds by name
    places = {name: at for group in (_of(kinds, "category"), _of(kinds, "number", "boolean")) for at, name in enumerate(group)}
    feeds = tuple(_feed(port, found[port.name], places, vocabularies, frame, fill=fill) for port in ports.inputs)
    return Wired(inputs, feeds, found)


def _of(kinds: Mapping[str, str], *wanted: str) -> list[str]:
    return [name for name, kind in kinds.items() if kind in wanted]


def _matched(ports: Ports, frame: pl.DataFrame, columns: Sequence[str], said: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    names = [port.name for port in ports.inputs]
    told = ", ".join(port.told() for port in ports.inputs)
    unknown = [name for name in said if name not in names and not (name == ONLY and len(names) == 1)]
    if unknown:
        raise LearningError("HS377", f"got {unknown[0] or 'columns without an input'!r}; the graph's inputs are {told}", place="--map")
    found = {}
    for port in ports.inputs:
        given = said.get(port.name, said.get(ONLY, ()))
        chosen = tuple(given) or _inferred(port, frame, columns, alone=len(names) == 1)
        lost = [name for name in chosen if name not in frame.columns]
        if lost:
            have = ", ".join(frame.columns)
            raise LearningError("HS377", f"the reference rows have no column {lost[0]!r}; they have {have}", place=f"input {port.name!r}")
        if port.width not in (None, len(chosen)):
            step = f"say which, in the graph's order: --map {port.name}=COLUMN,COLUMN,..."
            message = f"it takes {port.width} columns and there are {len(chosen)}: {', '.join(chosen)}"
            raise LearningError("HS377", message, place=f"input {port.name!r}", next_step=step)
        found[port.name] = chosen
    return found


def _inferred(port: Port, frame: pl.DataFrame, columns: Sequence[str], *, alone: bool) -> tuple[str, ...]:
    """The column of the input's name; of a graph's only input all columns there are, or all that hold numbers."""
    same = [name for name in columns if name == port.name] or [name for name in columns if _plain(name) == _plain(port.name)]
    if len(same) == 1 and port.width in (None, 1):
        return tuple(same)
    if alone:
        plain = tuple(name for name in columns if frame.schema[name].is_numeric() or frame.schema[name].is_(_boolean()))
        return plain if port.type != "string" and port.width == len(plain) else tuple(columns)
    step = f"say which: --map {port.name}=COLUMN"
    have = ", ".join(columns)
    raise LearningError("HS377", f"no column is called as this input is; columns: {have}", place=f"input {port.name!r}", next_step=step)


def _boolean() -> pl.DataType:
    import polars as pl

    return pl.Boolean()


def _plain(name: str) -> str:
    """A name without what programs change in it: case, blanks, signs."""
    return re.sub(r"\W+|_+", "_", name).strip("_").casefold()


def _kind(port: Port, series: pl.Series) -> str:
    if port.type == "string":
        return "category"
    if series.dtype == _boolean():
        return "boolean"
    if not series.dtype.is_numeric() and series.null_count() < len(series):
        shown = str(series.drop_nulls()[0])[:40]
        message = f"the input {port.told()} takes numbers, and the column holds {shown!r} ({series.dtype})"
        raise LearningError("HS377", message, place=f"column {series.name!r}", next_step="map the columns with --map, or export the model")
    return "boolean" if port.type == "bool" else "number"


def _vocabulary(ports: Ports, found: Mapping[str, Sequence[str]], frame: pl.DataFrame, name: str) -> tuple[str, ...]:
    """The texts of the rows, and those that the graph itself compares with, so that it is asked about them as they are."""
    known = set(texts(frame[name]).drop_nulls().unique().to_list())
    known.update(*(ports.texts[port] for port, columns in found.items() if name in columns and port in ports.texts))
    return tuple(sorted(known))


def _feed(
    port: Port,
    columns: Sequence[str],
    places: Mapping[str, int],
    vocabularies: Mapping[str, tuple[str, ...]],
    frame: pl.DataFrame,
    *,
    fill: bool,
) -> Feed:
    at, flat = tuple(places[name] for name in columns), port.shape is not None and len(port.shape) == 1
    if port.type == "string":
        nulls = [_most_frequent(frame[name]) if fill else NULL for name in columns]
        told = tuple((null, *vocabularies[name], UNSEEN) for null, name in zip(nulls, columns, strict=True))
        return Feed(port.name, port.type, at, told, flat)
    return Feed(port.name, port.type, at, (), flat, tuple(_median(frame[name]) for name in columns) if fill else ())


def _median(series: pl.Series) -> float:
    known = numbers(series)
    known = known[~np.isnan(known)]
    return float(np.median(known)) if len(known) else 0.0


def _most_frequent(series: pl.Series) -> str:
    known = texts(series).drop_nulls()
    return str(known.mode().sort()[0]) if len(known) else NULL
