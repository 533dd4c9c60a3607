"""``homeostat monitor``: the windows that are due."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click

from homeostat.app.cli.output import Answer, StderrProgress, lifecycle_command, table
from homeostat.app.cli.times import MOMENT

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path


@click.option("--as-of", type=MOMENT, default=None, help="Judge as if it were this moment (UTC); by default now.")
@click.option("--watch", is_flag=True, help="Keep on, every --every seconds.")
@click.option("--every", type=click.FloatRange(min=0.1), default=60.0, show_default=True, help="Seconds between two looks with --watch.")
def _monitor(project: Path, as_of: datetime | None, watch: bool, every: float) -> Answer:
    while True:
        answer = _look(project, as_of)
        if not watch:
            return answer
        for line in answer.lines:
            click.echo(line)
        time.sleep(every)


def _look(project: Path, as_of: datetime | None) -> Answer:
    from homeostat.flow.monitor import monitor
    from homeostat.flow.project import open_project

    with open_project(project) as opened:
        progress = StderrProgress()
        diagnoses = monitor(opened, as_of or opened.clock.now(), progress)
        progress.close()
        windows = [_window(dict(fact.body), dict(opened.require(str(fact.body["window"])).body)) for fact in diagnoses]
        for window in windows:
            window["findings"] = [dict(opened.require(finding).body) for finding in window["findings"]]
    if not windows:
        return Answer({"windows": []}, ["no window is due: nothing has been served, or no window has ended yet"])
    rows = [[w["start"][:10], str(w["rows"]), str(w["labelled"]), _number(w["value"]), _number(w["expected"]), w["cause"]] for w in windows]
    metric = windows[-1]["metric"]
    newest = windows[-1]
    lines = [
        *table(rows, ("window", "rows", "labelled", metric, "expected", "diagnosis")),
        f"newest window: {newest['reason']}",
        *(f"  {f['kind']} {f['column']}: {f['detail']}" for f in newest["findings"]),
    ]
    alarm = newest["cause"] not in {"healthy", "too_few_rows", "covariate_shift"}
    return Answer({"windows": windows}, lines, exit_code=3 if alarm else 0)


def _window(diagnosis: dict[str, Any], window: dict[str, Any]) -> dict[str, Any]:
    keys = ("rows", "labelled", "metric", "value", "low", "high", "expected", "version")
    return {
        **{k: diagnosis[k] for k in ("start", "end", "stage", "cause", "reason", "columns", "findings")},
        **{k: window[k] for k in keys},
    }


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


command = lifecycle_command("monitor", "Evaluate the windows that are due; exit code 3 when the newest one raises an alarm.")(_monitor)
