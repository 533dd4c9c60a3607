"""What a data contract says about a table: rules on columns, on rows, and on a delivery as a whole.

Every rule has a severity. ``warn``: recorded, nothing else happens. ``reject``: the row is not taken in, for good. ``quarantine``: the row
is kept apart for repair; the default of every rule that names rows. ``stop``: the whole delivery is refused; the default of rules on a
delivery as a whole. A null never breaks a rule, but for ``required``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Literal, get_args

from homeostat.core.durations import format_duration

if TYPE_CHECKING:
    from homeostat.core.casts import LogicalType
    from homeostat.core.records import Severity

Check = Literal["type", "required", "range", "length", "pattern", "allowed", "unique"]
CHECKS: tuple[str, ...] = get_args(Check)
Bound = int | float | str
Measure = Literal["rows", "nulls", "null_percent", "value_percent", "mean", "std", "quantile", "correlation"]
MEASURES: tuple[str, ...] = get_args(Measure)


@dataclass(frozen=True, slots=True)
class ColumnRule:
    """What the values of one column must be.

    Args:
        name: the column's name.
        kind: the logical type; a value that cannot be read as it breaks the rule ``<name>.type``.
        required: a row without a value breaks ``<name>.required``.
        unique: each occurrence of a value after the first in a delivery breaks ``<name>.unique``.
        minimum: smallest value allowed: a number, or ISO 8601 text for dates and timestamps. Other values break ``<name>.range``.
        maximum: largest value allowed.
        allowed: the only texts allowed, None for any; others break ``<name>.allowed``.
        optional: the whole column may be absent from a delivery; its values are then null.
        above: every value must be larger than this.
        below: every value must be smaller than this.
        shortest: fewest characters of a text; other lengths break ``<name>.length``.
        longest: most characters of a text.
        pattern: a regular expression that must be found in a text (``^`` and ``$`` for the whole of it), else ``<name>.pattern`` is broken.
        severities: (check, severity) for the checks whose severity is not ``quarantine``; ``type`` cannot be ``warn``.
    """

    name: str
    kind: LogicalType
    required: bool = False
    unique: bool = False
    minimum: Bound | None = None
    maximum: Bound | None = None
    allowed: tuple[str, ...] | None = None
    optional: bool = False
    above: Bound | None = None
    below: Bound | None = None
    shortest: int | None = None
    longest: int | None = None
    pattern: str | None = None
    severities: tuple[tuple[str, Severity], ...] = ()

    def __post_init__(self) -> None:
        told = ((check, severity) for check, severity in self.severities if severity != "quarantine")
        object.__setattr__(self, "severities", tuple(sorted(told, key=lambda pair: pair[0])))

    def severity(self, check: str) -> Severity:
        """The severity of one of this column's checks."""
        return dict(self.severities).get(check, "quarantine")

    @property
    def bounds(self) -> tuple[tuple[str, Bound], ...]:
        """The limits that are set, as (field, value)."""
        found = (("minimum", self.minimum), ("above", self.above), ("maximum", self.maximum), ("below", self.below))
        return tuple((name, value) for name, value in found if value is not None)


@dataclass(frozen=True, slots=True)
class UniqueKey:
    """Columns whose values together must not come twice in a delivery: each row after the first breaks ``<a>+<b>.unique``."""

    columns: tuple[str, ...]
    severity: Severity = "quarantine"

    @property
    def name(self) -> str:
        """The rule's name."""
        return "+".join(self.columns) + ".unique"


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """Columns whose values together must occur in ``to`` of another table, else a row breaks ``<a>+<b>.in.<table>``."""

    columns: tuple[str, ...]
    table: str
    to: tuple[str, ...]
    severity: Severity = "quarantine"

    @property
    def name(self) -> str:
        """The rule's name."""
        return f"{'+'.join(self.columns)}.in.{self.table}"


@dataclass(frozen=True, slots=True)
class RowRule:
    """An SQL condition over the columns of one row, such as ``started <= ended``; a row for which it is false breaks it."""

    name: str
    sql: str
    severity: Severity = "quarantine"


@dataclass(frozen=True, slots=True)
class Freshness:
    """The newest value of a date or timestamp column must not be older than ``within``, else ``<column>.fresh`` does not hold."""

    column: str
    within: timedelta
    severity: Severity = "stop"

    @property
    def name(self) -> str:
        """The rule's name."""
        return f"{self.column}.fresh"

    def words(self) -> str:
        """What is allowed."""
        return f"at most {format_duration(self.within)} old"


@dataclass(frozen=True, slots=True)
class Limits:
    """Where a measured number must lie; a limit that is None is none.

    >>> Limits(minimum=1, below=5).words()
    'at least 1 and below 5'
    """

    minimum: float | None = None
    maximum: float | None = None
    above: float | None = None
    below: float | None = None

    def hold(self, value: float) -> bool:
        """Whether the number lies within."""
        return (
            (self.minimum is None or value >= self.minimum)
            and (self.maximum is None or value <= self.maximum)
            and (self.above is None or value > self.above)
            and (self.below is None or value < self.below)
        )

    def words(self) -> str:
        """What is allowed."""
        if self.minimum is not None and self.minimum == self.maximum:
            return f"{self.minimum}"
        names = (("at least", self.minimum), ("above", self.above), ("at most", self.maximum), ("below", self.below))
        return " and ".join(f"{name} {value}" for name, value in names if value is not None)


@dataclass(frozen=True, slots=True)
class Statistic:
    """A number measured on the rows of a delivery that are taken in, and where it must lie.

    Args:
        name: the rule's name.
        measure: ``rows``; of one column ``nulls`` (rows without a value), ``null_percent`` (0 to 100, of all rows), ``value_percent`` (how
            many of the values are ``value``), ``mean``, ``std`` (with n - 1), ``quantile`` (the smallest value that at least a share ``at``
            of the values does not exceed); of two columns ``correlation`` (Pearson's, over rows with both values).
        limits: where the number must lie.
        columns: the columns it is measured on.
        at: which quantile, above 0 and at most 1.
        value: which value, as text.
        severity: what happens when it does not.
    """

    name: str
    measure: Measure
    limits: Limits
    columns: tuple[str, ...] = ()
    at: float | None = None
    value: str | None = None
    severity: Severity = "stop"


@dataclass(frozen=True, slots=True)
class QueryRule:
    """One SELECT over the rows that are taken in, and what it must give.

    Args:
        name: the rule's name.
        sql: DuckDB SQL. The delivery is the table ``data`` (also the contract's table name, and ``{object}``); the other tables given to
            the check stand under their own names.
        limits: where the single number (or boolean, true is 1) that it gives must lie; None when it must give no rows.
        severity: what happens when it does not hold.
    """

    name: str
    sql: str
    limits: Limits | None = None
    severity: Severity = "stop"


TableRule = UniqueKey | ForeignKey | RowRule | Freshness | Statistic | QueryRule


@dataclass(frozen=True, slots=True)
class Contract:
    """A named, versioned agreement on a table. ``columns`` are in the order the curated table has them.

    ``table`` is what the table is called, empty when that is the contract's own name. Table rules are kept in the order of their names,
    which must differ.
    """

    name: str
    version: str
    columns: tuple[ColumnRule, ...]
    table: str = ""
    keys: tuple[UniqueKey, ...] = ()
    references: tuple[ForeignKey, ...] = ()
    conditions: tuple[RowRule, ...] = ()
    freshness: tuple[Freshness, ...] = ()
    statistics: tuple[Statistic, ...] = ()
    queries: tuple[QueryRule, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "table", "" if self.table == self.name else self.table)
        for field in ("keys", "references", "conditions", "freshness", "statistics", "queries"):
            object.__setattr__(self, field, tuple(sorted(getattr(self, field), key=lambda rule: str(rule.name))))

    def schema(self) -> dict[str, str]:
        """Column names and logical types of the rows that pass."""
        return {column.name: column.kind for column in self.columns}

    @property
    def table_name(self) -> str:
        """What the table is called."""
        return self.table or self.name

    def table_rules(self) -> Iterator[TableRule]:
        """All rules beyond single columns."""
        yield from self.keys
        yield from self.references
        yield from self.conditions
        yield from self.freshness
        yield from self.statistics
        yield from self.queries
