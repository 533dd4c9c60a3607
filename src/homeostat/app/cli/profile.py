"""``homeostat profile``: the analysis of the newest dataset version, as a table here and as one HTML page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from homeostat.app.cli.output import Answer, StderrProgress, lifecycle_command, table
from homeostat.app.cli.written import write_page

if TYPE_CHECKING:
    from homeostat.flow.profile import Profiled
    from homeostat.preparation.analysis.records import ColumnProfile

HEAD = ("column", "kind", "nulls", "distinct", "min", "mean", "max", "with target", "preparation")
REMARKS = 5


def _profile(project: Path, out: Path | None) -> Answer:
    from dataclasses import asdict

    from homeostat.app.report.page import page
    from homeostat.flow.profile import profile
    from homeostat.flow.project import open_project

    with open_project(project) as opened:
        progress = StderrProgress()
        found = profile(opened, progress)
        progress.close()
        path = out or opened.state / "reports" / f"profile-{found.dataset}.html"
        write_page(path, page(found), "--out")
    told = asdict(found)
    analysis = told.pop("analysis")
    return Answer({**told, **analysis, "report": str(path)}, [*_lines(found), f"report: {path}"])


def _lines(found: Profiled) -> list[str]:
    analysis = found.analysis
    remarks = [f"  {each.severity}: {each.message} ({each.clause})" for each in analysis.remarks[:REMARKS]]
    more = len(analysis.remarks) - REMARKS
    return [
        f"{found.dataset}: {analysis.rows.seen} rows looked at, {analysis.rows.holdout} sealed",
        *table([_row(each) for each in analysis.columns], HEAD),
        analysis.verdict,
        *remarks,
        *([f"  and {more} more in the report"] if more > 0 else []),
    ]


def _row(column: ColumnProfile) -> list[str]:
    cells = (column.name, column.kind, column.nulls, column.distinct, column.minimum, column.mean, column.maximum, column.association)
    return [*(_text(cell) for cell in cells), "constant" if column.constant and not column.treatment else column.treatment[:60]]


def _text(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else " ".join(str(value).split())[:24]


command = click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), default=None, help="Where the page goes; default: .homeostat/reports/."
)(lifecycle_command("profile", "Analyse the newest dataset version: a table here, and one HTML page with plots.")(_profile))
