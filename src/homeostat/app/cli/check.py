"""``homeostat check``: is the charter valid, and is the goal feasible on this data."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from homeostat.app.cli.output import Answer, StderrProgress, lifecycle_command, table

if TYPE_CHECKING:
    from pathlib import Path


@click.option("--explain", is_flag=True, help="Say what each clause of the charter does downstream; no data is read.")
@click.option("--all", "everything", is_flag=True, help="With --explain: also the clauses left at their defaults.")
def _check(project: Path, explain: bool, everything: bool) -> Answer:
    if explain or everything:
        return _explain(project, everything=everything)
    from homeostat.app.cli.scoping import data_of, lines_of
    from homeostat.flow.feasible import check
    from homeostat.flow.project import open_project

    with open_project(project) as opened:
        progress = StderrProgress()
        told = check(opened, progress)
        progress.close()
    return Answer(data_of(told), lines_of(opened.charter.name, told), exit_code=3 if told.verdict == "no-go" else 0)


def _explain(project: Path, *, everything: bool) -> Answer:
    """The map from clauses to what checks them."""
    from homeostat.charter.effects import explain_effects
    from homeostat.flow.project import open_project

    with open_project(project) as opened:
        told = explain_effects(opened.charter, everything=everything)
    rows = [[one.clause, _short(one.value), str(one.effect.stage), one.effect.becomes, one.effect.how] for one in told]
    clauses = [
        {
            "clause": one.clause,
            "value": one.value,
            "said": one.said,
            "stage": one.effect.stage,
            "becomes": one.effect.becomes,
            "how": one.effect.how,
        }
        for one in told
    ]
    return Answer({"clauses": clauses}, table(rows, ("clause", "value", "stage", "becomes", "how")))


def _short(value: str) -> str:
    return value if len(value) <= 40 else value[:37] + "..."


command = lifecycle_command("check", "Validate the charter, then say from the data whether the goal is feasible.")(_check)
