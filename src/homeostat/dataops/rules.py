"""What a data contract says about a table: one rule set per column."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from homeostat.core.casts import LogicalType


@dataclass(frozen=True, slots=True)
class ColumnRule:
    """What the values of one column must be.

    Args:
        name: the column's name.
        kind: the logical type; a value that cannot be read as it breaks the rule ``<name>.type``.
        required: a row without a value breaks ``<name>.required``.
        unique: each occurrence of a value after the first in a delivery breaks ``<name>.unique``.
        minimum: smallest value allowed: a number, or ISO 8601 text for dates and timestamps.
        maximum: largest value allowed.
        allowed: the only texts allowed, None for any.
        optional: the whole column may be absent from a delivery; its values are then null.
    """

    name: str
    kind: LogicalType
    required: bool = False
    unique: bool = False
    minimum: int | float | str | None = None
    maximum: int | float | str | None = None
    allowed: tuple[str, ...] | None = None
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Contract:
    """A named, versioned agreement on the columns of a table, in the order the curated table has them."""

    name: str
    version: str
    columns: tuple[ColumnRule, ...]

    def schema(self) -> dict[str, str]:
        """Column names and logical types of the rows that pass."""
        return {column.name: column.kind for column in self.columns}
