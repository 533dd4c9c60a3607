"""``homeostat test``: whether a model's learner learns and its graph answers each row by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from homeostat.app.cli.output import Answer, StderrProgress, lifecycle_command, table

if TYPE_CHECKING:
    from pathlib import Path


@click.argument("version", type=int, required=False)
def _test(project: Path, version: int | None) -> Answer:
    from homeostat.flow.explain import candidate_to_explain
    from homeostat.flow.model_tests import run_tests
    from homeostat.flow.project import open_project

    progress = StderrProgress()
    with open_project(project) as opened:
        fact = run_tests(opened, candidate_to_explain(opened, version), progress)
    progress.close()
    body = fact.body
    rows = [["passed" if each["passed"] else "FAILED", each["test"], each["detail"]] for each in body["tests"]]
    lines = [*table(rows, ("", "test", "detail")), f"{body['candidate']}: recorded as {fact.id}"]
    return Answer({"model_test": fact.id, **body}, lines, exit_code=0 if body["passed"] else 3)


command = lifecycle_command("test", "Test that the model's learner learns and that its graph answers each row by itself.")(_test)
