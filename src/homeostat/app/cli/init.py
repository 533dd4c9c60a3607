"""``homeostat init``: a commented charter and a contract, inferred from data."""

from __future__ import annotations

from pathlib import Path

import click

from homeostat.app.cli.output import Answer, lifecycle_command


@click.option("--from", "source", required=True, help="A file, folder or glob (CSV, JSON lines, Parquet), or an address: http, s3, SQL.")
@click.option("--table", default=None, help="Databases: the table to read.")
@click.option("--query", default=None, help="Databases: a SELECT to read instead.")
@click.option("--target", required=True, help="The column to predict.")
@click.option("--name", default=None, help="The model's name; by default the folder's.")
def _init(project: Path, source: str, target: str, name: str | None, table: str | None, query: str | None) -> Answer:
    from homeostat.core.addresses import without_password
    from homeostat.core.sections import Source
    from homeostat.flow.founding import found

    if not source:
        raise click.BadParameter("got nothing; a path or an address is needed", param_hint="--from")
    written = found(project, Source(source=source, table=table, query=query), target, name)
    lines = [
        f"wrote {written.charter} ({written.task} of {target!r}, judged by {written.metric}) and {written.contract}",
        "read the charter: what is inferred is marked with a comment, what only you know is a placeholder",
        *written.notes,
        f"signing key {written.signing_key}: its private half is {written.private_key}; keep a copy, it is nowhere else",
        "next: homeostat check",
    ]
    if without_password(source) != source:
        lines.insert(1, "the password was left out of the charter: PGPASSWORD or ~/.pgpass hold it for PostgreSQL, ~/.netrc for HTTP")
    data = {
        "charter": written.charter,
        "contract": written.contract,
        "task": written.task,
        "metric": written.metric,
        "leave_out": written.leave_out,
        "notes": written.notes,
        "signing_key": written.signing_key,
        "private_key": written.private_key,
    }
    return Answer(data, lines)


command = lifecycle_command("init", "Write a commented charter and a contract inferred from data.")(_init)
