"""``homeostat predictions``: the prediction log, counted, made into partitions, pruned."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from homeostat.app.cli.output import Answer, command_group, lifecycle_command, table

if TYPE_CHECKING:
    from pathlib import Path


def _list(project: Path) -> Answer:
    from homeostat.flow.prediction_log import overview
    from homeostat.flow.project import open_project

    with open_project(project) as opened:
        found = overview(opened)
    rows = [[day["day"], day["version"], str(day["rows"]), f"{day['mb']:.1f}"] for day in found["days"]]
    lines = table(rows, ("day", "version", "predictions", "MB")) if rows else []
    return Answer(found, [*lines, _told(found)])


def _told(found: dict[str, Any]) -> str:
    waiting = f"{found['in_segments']} of them in {found['segments']} segment(s)"
    lost = f"; {found['lost']} not written yet, or lost with a process" if found["lost"] else ""
    return f"{found['records']} predictions, {waiting}; {found['torn']} line(s) cut by a kill{lost}"


def _compact(project: Path) -> Answer:
    from homeostat.flow.prediction_log import compact_log
    from homeostat.flow.project import open_project

    with open_project(project) as opened:
        done = compact_log(opened)
    data = {"segments": done.segments, "records": done.records, "torn": done.torn, "live": done.live}
    line = f"{done.segments} segment(s) with {done.records} predictions are partitions now; {done.live} are being written"
    return Answer(data, [line, *([f"{done.torn} line(s) were cut by a kill"] if done.torn else [])])


def _prune(project: Path) -> Answer:
    from homeostat.flow.prediction_log import keep_log
    from homeostat.flow.project import open_project

    with open_project(project) as opened:
        fact, keep = keep_log(opened), opened.charter.deploy.log.keep
    if fact is None:
        why = "every prediction is kept: the charter has no deploy.log.keep" if keep is None else "no prediction is older than is kept"
        return Answer({"pruning": None, "rows": 0}, [why])
    body = fact.body
    waiting = f"; {body['awaited']} stay, their labels may still come" if body["awaited"] else ""
    line = f"{body['rows']} predictions of {len(body['days'])} day(s) before {body['before']} are removed{waiting} ({fact.id})"
    return Answer({"pruning": fact.id, **dict(body)}, [line])


@click.option(
    "--entity", "entity", multiple=True, required=True, metavar="[COLUMN=]VALUE", help="Whose rows; COLUMN where there are several."
)
def _forget(project: Path, entity: tuple[str, ...]) -> Answer:
    from homeostat.flow.prediction_log import forget
    from homeostat.flow.project import open_project

    with open_project(project) as opened:
        columns = opened.charter.task.entity
        alone = len(columns) == 1 and len(entity) == 1 and not entity[0].startswith(f"{columns[0]}=")
        values = {columns[0]: entity[0]} if alone else {each.partition("=")[0]: each.partition("=")[2] for each in entity}
        done = forget(opened, values)
    lines = [f"the inputs of {done.fact.body['rows']} predictions are gone ({done.fact.id})"]
    if done.waiting:
        lines.append(f"{done.waiting} more lie in segments that are being written: end the server, then run this again")
    return Answer({"forgetting": done.fact.id, **dict(done.fact.body), "waiting": done.waiting}, lines, exit_code=3 if done.waiting else 0)


command = command_group(
    "predictions",
    "The prediction log: count it, make it smaller, forget.",
    lifecycle_command("list", "Count the logged predictions by day and version.")(_list),
    lifecycle_command("compact", "Make Parquet partitions of the segments that no process writes any more.")(_compact),
    lifecycle_command("prune", "Remove predictions that are older than the charter's deploy.log.keep.")(_prune),
    lifecycle_command("forget", "Take the inputs of one entity out of the log.")(_forget),
)
