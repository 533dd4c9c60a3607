"""``homeostat validate``: the gates, the verdict, the registered version."""

from __future__ import annotations

from typing import TYPE_CHECKING

from homeostat.app.cli.output import Answer, lifecycle_command

if TYPE_CHECKING:
    from pathlib import Path


def _validate(project: Path) -> Answer:
    from homeostat.flow.project import open_project
    from homeostat.flow.registry import champion, version_of
    from homeostat.flow.validate import validate

    with open_project(project) as opened:
        evaluation = opened.latest("evaluation", "run `homeostat evaluate` first")
        version = validate(opened, evaluation)
        number = version_of(opened, version.id).number
        gates = opened.require(str(version.body["verdict"])).body["gates"]
        passed = bool(version.body["passed"])
        serving = champion(opened)
        if serving is not None and serving.number == number:
            after = "it is the champion"
        else:
            after = f"next: homeostat promote {number}" if passed else "a version that failed a gate cannot be promoted"
        lines = [
            f"version {number} ({version.id}): {'passed' if passed else 'failed'}",
            *(f"  {'ok  ' if gate['passed'] else 'FAIL'} {gate['gate']}: {gate['detail']}" for gate in gates),
            after,
        ]
        data = {"version": number, "id": version.id, "passed": passed, "gates": gates}
    return Answer(data, lines, exit_code=0 if passed else 3)


command = lifecycle_command("validate", "Put the newest evaluated candidate through the gates and register it.")(_validate)
