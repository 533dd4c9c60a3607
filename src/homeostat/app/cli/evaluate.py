"""``homeostat evaluate``: the newest candidate on the sealed holdout."""

from __future__ import annotations

from typing import TYPE_CHECKING

from homeostat.app.cli.output import Answer, lifecycle_command, table

if TYPE_CHECKING:
    from pathlib import Path


def _evaluate(project: Path) -> Answer:
    from homeostat.flow.lifecycle import evaluation_of
    from homeostat.flow.project import open_project

    with open_project(project) as opened:
        candidate = opened.latest("candidate", "run `homeostat train` first")
        evaluation = evaluation_of(opened, candidate)
        body = evaluation.body
        rows = [
            [
                s["segment"] or "all rows",
                _unit(s["metric"], body["currency"]),
                f"{s['value']:.4f}",
                f"{s['low']:.4f}",
                f"{s['high']:.4f}",
                str(s["rows"]),
            ]
            for s in body["scores"]
        ]
        looks = f"this holdout has been looked at {body['looks']} time(s)"
        lines = [f"{evaluation.id}: {body['rows']} sealed rows; {looks}", *table(rows, ("rows", "metric", "value", "low", "high", "n"))]
        data = {
            "evaluation": evaluation.id,
            "candidate": candidate.id,
            "looks": body["looks"],
            "rows": body["rows"],
            "baseline": body["baseline"],
            "currency": body["currency"],
            "scores": body["scores"],
        }
    return Answer(data, lines)


def _unit(metric: str, currency: str) -> str:
    """A money score with its currency; other metrics as they are called."""
    return f"{metric} ({currency})" if metric.startswith("value_per_") else metric


command = lifecycle_command("evaluate", "Judge the newest candidate on the sealed holdout, with intervals and segments.")(_evaluate)
