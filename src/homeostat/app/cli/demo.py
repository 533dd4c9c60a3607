"""``homeostat demo``: a model's whole life in a few minutes, on real data, with real parts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from homeostat.app.cli.output import Answer, StderrProgress, give, table


@click.command("demo", help="Run the whole lifecycle and its loop on bundled real data, in a new folder.")
@click.option("--dir", "folder", type=click.Path(path_type=Path), default=Path("homeostat-demo"), show_default=True, help="The new folder.")
@click.option("--months", type=click.IntRange(1, 18), default=18, show_default=True, help="How many months to replay.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON on stdout.")
def command(folder: Path, months: int, as_json: bool) -> None:
    """Tell the story and print what was measured."""
    from homeostat.app.demo.report import write_report
    from homeostat.app.demo.story import tell

    progress = StderrProgress()
    told = tell(folder.resolve(), progress.update, months=months)
    report = write_report(told)
    progress.close()
    facts = told.facts
    data: dict[str, Any] = {
        **facts,
        "requests": told.tally.requests,
        "requests_failed": told.tally.failed,
        "frozen_mae": round(told.frozen_mae, 4),
        "looped_mae": round(told.looped_mae, 4),
        "months": [{name: getattr(month, name) for name in month.__slots__} for month in told.months],
        "report": str(report),
    }
    rows = [[m.name, f"{m.frozen_mae:.1f}", f"{m.looped_mae:.1f}", str(m.version), m.cause, m.status or m.action] for m in told.months]
    rows.append(["all", f"{told.frozen_mae:.1f}", f"{told.looped_mae:.1f}", "", "", ""])
    promoted, rejected = facts["promotions"], facts["rejections"]
    lines = [
        "mean absolute error in bikes an hour: the first model left alone, and the model the loop kept",
        *table(rows, ("month", "frozen", "looped", "version", "diagnosis", "loop")),
        f"error kept at {told.looped_mae / told.frozen_mae:.2f} of the frozen model's; {promoted} promotions, "
        f"{rejected} challengers rejected, {facts['quarantined_rows']} rows quarantined",
        f"{told.tally.requests} requests over HTTP, {told.tally.failed} failed; {facts['seconds']} s",
        f"report: {report}",
        "next:",
        *(f"  {told.command(words)}" for words in (f"trace {told.last_prediction}", "history", "serve")),
    ]
    give(Answer(data, lines), as_json=as_json)
