"""Rules about what runs: how long the prediction log is kept."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING

from homeostat.charter.violations import Violation
from homeostat.core.durations import format_duration
from homeostat.core.forecasts import lead

if TYPE_CHECKING:
    from homeostat.core.sections import Deploy, Monitor, Task

WINDOWS = {"day": timedelta(days=1), "week": timedelta(days=7), "month": timedelta(days=31)}


def predictions_outlive_their_labels(task: Task, deploy: Deploy, monitor: Monitor) -> Iterator[Violation]:
    """A prediction is kept until its window is over and the labels of the window can be there."""
    keep = deploy.log.keep
    if keep is None:
        return
    delay = task.label_delay if task.forecast is None else lead(task.forecast, task.label_delay)
    least = delay + WINDOWS[monitor.window]
    if keep < least:
        message = f"got {format_duration(keep)}; a {monitor.window} is judged {format_duration(least)} after its first prediction"
        yield Violation("HS106", ("deploy", "log", "keep"), message, f"keep them at least {format_duration(least)}, or drop the clause")
