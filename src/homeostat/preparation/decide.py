"""What is done to each column before a learner sees it: decisions taken from the training rows, overridden by the charter."""

from __future__ import annotations

from typing import TYPE_CHECKING

from homeostat.core.records import Decision
from homeostat.preparation.kinds import choose_columns

if TYPE_CHECKING:
    import polars as pl

    from homeostat.core import sections


def decide(frame: pl.DataFrame, task: sections.Task, section: sections.Preparation) -> tuple[Decision, ...]:
    """One decision per column of the frame but the target, in the frame's order.

    Args:
        frame: training rows only: a decision taken from rows that judge would be a leak.
        task: names the target and the columns left out.
        section: what the charter overrides.

    Raises:
        LearningError: HS304, a column of a type that cannot be prepared, or no column is left.
    """
    found = choose_columns(frame, task, section)
    kept = {name: Decision(name, kind, reason="inferred from its type and values") for name, kind in found.kinds.items()}
    dropped = {name: Decision(name, None, drop=True, reason=reason) for name, reason in found.dropped.items()}
    return tuple((kept | dropped)[name] for name in frame.columns if name != task.target)
