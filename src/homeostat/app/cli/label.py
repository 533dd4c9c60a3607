"""``homeostat label``: labels for rows of the dataset, by rules, from a review queue, from a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from homeostat.app.cli.output import Answer, lifecycle_command, table


def _rules(project: Path) -> Answer:
    from homeostat.flow.labelling import told_rules
    from homeostat.flow.project import open_project

    with open_project(project) as opened:
        told = told_rules(opened)
    counts = told["labels"]
    lines = [
        f"{told['rows']} rows: {counts['source']} labelled by the source, {counts['imported']} imported, {counts['rule']} by rules "
        f"(weight {told['weight']:g} in training, none judges), {told['without']} without a label",
    ]
    if not told["rules"]:
        return Answer(told, [*lines, "the charter has no labelling.rules"])
    lines += table([_row(rule) for rule in told["rules"]], ("rule", "label", "holds on", "conflicts", "known", "right"))
    return Answer(told, [*lines, f"where rules disagree the majority counts; {told['ties']} ties got no label"])


def _row(rule: dict[str, Any]) -> list[str]:
    right = "-" if rule["accuracy"] is None else f"{rule['accuracy']:.1%}"
    return [rule["name"], rule["label"], str(rule["covered"]), str(rule["conflicts"]), str(rule["labelled"]), right]


@click.option("--out", type=click.Path(path_type=Path), required=True, help="The CSV or Parquet file to write.")
@click.option("--size", type=click.IntRange(1, 1_000_000), help="How many rows; default: labelling.queue.")
def _queue(project: Path, out: Path, size: int | None) -> Answer:
    from homeostat.flow.labelling import write_queue
    from homeostat.flow.project import open_project

    with open_project(project) as opened:
        told = write_queue(opened, out.resolve(), size)
        target = opened.charter.task.target
    by = "the champion is least sure of" if told["champion"] else "spread over the data (no model yet)"
    lines = [
        f"{told['file']}: {told['rows']} of {told['open']} rows without a label, {told['rows'] - told['random']} {by}, "
        f"{told['random']} drawn at random",
        f"fill in the column {target!r}, then run `homeostat label import {out}`",
    ]
    return Answer(told, lines)


@click.argument("file", type=click.Path(path_type=Path))
def _import(project: Path, file: Path) -> Answer:
    from homeostat.flow.labelling import import_labels
    from homeostat.flow.project import open_project

    with open_project(project) as opened:
        fact = import_labels(opened, file.resolve())
    body = dict(fact.body)
    lines = [
        f"{body['rows']} rows: {body['taken']} labels taken, {body['taken_before']} were there, {body['empty']} empty, "
        f"{body['repeated']} repeated, {body['refused']} refused",
        *(f"  {body['path']}:{row['line']}: {row['reason']}" for row in body["first_refused"]),
    ]
    if body["refused"] > len(body["first_refused"]):
        lines.append(f"  and {body['refused'] - len(body['first_refused'])} more; all are kept in blob {body['refused_rows'][:12]}")
    return Answer({"import": fact.id, **body}, lines)


command = click.Group(
    "label",
    help="Label rows of the dataset: by rules, a review queue, a file.",
    commands=[
        lifecycle_command("rules", "Show what the charter's rules say, and how often they are right.")(_rules),
        lifecycle_command("queue", "Write the rows where a label would help most, for people to fill in.")(_queue),
        lifecycle_command("import", "Take in labels for rows of the dataset.")(_import),
    ],
)
