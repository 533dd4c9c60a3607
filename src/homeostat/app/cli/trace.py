"""``homeostat trace``: from an answer back to rows, code and approver."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from homeostat.app.cli.output import Answer, lifecycle_command

if TYPE_CHECKING:
    from pathlib import Path


@click.argument("prediction")
def _trace(project: Path, prediction: str) -> Answer:
    from homeostat.flow.project import open_project
    from homeostat.flow.trace import trace

    with open_project(project) as opened:
        chain = trace(opened, prediction)
    return Answer({"trace": chain}, _lines(chain))


def _lines(chain: dict[str, Any]) -> list[str]:
    told, version, run, code, data = (chain[key] for key in ("prediction", "version", "run", "code", "dataset"))
    promotion, routing = chain["promotion"], chain["routing"]
    label, row = chain["label"], chain["row"]
    return [
        f"prediction  {told['id']} at {told['at']}: {told['prediction']}",
        "inputs      " + ", ".join(f"{name}={value}" for name, value in told["inputs"].items()),
        f"label       {label['value']} from {label['source']} line {label['line']}" if label else "label       none yet",
        f"raw row     {row['source']} line {row['line']}" if row else "raw row     not delivered",
        f"version     {version['number']} ({version['id']}), {version['learner']}, bundle {version['bundle'][:12]}",
        f"arm         {told['arm']}" + (", an answer that was not given" if told["arm"] == "shadow" else ""),
        *([f"routed      {routing['at']} by {routing['by']} ({routing['id']}): {routing['words']}"] if routing else ()),
        f"promoted    {promotion['at']}, approved by {promotion['approved_by']} ({promotion['id']})" if promotion else "promoted    never",
        f"decision    {chain['charter']['decision']} ({chain['charter']['id']})",
        *(f"gate        {gate}" for gate in chain["gates"]),
        f"run         {run['id']} at {run['at']} by {run['actor']}, training window {run['window']}",
        "code        " + _code(code),
        f"dataset     {data['id']}: version {data['version']} of table {data['table']}, {data['rows']} rows, digest {data['digest'][:12]}",
        f"contract    {chain['contract']['path'] or 'none'} {chain['contract']['sha256'][:12]}",
        *(f"source      {s['path']}: {s['rows']} rows, sha256 {s['sha256'][:12]}" for s in chain["sources"]),
    ]


def _code(code: dict[str, Any]) -> str:
    if code["commit"] == "none":
        return "none: the project is not under git, or nothing is committed"
    return f"commit {code['commit']}{' with uncommitted changes' if code.get('dirty') else ''}"


command = lifecycle_command("trace", "Walk from a served prediction back to its version, run, data, contract, source rows and code.")(
    _trace
)
