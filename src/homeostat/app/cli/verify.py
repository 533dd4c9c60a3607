"""``homeostat verify``: whether anything was altered, and the head of the chain to be kept elsewhere."""

from __future__ import annotations

import re
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from homeostat.app.cli.output import Answer, lifecycle_command, table

if TYPE_CHECKING:
    from pathlib import Path


class _Head(click.ParamType[tuple[int, str]]):
    """The head of a chain, as ``homeostat verify`` prints it."""

    name = "number:hash"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, str]:
        """The number and the hash a text stands for."""
        found = re.fullmatch(r"(\d{1,18}):([0-9a-f]{64})", str(value))
        if found is None:
            self.fail(f"got {value!r}; write NUMBER:HASH as `homeostat verify` prints it", param, ctx)
        return int(found[1]), found[2]


@click.option("--head", type=_Head(), default=None, help="A head kept from an earlier look: it must be in the chain.")
@click.option("--deep", is_flag=True, help="Also read raw files and the rows of every dataset version.")
@click.option("--reindex", is_flag=True, help="First make the index of measures and labels anew from the facts.")
def _verify(project: Path, head: tuple[int, str] | None, deep: bool, reindex: bool) -> Answer:
    from homeostat.flow.project import open_project
    from homeostat.flow.verify import MOST, verify

    with open_project(project) as opened:
        if reindex:
            opened.index.rebuild()
        found = verify(opened, deep=deep, head=head)
    data = {"head": found.head, "entries": found.number, "deep": deep, "problems": [asdict(problem) for problem in found.problems]}
    told = table([[problem.kind, problem.id, problem.what] for problem in found.problems], ("what", "which", "is wrong"))
    lines = [
        *(told if found.problems else ["nothing was altered"]),
        *([f"only the first {MOST} problems are told"] if len(found.problems) == MOST else []),
        f"{found.number} entries; head {found.head}",
        "keep the head where nobody who can write here can write: `homeostat verify --head` then tells a cut or rewritten ledger too",
    ]
    return Answer(data, lines, exit_code=3 if found.problems else 0)


command = lifecycle_command("verify", "Find whatever was altered in the ledger and the files it names.")(_verify)
