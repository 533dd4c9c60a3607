"""``homeostat train``: the search under the budget, and its leaderboard."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from homeostat.app.cli.output import Answer, StderrProgress, lifecycle_command, table

if TYPE_CHECKING:
    from pathlib import Path


def _train(project: Path) -> Answer:
    from homeostat.flow.project import open_project
    from homeostat.flow.train import first_order, train

    with open_project(project) as opened:
        dataset = opened.latest("dataset", "run `homeostat ingest` first")
        progress = StderrProgress()
        candidate = train(opened, first_order(opened, dataset), progress)
        progress.close()
        trials = [dict(opened.require(cause).body) for cause in candidate.causes if cause.startswith("trial-")]
        best = _leaderboard(trials, str(candidate.body["metric"]))
        body = candidate.body
        lines = [
            *table([_row(t) for t in best[:10]], ("learner", "window", str(body["metric"]), "seconds", "note")),
            f"{candidate.id}: {body['learner']} on {body['window']}, {body['trials']} trials in {body['seconds']:.1f} s, "
            f"{body['size_mb']:.2f} MB, one row in {body['latency_p99_ms']:.2f} ms (p99)",
            f"parity with the library on {body['parity']['rows']} rows: largest difference {body['parity']['max_difference']:.1e}, "
            f"{body['parity']['flips']} flipped",
        ]
        data = {"candidate": candidate.id, **dict(body), "leaderboard": best}
    return Answer(data, lines)


def _leaderboard(trials: list[dict[str, Any]], metric_name: str) -> list[dict[str, Any]]:
    from homeostat.stats.metrics import metric

    sign = -1.0 if metric(metric_name).greater_is_better else 1.0
    return sorted(trials, key=lambda t: (t["value"] is None, sign * (t["value"] or 0.0)))


def _row(trial: dict[str, Any]) -> list[str]:
    value = "-" if trial["value"] is None else f"{trial['value']:.4f}"
    return [trial["learner"], trial["window"], value, f"{trial['seconds']:.2f}", trial["reason"]]


command = lifecycle_command("train", "Search for the best model under the charter's budget.")(_train)
