"""``homeostat monitor``: the windows that are due."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from homeostat.app.cli.output import Answer, StderrProgress, lifecycle_command, table
from homeostat.app.cli.times import MOMENT, SECONDS

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path


QUIET = {"healthy", "too_few_rows", "covariate_shift"}


@click.option("--as-of", type=MOMENT, default=None, help="Judge as if it were this moment (UTC); by default now.")
@click.option("--watch", is_flag=True, help="Keep on, every --every seconds.")
@click.option("--every", type=SECONDS, default=60.0, show_default=True, help="Seconds between two looks with --watch.")
def _monitor(project: Path, as_of: datetime | None, watch: bool, every: float) -> Answer | Iterator[Answer]:
    return _watch(project, as_of, every) if watch else _look(project, as_of)


def _watch(project: Path, as_of: datetime | None, every: float) -> Iterator[Answer]:
    from homeostat.errors import HomeostatError

    while True:
        try:
            yield _look(project, as_of)
        except HomeostatError as error:  # a fault of one look must not end the watch
            click.echo(error.line(), err=True)
        time.sleep(every)


def _look(project: Path, as_of: datetime | None) -> Answer:
    from homeostat.flow.monitor import monitor, standing
    from homeostat.flow.project import open_project

    with open_project(project) as opened:
        progress = StderrProgress()
        diagnoses = monitor(opened, as_of or opened.clock.now(), progress)
        progress.close()
        stands = {fact.id for fact in standing(opened, diagnoses)}
        windows = []
        for fact in diagnoses:
            window = _window(dict(fact.body), dict(opened.require(str(fact.body["window"])).body))
            findings = [dict(opened.require(finding).body) for finding in window["findings"]]
            windows.append({**window, "findings": findings, "stands": fact.id in stands})
    if not windows:
        return Answer({"windows": []}, ["no window is due: nothing has been served, or no window has ended yet"])
    rows = [[w["start"][:10], str(w["rows"]), str(w["labelled"]), _number(w["value"]), _number(w["expected"]), w["cause"]] for w in windows]
    lines = table(rows, ("window", "rows", "labelled", windows[-1]["metric"], "expected", "diagnosis"))
    standing_now = [w for w in windows if w["stands"]]
    for window in standing_now:
        lines.append(f"{window['start'][:10]} stands against version {window['version']}: {window['cause']}: {window['reason']}")
        lines += [f"  {f['kind']} {f['column']}".rstrip() + f": {f['detail']}" for f in window["findings"]]
    alarm = any(w["cause"] not in QUIET for w in standing_now)
    return Answer({"windows": windows, "alarm": alarm}, lines, exit_code=3 if alarm else 0)


def _window(diagnosis: dict[str, Any], window: dict[str, Any]) -> dict[str, Any]:
    keys = ("rows", "labelled", "metric", "value", "low", "high", "expected", "version")
    return {
        **{k: diagnosis[k] for k in ("start", "end", "stage", "cause", "reason", "columns", "findings")},
        **{k: window[k] for k in keys},
    }


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


command = lifecycle_command("monitor", "Evaluate the windows that are due; exit code 3 when an alarm stands against the champion.")(
    _monitor
)
