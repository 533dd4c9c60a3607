"""``homeostat train``: the search under the budget, and its leaderboard."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from homeostat.app.cli.output import Answer, StderrProgress, lifecycle_command, table

if TYPE_CHECKING:
    from pathlib import Path

    from homeostat.charter.schema import Charter


SHOWN = 10
"""Trials of a leaderboard that are shown; those that are best for their size besides."""


def _train(project: Path) -> Answer:
    from homeostat.flow.project import open_project
    from homeostat.flow.train import first_order, train

    with open_project(project) as opened:
        dataset = opened.latest("dataset", "run `homeostat ingest` first")
        progress = StderrProgress()
        candidate = train(opened, first_order(opened, dataset), progress)
        progress.close()
        trials = [dict(opened.require(cause).body) for cause in candidate.causes if cause.startswith("trial-")]
        boards = _boards(trials, opened.charter)
        body = candidate.body
        lines = [
            *(line for metric, best in boards for line in _told(metric, best)),
            *([f"nothing was trained: the models of {body['reweighted_from']}, added up by other weights"] if not trials else []),
            f"{candidate.id}: {body['learner']} on {body['window']}, {body['trials']} trials in {body['seconds']:.1f} s, "
            f"{body['size_mb']:.2f} MB, one row in {body['latency_p99_ms']:.2f} ms (p99)",
            *([f"intervals: {body['intervals']['method']}, {100 * body['intervals']['coverage']:g} %"] if "intervals" in body else []),
            f"parity with the library on {body['parity']['rows']} rows: largest difference {body['parity']['max_difference']:.1e}, "
            f"{body['parity']['flips']} flipped",
        ]
        data = {"candidate": candidate.id, **dict(body), "leaderboard": [trial for _, best in boards for trial in best]}
    return Answer(data, lines)


def _boards(trials: list[dict[str, Any]], charter: Charter) -> list[tuple[str, list[dict[str, Any]]]]:
    """The metric and the trials, best first; of each objective's search, where there are several."""
    searches = {each.name: each.metric for each in charter.objectives} or {"": charter.success.metric}
    found = [(metric, [t for t in trials if t.get("objective", "") == name]) for name, metric in searches.items()]
    return [(metric, _leaderboard(own, metric)) for metric, own in found if own]


def _told(metric: str, best: list[dict[str, Any]]) -> list[str]:
    objective = str(best[0].get("objective", ""))
    front = _undominated(best)
    shown = best[:SHOWN] + [trial for trial in front if trial not in best[:SHOWN]]
    rows = [_row(trial, "best for its size" if trial in front else "") for trial in shown]
    return [*([f"objective {objective}"] if objective else []), *table(rows, _columns(metric))]


def _undominated(best: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of trials in the order of their value those that none is better, smaller and faster than: the Pareto front."""
    front: list[dict[str, Any]] = []
    for trial in best:
        known = [_costs(each) for each in front]
        size, row_us = _costs(trial)
        if trial["value"] is not None and not any(a <= size and b <= row_us for a, b in known):
            front.append(trial)
    return front


def _costs(trial: dict[str, Any]) -> tuple[float, float]:
    return trial.get("size_mb", 0.0), trial.get("row_us", 0.0)


def _columns(metric: str) -> tuple[str, ...]:
    return ("learner", "window", metric, "MB", "us a row", "seconds", "note")


def _leaderboard(trials: list[dict[str, Any]], metric_name: str) -> list[dict[str, Any]]:
    from homeostat.stats.metrics import metric

    sign = -1.0 if metric(metric_name).greater_is_better else 1.0
    return sorted(trials, key=lambda t: (t["value"] is None, sign * (t["value"] or 0.0)))


def _row(trial: dict[str, Any], note: str) -> list[str]:
    value = "-" if trial["value"] is None else f"{trial['value']:.4f}"
    size, row_us = _costs(trial)
    return [trial["learner"], trial["window"], value, f"{size:.2f}", f"{row_us:.1f}", f"{trial['seconds']:.2f}", trial["reason"] or note]


command = lifecycle_command("train", "Search for the best model under the charter's budget.")(_train)
