"""The target as the analysis reads it: numbers, or classes as texts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from homeostat.core.targets import text_of
from homeostat.preparation.analysis.reading import LONGEST, as_numbers, as_texts

if TYPE_CHECKING:
    import polars as pl

    from homeostat.core import sections

MOST_CLASSES = 12
OTHER = "other classes"


@dataclass(frozen=True, slots=True, eq=False)
class Goal:
    """``values``: Float64 or, of classes, String. ``classes``: (class, rows), the positive one of a binary task first, else by rows."""

    values: pl.Series
    classes: tuple[tuple[str, int], ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The classes' texts."""
        return tuple(name for name, _ in self.classes)


def goal_of(column: pl.Series, task: sections.Task) -> Goal:
    """Read the target's column; any values will do, also none. Classes beyond the twelve most frequent are one."""
    if task.type == "regression":
        return Goal(as_numbers(column))
    values = as_texts(column).str.slice(0, LONGEST)
    counted = values.drop_nulls().alias("value").to_frame().group_by("value").len("rows")
    classes = sorted(((str(name), int(rows)) for name, rows in counted.rows()), key=lambda each: (-each[1], each[0]))
    if len(classes) == 2 and task.type == "binary":
        positive = max(name for name, _ in classes) if task.positive is None else text_of(task.positive)
        classes.sort(key=lambda each: each[0] != positive)
    if len(classes) > MOST_CLASSES:
        rare = [name for name, _ in classes[MOST_CLASSES - 1 :]]
        values = values.replace(rare, [OTHER] * len(rare))
        classes = [*classes[: MOST_CLASSES - 1], (OTHER, sum(rows for _, rows in classes[MOST_CLASSES - 1 :]))]
    return Goal(values, tuple(classes))
