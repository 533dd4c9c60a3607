"""``homeostat features``: the online table of joined tables, the events pushed into it, and the proof that it answers as in training."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from homeostat.app.cli.output import Answer, StderrProgress, command_group, lifecycle_command, printable, table

if TYPE_CHECKING:
    from collections.abc import Mapping

CHUNK = 65_536
SHOWN = 20


def _refresh(project: Path) -> Answer:
    from homeostat.flow.online import refresh, require_store, told
    from homeostat.flow.project import open_project

    with open_project(project) as opened:
        require_store(opened)
        found = refresh(opened)
    rows = [[each.table, str(each.entities), str(each.events), str(each.pushed)] for each in found]
    return Answer({"tables": told(found)}, table(rows, ("table", "entities", "events held", "of them pushed only")))


@click.argument("file", type=click.Path(path_type=Path, allow_dash=True))
@click.option("--table", "name", help="The table in data.tables the events belong to; needed where several are online.")
def _push(project: Path, file: Path, name: str | None) -> Answer:
    from homeostat.errors import DataError, InputError
    from homeostat.flow.online import online_path, push, read_lines, require_store
    from homeostat.flow.project import open_project
    from homeostat.infra.online_store import OnlineStore

    counts = {"taken": 0, "repeated": 0, "late": 0, "refused": 0}
    first: list[dict[str, Any]] = []
    with open_project(project) as opened:
        require_store(opened)
        with OnlineStore(online_path(opened)) as store:
            for group in read_lines(_chunks(file)):
                good = [(line, fields) for line, fields in group if not isinstance(fields, DataError)]
                done, refused = push(opened, store, name, [fields for _, fields in good])
                for key, count in asdict(done).items():
                    counts[key] += count
                wrong: list[tuple[int, InputError]] = [(line, fields) for line, fields in group if isinstance(fields, DataError)]
                wrong += [(good[at][0], error) for at, error in refused]
                counts["refused"] += len(wrong)
                for line, error in sorted(wrong, key=lambda each: each[0])[: SHOWN - len(first)]:
                    first.append({"line": line, "code": error.code, "message": error.message})
                    click.echo(printable(f"{type(error).__name__}[{error.code}] line {line}: {error.message}"), err=True)
    summary = (
        f"{counts['taken']} events taken in, {counts['repeated']} known already, {counts['late']} too late, {counts['refused']} refused"
    )
    return Answer({**counts, "first_refused": first}, [summary], exit_code=3 if counts["refused"] else 0)


def _chunks(file: Path) -> Iterator[bytes]:
    """The bytes of a file, or of stdin as they come."""
    if str(file) == "-":
        while chunk := os.read(sys.stdin.fileno(), CHUNK):
            yield chunk
        return
    from homeostat.errors import DataError

    try:
        with file.open("rb") as stream:
            while chunk := stream.read(CHUNK):
                yield chunk
    except OSError as error:
        raise DataError(
            "HS201", f"cannot be read: {error.strerror}", place=str(file), next_step="give a file of JSON lines, or -"
        ) from error


@click.option("--rows", default="10000", show_default=True, help="How many training rows to replay, drawn at random, or `all`.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the draw.")
def _check(project: Path, rows: str, seed: int) -> Answer:
    from homeostat.flow.features_check import check_features
    from homeostat.flow.project import open_project

    if rows != "all" and not (rows.isdigit() and int(rows)):
        raise click.UsageError(f"--rows: got {rows!r}; allowed: a number above 0, or all")
    with open_project(project) as opened:
        progress = StderrProgress()
        found = check_features(opened, None if rows == "all" else int(rows), seed, progress)
        progress.close()
    data: Mapping[str, Any] = asdict(found)
    share = "equal, bit for bit" if not found.differences else f"{found.differences} differ"
    lines = [
        f"{found.values} values of {len(found.features)} features in {found.rows} rows, {found.events} events replayed: {share}",
        *(f"  {one.row} {one.feature}: in training {one.training!r}, online {one.online!r}" for one in found.first),
        *(
            f"  {name}: data.features changes it or leaves it out, so what is looked up is not what the model learns"
            for name in found.changed
        ),
    ]
    return Answer({"equal": not found.differences, **data}, lines, exit_code=3 if found.differences or found.changed else 0)


command = command_group(
    "features",
    "Look up features of joined tables at request time.",
    lifecycle_command("refresh", "Bring the online table up to date with the rows that are loaded.")(_refresh),
    lifecycle_command("push", "Take in events from a file of JSON lines, or from stdin (-) as they come.")(_push),
    lifecycle_command("check", "Replay history: is what is looked up what training joined? Bit for bit.")(_check),
)
