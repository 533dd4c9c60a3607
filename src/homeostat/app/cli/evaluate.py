"""``homeostat evaluate``: the newest candidate on the sealed holdout, in short here and as one HTML page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from homeostat.app.cli.output import Answer, StderrProgress, lifecycle_command, table
from homeostat.app.cli.written import write_page

if TYPE_CHECKING:
    from collections.abc import Sequence

    from homeostat.flow.recorded import Recorded

MOST_SEGMENTS = 5
MOST_SLICES = 3


def _evaluate(project: Path, report: Path | None, bias_variance: int | None) -> Answer:
    from homeostat.app.report.evaluation_page import evaluation_page
    from homeostat.flow.bias_variance import bias_and_variance
    from homeostat.flow.lifecycle import evaluation_of
    from homeostat.flow.project import open_project
    from homeostat.flow.recorded import recorded

    with open_project(project) as opened:
        candidate = opened.latest("candidate", "run `homeostat train` first")
        evaluation = evaluation_of(opened, candidate)
        if bias_variance is not None:
            progress = StderrProgress()
            bias_and_variance(opened, candidate, bias_variance, progress)
            progress.close()
        known = recorded(opened, evaluation)
        path = report or opened.state / "reports" / f"{evaluation.id}.html"
        write_page(path, evaluation_page(known), "--report")
    body = evaluation.body
    data = {
        "evaluation": evaluation.id,
        "candidate": candidate.id,
        "looks": body["looks"],
        "rows": body["rows"],
        "baseline": body["baseline"],
        "currency": body["currency"],
        "scores": body["scores"],
        **({"intervals": body["intervals"]} if "intervals" in body else {}),
        "examination": known.examination,
        "bias_variance": known.decomposition.body["losses"] if known.decomposition else None,
        "report": str(path),
    }
    return Answer(data, [*_lines(known), f"report: {path}"])


def _lines(known: Recorded) -> list[str]:
    body, found = known.evaluation.body, known.examination
    seen = {each["metric"]: each["development"] for each in found["beside"]}
    whole = [each for each in body["scores"] if not each["segment"]]
    rows = [
        [
            _named(each, body["currency"]),
            *(_short(each[key]) for key in ("value", "low", "high")),
            _short(None if each.get("objective") else seen.get(each["metric"])),
        ]
        for each in whole
    ]
    return [
        f"{known.evaluation.id}: {body['rows']} sealed rows; this holdout has been looked at {body['looks']} time(s)",
        *([f"decision: {found['decision']}"] if found["decision"] else []),
        *table(rows, ("metric", "value", "low", "high", "on development rows")),
        *_intervals(known),
        *_segments([each for each in body["scores"] if each["segment"]]),
        *_slices(found["slices"], found["loss"]),
        *_apart(known),
    ]


def _intervals(known: Recorded) -> list[str]:
    """How often the truth lies inside the intervals, of all rows."""
    asked: dict[str, Any] = known.candidate.body.get("intervals", {})
    return [
        f"intervals ({asked['method']}, {100 * asked['coverage']:g} % asked): {100 * each['coverage']:.1f} % of {each['rows']} rows"
        f" lie inside ({100 * each['low']:.1f} to {100 * each['high']:.1f}), mean width {_short(each['width'])},"
        f" interval score {_short(each['score'])}"
        for each in known.evaluation.body.get("intervals", [])[:1]
    ]


def _segments(scores: Sequence[dict[str, Any]]) -> list[str]:
    """The worst segments by the success metric."""
    from homeostat.stats.metrics import error_of, metric

    if not scores:
        return []
    ranked = sorted(scores, key=lambda each: -error_of(metric(each["metric"]), each["value"]))
    rows = [[each["segment"], *(_short(each[key]) for key in ("value", "low", "high")), str(each["rows"])] for each in ranked]
    more = [f"  and {len(ranked) - MOST_SEGMENTS} better ones in the report"] if len(ranked) > MOST_SEGMENTS else []
    return [*table(rows[:MOST_SEGMENTS], (f"{ranked[0]['metric']} by segment", "value", "low", "high", "rows")), *more]


def _slices(found: dict[str, Any] | None, loss: str) -> list[str]:
    if found is None:
        return []
    told = [
        f"  {' and '.join(f'{column} is {value}' for column, value in each['where'])}: "
        f"{loss} {_short(each['loss'])} on {each['rows']} rows, {_short(each['rest'])} on the others"
        for each in found["found"]
    ]
    if not told:
        return [f"none of {found['tried']} slices loses more than the rest by more than chance"]
    more = [f"  and {len(told) - MOST_SLICES} more in the report"] if len(told) > MOST_SLICES else []
    return [f"worst of {found['tried']} slices:", *told[:MOST_SLICES], *more]


def _apart(known: Recorded) -> list[str]:
    if known.decomposition is None:
        return []
    return [
        f"{each['loss']} loss {_short(each['mean'])} = bias {_short(each['bias'])} + variance {_short(each['variance'])}"
        f" ({each['refits']} refits, validation rows)"
        for each in known.decomposition.body["losses"]
    ]


def _named(score: dict[str, Any], currency: str) -> str:
    """A money score with its currency, an objective's with its name; other metrics as they are called."""
    if score.get("objective"):
        return f"{score['metric']} of {score['objective']}"
    return f"{score['metric']} ({currency})" if score["metric"].startswith("value_per_") else str(score["metric"])


def _short(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


_DESCRIBED = lifecycle_command("evaluate", "Judge the newest candidate on the sealed holdout: in short here, and one HTML page with plots.")
command = click.option(
    "--report", type=click.Path(path_type=Path, dir_okay=False), default=None, help="Where the page goes; default: .homeostat/reports/."
)(
    click.option(
        "--bias-variance",
        type=click.IntRange(2, 1_000),
        default=None,
        metavar="N",
        help="Also fit the choice on N resamples of the training rows and take its error on the validation rows apart.",
    )(_DESCRIBED(_evaluate))
)
