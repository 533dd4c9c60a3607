"""``homeostat profile``: what the newest dataset version looks like, column by column."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from homeostat.app.cli.output import Answer, lifecycle_command, table

if TYPE_CHECKING:
    from pathlib import Path


def _profile(project: Path) -> Answer:
    from homeostat.dataops.profile import profile_columns
    from homeostat.flow.datasets import read_dataset
    from homeostat.flow.project import open_project

    with open_project(project) as opened:
        dataset = opened.latest("dataset", "run `homeostat ingest` first")
        frame = read_dataset(opened, dataset).drop("_source", "_line")
        columns = [asdict(column) for column in profile_columns(frame, opened.charter.task.target)]
    head = ("column", "kind", "nulls", "distinct", "min", "mean", "max", "with target", "note")
    lines = [f"{dataset.id}: {frame.height} rows", *table([_row(c) for c in columns], head)]
    return Answer({"dataset": dataset.id, "rows": frame.height, "columns": columns}, lines)


def _row(column: dict[str, Any]) -> list[str]:
    note = "constant" if column["constant"] else ""
    cells = (column["name"], column["kind"], column["nulls"], column["distinct"], column["minimum"], column["mean"], column["maximum"])
    return [*(_text(cell) for cell in cells), _text(column["association"]), note]


def _text(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)[:24]


command = lifecycle_command("profile", "Show what the newest dataset version looks like, column by column.")(_profile)
