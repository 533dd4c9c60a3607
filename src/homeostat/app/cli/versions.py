"""``homeostat versions``: the registered versions, found and sorted by what they measured."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from homeostat.app.cli.output import Answer, lifecycle_command, table

if TYPE_CHECKING:
    from pathlib import Path


@click.option("--sort", metavar="METRIC", default="", help="Best first by this metric; default: newest first.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=50, show_default=True)
@click.option("--learner", default=None, help="Only versions of this learner.")
@click.option("--passed/--failed", "passed", default=None, help="Only versions that passed every gate, or only those that failed one.")
@click.option("--stage", default=None, help="Only the version that this pointer stands at, such as champion.")
@click.option("--where", "conditions", metavar="CONDITION", multiple=True, help='Such as "auc > 0.8"; may be given again: all must hold.')
@click.option("--text", default="", help="Only versions with this text in their learner or window.")
def _versions(project: Path, **asked: Any) -> Answer:
    from homeostat.flow.project import open_project
    from homeostat.flow.registry import asked_for, measures, pointers_at, search, summary

    sort = str(asked["sort"])
    with open_project(project) as opened:
        found = search(opened, asked_for(opened, **asked))
        standing = pointers_at(opened)
    told = [{**summary(each), "stages": standing.get(each.fact.id, []), "measures": measures(each)} for each in found]
    if not told:
        some = any(value not in (None, "", ()) for name, value in asked.items() if name != "limit")
        return Answer({"versions": []}, ["no version is like that" if some else "no version yet; `homeostat run` makes one"])
    extra = sort if any(each["metric"] != sort for each in told) else ""
    rows = [
        [
            str(each["version"]),
            each["at"][:19],
            each["learner"],
            f"{each['metric']} {each['value']:.4g}",
            f"{each['low']:.4g} to {each['high']:.4g}" if each["low"] is not None else "",
            *([f"{each['measures'][sort]:.4g}"] if extra else []),
            "yes" if each["passed"] else "no",
            ", ".join(each["stages"]),
            "" if each["rows"] is None else str(each["rows"]),
        ]
        for each in told
    ]
    head = ("version", "at (UTC)", "learner", "metric", "interval", *([extra] if extra else []), "passed", "stages", "rows")
    return Answer({"versions": told}, table(rows, head))


command = lifecycle_command("versions", "List the versions, newest first or best first by a metric.")(_versions)
