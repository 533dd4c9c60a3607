"""``homeostat study``: the learning curve of a model, and its error without each column."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from homeostat.app.cli.output import Answer, StderrProgress, lifecycle_command, table

if TYPE_CHECKING:
    from pathlib import Path

    from homeostat.core.facts import Fact


@click.argument("version", type=int, required=False)
@click.option("--learning-curve", "curve", is_flag=True, help="Fit again on growing shares of the training rows.")
@click.option("--ablation", "ablate", is_flag=True, help="Fit again without each column and each group of columns.")
@click.option("--group", "groups", multiple=True, help="A group of columns to leave out together, name=column,column; implies --ablation.")
def _study(project: Path, version: int | None, curve: bool, ablate: bool, groups: tuple[str, ...]) -> Answer:
    from homeostat.flow.explain import candidate_to_explain
    from homeostat.flow.project import open_project
    from homeostat.flow.study import ablation, learning_curve

    wanted = {name: columns.split(",") for name, _, columns in (each.partition("=") for each in groups)}
    both = not (curve or ablate or groups)
    progress = StderrProgress()
    with open_project(project) as opened:
        candidate = candidate_to_explain(opened, version)
        facts = [learning_curve(opened, candidate, progress)] if curve or both else []
        facts += [ablation(opened, candidate, wanted, progress)] if ablate or groups or both else []
    progress.close()
    lines = [line for fact in facts for line in (*_told(fact), f"recorded as {fact.id}", "")]
    return Answer({"candidate": candidate.id, "studies": [{"study": fact.id, **fact.body} for fact in facts]}, lines[:-1])


def _told(fact: Fact) -> list[str]:
    body = fact.body
    told = [f"{body['candidate']}, {body['kind']}: {body['metric']} on {body['rows']['validation']} validation rows"]
    if body["kind"] == "ablation":
        rows = [
            [each["group"], f"{each['value']:.4f}", *(_percent(each[name]) for name in ("worse", "low", "high"))] for each in body["groups"]
        ]
        return [*told, *table(rows, ("without", body["metric"], "more error", "low", "high")), *_failed(body["failed"])]
    rows = [
        [str(each["rows"]), str(each["models"]), *(f"{each[name]:.4f}" for name in ("value", "low", "high"))] for each in body["points"]
    ]
    told += table(rows, ("rows", "models", body["metric"], "low", "high"))
    if not body["trustworthy"]:
        return [*told, "the errors follow no law that says what more rows would bring"]
    return [
        *told,
        *(
            f"{each['rows']:.0f} rows would save {each['saving']:.1%} of the error ({each['saving_low']:.1%} to {each['saving_high']:.1%})"
            for each in body["forecasts"]
        ),
    ]


def _percent(share: float) -> str:
    return f"{share:+.1%}"


def _failed(failed: dict[str, Any]) -> list[str]:
    return [f"without {name} nothing can be learned: {reason}" for name, reason in failed.items()]


command = lifecycle_command("study", "Say what more rows would bring, and what each column is worth, by fitting the model again.")(_study)
