"""``homeostat ingest``: source files, contract, quarantine, one dataset version."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import click

from homeostat.app.cli.output import Answer, StderrProgress, lifecycle_command, table

if TYPE_CHECKING:
    from pathlib import Path


DAY = click.DateTime(["%Y-%m-%d"])


@click.option("--from", "start", type=DAY, help="Ask database sources again for rows from this day on.")
@click.option("--to", "end", type=DAY, help="... up to and without this day.")
def _ingest(project: Path, start: datetime | None, end: datetime | None) -> Answer:
    from homeostat.flow.datasets import told_failures
    from homeostat.flow.ingest import ingest
    from homeostat.flow.project import open_project

    backfill = (start or datetime.min, end or datetime.max) if start or end else None

    with open_project(project) as opened:
        progress = StderrProgress()
        dataset = ingest(opened, progress, backfill)
        progress.close()
        deliveries = [opened.require(cause) for cause in dataset.causes if cause.startswith("delivery-")]
        more = [d for d in deliveries if d.body["unknown_columns"]]
        refused = [d for d in deliveries if d.body["status"] == "refused"]
        keys = ("path", "rows", "good", "quarantined", "status")
        rows = [[str(d.body[key]) for key in keys] for d in deliveries]
        body = dataset.body
        lines = [
            *table(rows, keys),
            f"{dataset.id}: {body['rows']} rows as version {body['version']} of table {body['table']}, digest {str(body['digest'])[:12]}",
            *(f"{d.body['path']}: not in the contract and not taken in: {', '.join(d.body['unknown_columns'])}" for d in more),
            *(f"{d.body['path']}: {note}" for d in deliveries for note in d.body.get("notes", ())),
            *(f"refused {d.body['path']}: {told_failures(d.body)}" for d in refused),
            *(f"{d.body['path']}: {told_failures(d.body)}" for d in deliveries if d.body["bad"] and d not in refused),
            *(["`homeostat quarantine list` shows the rows that did not pass, with their reasons"] if body["quarantined"] else []),
        ]
        data = {
            "dataset": dataset.id,
            "rows": body["rows"],
            "quarantined_rows": body["quarantined"],
            "digest": body["digest"],
            "refused": [d.body["path"] for d in refused],
        }
    return Answer(data, lines, exit_code=3 if refused else 0)


command = lifecycle_command("ingest", "Read the source, check the contract, quarantine bad rows, commit a dataset version.")(_ingest)
