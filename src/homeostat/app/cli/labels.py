"""``homeostat labels FILE``: labels that arrived late."""

from __future__ import annotations

from pathlib import Path

import click

from homeostat.app.cli.output import Answer, lifecycle_command


@click.argument("file", type=click.Path(path_type=Path))
def _labels(project: Path, file: Path) -> Answer:
    from homeostat.flow.labels import take_labels
    from homeostat.flow.project import open_project

    with open_project(project) as opened:
        fact = take_labels(opened, file.resolve())
        body = fact.body
        lines = [
            f"{body['rows']} labels kept; {body['matched']} predictions matched, {body['unknown']} labels match none yet, "
            f"{body['duplicates']} repeated, {body['conflicting']} contradicting (the last one counts)"
        ]
        data = {"labels": fact.id, **dict(body)}
    return Answer(data, lines)


command = lifecycle_command("labels", "Take in labels that arrived late and join them to logged predictions.")(_labels)
