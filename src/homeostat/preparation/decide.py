"""What is done to each column before a learner sees it: decisions taken from the training rows, overridden by the charter.

Decisions look at inputs only, never at the target, so that every fold and window of a search can share them. ``impute``, ``indicator``,
``clip`` and ``transform`` of the analysis are for linear learners: trees split by order and take nulls as they are. What the charter
itself asks for holds for both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np

from homeostat.core import sections
from homeostat.core.records import Decision
from homeostat.core.targets import texts
from homeostat.errors import DataError, LearningError
from homeostat.preparation.categories import LINEAR_ONE_HOT_UP_TO, MOST_CLASSES, ONE_HOT_UP_TO
from homeostat.preparation.kinds import identifies_rows, infer_kind, known_kind, twins, without_information
from homeostat.preparation.numbers import LOOKED_AT, far_out, few_steps, straightening

if TYPE_CHECKING:
    import polars as pl

FITTING: Mapping[sections.Kind, Mapping[str, tuple[Any, ...]]] = MappingProxyType(
    {
        "number": {
            "impute": ("median", "mean", "zero"),
            "indicator": (True,),
            "clip": (True,),
            "transform": ("log", "yeo_johnson"),
        },
        "boolean": {"impute": ("median", "mean", "zero"), "indicator": (True,)},
        "timestamp": {"indicator": (True,)},
        "category": {"encode": ("one_hot", "ordinal", "frequency", "target")},
        "text": {"encode": ("tfidf",), "indicator": (True,)},
    }
)
"""What can be asked for a column of each kind; not to do something can always be asked for."""
CATEGORY_ENCODINGS = ("decided", "ordinal", "target", "frequency")
"""How a search may encode categories for trees: as decided column by column, or all in one way."""
NO_CLAUSES: Mapping[str, str] = MappingProxyType({})
_NOTHING = sections.ColumnChoice()


def decide(
    frame: pl.DataFrame, task: sections.Task, section: sections.Preparation, clauses: Mapping[str, str] = NO_CLAUSES
) -> tuple[Decision, ...]:
    """One decision per column of the frame but the target, in the frame's order.

    Args:
        frame: training rows only: a decision taken from rows that judge would be a leak.
        task: names the target and the columns left out.
        section: what the charter overrides.
        clauses: for columns left out, the clause that says so; ``task.leave_out`` where none is told.

    Raises:
        DataError: HS203, the charter decides about a column that is not there.
        LearningError: HS304, a column of a type that cannot be prepared, or no column is left; HS308, what the charter asks for does
            not fit the column.
    """
    _refuse_unknown(frame, section)
    names = [name for name in frame.columns if name != task.target]
    free = [name for name in names if name not in section.types and section.columns.get(name, _NOTHING).drop is None]
    same_as = twins(frame, [name for name in free if not _named_out(name, task, clauses)])
    many_classes = task.type == "multiclass" and frame[task.target].n_unique() > MOST_CLASSES
    decisions = []
    for name in names:
        choice = section.columns.get(name, _NOTHING)
        named_out = _named_out(name, task, clauses)
        found = _dropped(frame[name], named_out, choice, same_as.get(name, "")) or _kept(frame[name], section, many_classes=many_classes)
        decisions.append(_overridden(found, choice, frame[name]))
    if all(decision.drop for decision in decisions):
        listed = "; ".join(f"{each.column}: {each.reason}" for each in decisions if not each.column.startswith("_"))
        raise LearningError(
            "HS304",
            f"no column is left to learn from ({listed or 'there is none but the target'})",
            place="data",
            next_step="look at task.leave_out",
        )
    return tuple(decisions)


def encoded(decisions: Sequence[Decision], encoding: str) -> tuple[Decision, ...]:
    """The decisions with every category that the charter says nothing about encoded in this way; as they are for ``decided`` and empty."""
    if encoding in ("", CATEGORY_ENCODINGS[0]):
        return tuple(decisions)
    changed = cast("Literal['one_hot', 'ordinal', 'frequency', 'target']", encoding)
    return tuple(replace(each, encode=changed) if each.kind == "category" and each.by == "analysis" else each for each in decisions)


def _refuse_unknown(frame: pl.DataFrame, section: sections.Preparation) -> None:
    for clause, names in (("types", section.types), ("columns", section.columns)):
        for name in names:
            if name not in frame.columns:
                near = get_close_matches(name, frame.columns, n=1)
                raise DataError(
                    "HS203",
                    f"got {name!r}, which the data does not have",
                    place=f"preparation.{clause}",
                    next_step=f"did you mean {near[0]}?" if near else f"the data has {', '.join(frame.columns[:12])}",
                )


def _named_out(name: str, task: sections.Task, clauses: Mapping[str, str]) -> str:
    if name in task.leave_out:
        return f"named in {clauses.get(name, 'task.leave_out')}"
    return "where the row came from" if name.startswith("_") else ""


def _dropped(series: pl.Series, named_out: str, choice: sections.ColumnChoice, twin: str) -> Decision | None:
    """The decision to leave the column out, if so."""
    name = series.name
    silent = without_information(series)
    if choice.drop:
        return Decision(name, None, drop=True, reason="dropped by the charter", by="charter")
    if named_out:
        if choice.drop is False:
            raise _contradiction(name, "drop", f"got false for a column that is {named_out}", "take it out of one of the two")
        return Decision(name, None, drop=True, reason=named_out, by="charter" if named_out.startswith("named in ") else "analysis")
    if silent is not None and choice.drop is None:
        return Decision(name, None, drop=True, reason=silent.reason, number=silent.number)
    if silent is not None and silent.number == 0:
        raise _contradiction(name, "drop", "got false for a column without a value in any training row", "drop it until it has values")
    return Decision(name, None, drop=True, reason=f"the same as {twin} in every row", number=1) if twin else None


def _kept(series: pl.Series, section: sections.Preparation, *, many_classes: bool) -> Decision:
    """The decision about a column that tells something, unless it turns out to name rows only."""
    name, choice = series.name, section.columns.get(series.name, _NOTHING)
    kind = known_kind(series, section.types.get(name) or _asked_kind(series, choice) or infer_kind(series, section.max_categories))
    if choice.drop is None and name not in section.types and not (choice.encode and kind == "category"):
        silent = identifies_rows(series, kind, section.max_categories)
        if silent is not None:
            return Decision(name, None, drop=True, reason=silent.reason, number=silent.number)
    by_kind = {"number": _number, "boolean": _boolean, "timestamp": _timestamp}
    if kind in by_kind:
        found = by_kind[kind](series)
    else:
        found = _text(series, section) if kind == "text" else _category(series, section, many_classes=many_classes)
    return replace(found, by="charter") if name in section.types else found


def _asked_kind(series: pl.Series, choice: sections.ColumnChoice) -> sections.Kind | None:
    """Texts that the charter wants encoded in a way that only one kind has are of that kind."""
    import polars as pl

    if choice.encode is None or series.dtype != pl.String:
        return None
    return "text" if choice.encode == "tfidf" else "category"


def _number(series: pl.Series) -> Decision:
    import polars as pl

    values = series.cast(pl.Float64, strict=False).to_numpy()
    known = values[np.isfinite(values)]
    nulls = float(np.isnan(values).mean())
    said, number = ["a number"], nulls
    many = not few_steps(known)
    looked_at = known[:: max(1, len(known) // LOOKED_AT)]
    transform, skew = straightening(looked_at) if many else ("none", 0.0)
    if nulls:
        said.append(f"{nulls:.1%} null")
    if many:
        said.append(f"{far_out(looked_at):.1%} of the values far out")
    if transform != "none":
        said.append(f"skewness {skew:.2g}")
        number = skew
    return Decision(series.name, "number", False, "median", nulls > 0, True, transform, reason="; ".join(said), number=number)


def _boolean(series: pl.Series) -> Decision:
    nulls = _null_share(series)
    said = f"true or false, {nulls:.1%} null" if nulls else "true or false"
    return Decision(series.name, "boolean", impute="median", indicator=nulls > 0, reason=said, number=nulls)


def _timestamp(series: pl.Series) -> Decision:
    nulls = _null_share(series)
    said = "a time: its calendar parts that repeat within the rows"
    return Decision(series.name, "timestamp", indicator=nulls > 0, reason=f"{said}, {nulls:.1%} null" if nulls else said, number=nulls)


def _category(series: pl.Series, section: sections.Preparation, *, many_classes: bool) -> Decision:
    known = texts(series).drop_nulls()
    counts = known.value_counts(sort=True)["count"]
    distinct = len(counts)
    few = distinct <= ONE_HOT_UP_TO or many_classes
    linear = " (a linear learner: a column each)" if ONE_HOT_UP_TO < distinct <= LINEAR_ONE_HOT_UP_TO else ""
    said = [f"{distinct} texts: a column each" if few else f"{distinct} texts: the mean of the target, from other rows{linear}"]
    if distinct > section.max_categories:
        rare = float(counts[section.max_categories :].sum()) / len(known)
        said.append(f"all but the {section.max_categories} most frequent are rare: {rare:.1%} of the values")
    return Decision(series.name, "category", encode="one_hot" if few else "target", reason="; ".join(said), number=distinct)


def _text(series: pl.Series, section: sections.Preparation) -> Decision:
    nulls = _null_share(series)
    said = f"a text: its {section.text_terms} most frequent terms" + (f", {nulls:.1%} null" if nulls else "")
    return Decision(series.name, "text", indicator=nulls > 0, encode="tfidf", reason=said, number=nulls)


def _null_share(series: pl.Series) -> float:
    nulls = series.null_count() + (int(series.is_nan().sum()) if series.dtype.is_float() else 0)
    return nulls / max(1, len(series))


def _overridden(found: Decision, choice: sections.ColumnChoice, series: pl.Series) -> Decision:
    """The decision with what the charter asks for in place of what the analysis found."""
    asked = {field: value for field, value in choice if value is not None and field != "drop"}
    if found.drop or not (asked or choice.drop is False) or found.kind is None:
        return found
    fitting = FITTING[found.kind]
    for field, value in asked.items():
        if value not in (False, "none") and value not in fitting.get(field, ()):
            others = "; ".join(f"{name}: {' or '.join(_said(one) for one in values)}" for name, values in fitting.items())
            raise _contradiction(
                found.column,
                field,
                f"got {_said(value)} for a {found.kind}, which takes {others}",
                f"set preparation.types.{found.column}, or change the clause",
            )
    if asked.get("transform") == "log" and (low := float(series.min() or 0)) < 0:  # type: ignore[arg-type]  # a number
        raise _contradiction(found.column, "transform", f"got log for values down to {low:g}; it needs 0 and more", "use yeo_johnson")
    words = ", ".join(f"{field} {_said(value)}" for field, value in asked.items()) or "kept"
    return replace(found, **asked, reason=f"{found.reason}; the charter: {words}", by="charter")


def _said(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _contradiction(column: str, field: str, message: str, next_step: str) -> LearningError:
    return LearningError("HS308", message, place=f"preparation.columns.{column}.{field}", next_step=next_step)
