"""``homeostat data``: the dataset versions, what differs between two, and the rows of one as a file."""

from __future__ import annotations

from pathlib import Path

import click

from homeostat.app.cli.output import Answer, command_group, lifecycle_command, table


def _log(project: Path) -> Answer:
    from homeostat.flow.datasets import log
    from homeostat.flow.project import open_project

    with open_project(project) as opened:
        versions = log(opened)
    if not versions:
        return Answer({"versions": []}, ["no dataset version yet; `homeostat ingest` makes the first"])
    rows = [
        [str(v["number"]), v["at"][:19], str(v["rows"]), str(v["quarantined"]), str(v["digest"])[:12], _sources(v["sources"]), v["id"]]
        for v in versions
    ]
    return Answer({"versions": versions}, table(rows, ("number", "at (UTC)", "rows", "quarantined", "digest", "sources", "fact")))


def _sources(changes: dict[str, list[str]]) -> str:
    signs = {"added": "+", "removed": "-", "changed": "~"}
    parts = [f"{signs[kind]}{paths[0] if len(paths) == 1 else f'{len(paths)} files'}" for kind, paths in changes.items() if paths]
    return " ".join(parts) or "same"


@click.argument("old")
@click.argument("new")
def _diff(project: Path, old: str, new: str) -> Answer:
    from homeostat.flow.datasets import dataset_called, diff
    from homeostat.flow.project import open_project

    with open_project(project) as opened:
        told = diff(opened, dataset_called(opened, old), dataset_called(opened, new))
    rows, schema = told["rows"], told["schema"]
    lines = [f"rows: {rows['removed']} only in {old}, {rows['added']} only in {new}, {rows['changed']} with other values"]
    lines += [f"  {name}: other values in {count} rows" for name, count in told["columns"].items()]
    lines += [f"column {name} is new" for name in schema["added"]]
    lines += [f"column {name} is gone" for name in schema["removed"]]
    lines += [f"column {name}: {was} -> {now}" for name, was, now in schema["changed"]]
    lines += [f"source {kind}: {path}" for kind, paths in told["sources"].items() for path in paths]
    return Answer(told, lines)


@click.argument("version")
@click.argument("out", type=click.Path(path_type=Path, dir_okay=False))
def _checkout(project: Path, version: str, out: Path) -> Answer:
    from homeostat.flow.datasets import checkout, dataset_called
    from homeostat.flow.project import open_project

    with open_project(project) as opened:
        dataset = dataset_called(opened, version)
        rows = checkout(opened, dataset, out)
    return Answer({"dataset": dataset.id, "rows": rows, "file": str(out)}, [f"wrote {rows} rows of {dataset.id} to {out}"])


command = command_group(
    "data",
    "The dataset versions: list, compare, write out.",
    lifecycle_command("log", "List the dataset versions, newest first.")(_log),
    lifecycle_command("diff", "Tell how dataset version NEW differs from OLD (numbers of `data log`, or ids).")(_diff),
    lifecycle_command("checkout", "Write the rows of a dataset version to OUT, a CSV or Parquet file.")(_checkout),
)
