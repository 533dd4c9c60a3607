"""``homeostat quarantine``: the rows that did not pass, written out to be mended, and taken in when they are."""

from __future__ import annotations

from pathlib import Path

import click

from homeostat.app.cli.output import Answer, StderrProgress, command_group, lifecycle_command, table


def _list(project: Path) -> Answer:
    from homeostat.flow.project import open_project
    from homeostat.flow.quarantine import overview

    with open_project(project) as opened:
        found = overview(opened)
    if not found:
        return Answer({"quarantine": []}, ["no row is in quarantine"])
    rows = [[str(f["rows"]), str(f["final"]), f["rule"], f["source"], str(f["line"]), str(f["reason"])[:90]] for f in found]
    return Answer({"quarantine": found}, table(rows, ("rows", "for good", "rule", "source", "first line", "reason")))


@click.argument("out", type=click.Path(path_type=Path, dir_okay=False))
def _export(project: Path, out: Path) -> Answer:
    from homeostat.flow.project import open_project
    from homeostat.flow.quarantine import export

    with open_project(project) as opened:
        rows = export(opened, out)
    lines = [f"wrote {rows} rows to {out}", f"mend the fields, leave _table, _source and _line, then: homeostat quarantine replay {out}"]
    return Answer({"rows": rows, "file": str(out)}, lines)


@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
def _replay(project: Path, file: Path) -> Answer:
    from homeostat.flow.project import open_project
    from homeostat.flow.quarantine import replay

    with open_project(project) as opened:
        progress = StderrProgress()
        done = replay(opened, file, progress)
        progress.close()
    data = {name: getattr(done, name) for name in ("given", "taken_in", "still_bad", "rejected")} | {"dataset": done.dataset.id}
    lines = [
        f"{done.given} rows given: {done.taken_in} taken in, {done.still_bad} still in quarantine"
        + (f", {done.rejected} rejected for good by their rule" if done.rejected else ""),
        f"{done.dataset.id}: {done.dataset.body['rows']} rows, {done.dataset.body['quarantined']} quarantined",
    ]
    return Answer(data, lines, exit_code=3 if done.still_bad else 0)


command = command_group(
    "quarantine",
    "The rows that did not pass: list, write out, take in again.",
    lifecycle_command("list", "Count the rows in quarantine by part and rule.")(_list),
    lifecycle_command("export", "Write the rows in quarantine to OUT, a CSV or Parquet file, to be mended.")(_export),
    lifecycle_command("replay", "Take in mended rows from FILE, as `export` wrote it.")(_replay),
)
