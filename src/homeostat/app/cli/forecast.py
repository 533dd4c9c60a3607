"""``homeostat forecast``: what the champion expects next of each series."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from homeostat.app.cli.output import Answer, lifecycle_command, table
from homeostat.app.cli.times import MOMENT

if TYPE_CHECKING:
    from datetime import datetime

MOST_LINES = 48


@click.option("--at", type=MOMENT, default=None, help="Forecast as if it were then; default: from the newest value of each series.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), default=None, help="A CSV or Parquet file for the answers.")
def _forecast(project: Path, at: datetime | None, out: Path | None) -> Answer:
    from homeostat.flow.forecasting import forecast
    from homeostat.flow.project import open_project

    with open_project(project) as opened:
        done = forecast(opened, at, out.resolve() if out else None)
    rows, version, logged = done["rows"], done["version"], done["logged"]
    more = [f"and {rows.height - MOST_LINES} more; --out FILE writes all"] if rows.height > MOST_LINES and out is None else []
    lines = [
        *table([[_told(value) for value in row] for row in rows.head(MOST_LINES).iter_rows()], rows.columns),
        *more,
        *([f"{rows.height} rows written into {out}"] if out else []),
        *(f"{count} of {rows.height} rows lack {column}, which is known ahead" for column, count in done["unknown"].items()),
        f"forecast by version {version}, logged as {logged}",
    ]
    return Answer({**done, "rows": rows.to_dicts()}, lines)


def _told(value: object) -> str:
    return f"{value:.4f}" if isinstance(value, float) else str(value)


command = lifecycle_command("forecast", "Forecast each series from its newest value with the champion, and log the predictions.")(_forecast)
