"""An evaluation as one HTML page: recorded facts in, text out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from homeostat.app.report import evaluation_plots as plots
from homeostat.app.report.frame import Plots, rendered
from homeostat.stats.metrics import METRICS

if TYPE_CHECKING:
    from homeostat.app.report.vega import Spec
    from homeostat.flow.recorded import Recorded

MOST_BARS = 30
MOST_SEGMENTS = 40
MONEY = "value_per_"


def evaluation_page(known: Recorded) -> str:
    """The whole page. It asks for nothing from any network, and its policy forbids that it could."""
    drawn, body = Plots(), known.evaluation.body
    found = known.examination
    whole = [each for each in body["scores"] if not each["segment"] and not each.get("objective")]
    parts = [each for each in body["scores"] if each["segment"]]
    told = {
        "known": known,
        "found": found,
        "scores": _scored(whole, found),
        "money": [each for each in whole if each["metric"].startswith(MONEY)],
        "segments": parts,
        "intervals": body.get("intervals", []),
        "objectives": [each for each in body["scores"] if each.get("objective")],
        "success": known.score(str(known.candidate.body["metric"])),
        "gates": list(known.verdict.body["gates"]) if known.verdict else [],
        "figures": {name: [drawn.add(spec) for spec in specs if spec] for name, specs in _figures(known, found, parts).items()},
        "descriptions": {one.name: one.description for one in METRICS.values()},
        "classes": list(known.candidate.body["classes"]),
        "rates": _THRESHOLDS,
    }
    return rendered("evaluation.html.j2", told, drawn)


_THRESHOLDS = (("served", "chosen"), ("best on these rows", "best"))


def _scored(whole: list[dict[str, Any]], found: dict[str, Any]) -> list[dict[str, Any]]:
    """Each metric on the holdout, and beside it on the rows that were learned from and chosen by."""
    beside = {each["metric"]: each for each in found["beside"]}
    return [
        {**each, **{key: beside.get(each["metric"], {}).get(key) for key in ("development", "out_of_fold")}}
        for each in whole
        if not each["metric"].startswith(MONEY)
    ]


def _figures(known: Recorded, found: dict[str, Any], parts: list[dict[str, Any]]) -> dict[str, list[Spec | None]]:
    """The plots of each section that has something to draw."""
    currency, curve = str(known.evaluation.body["currency"]), found["thresholds"]
    success = known.score(str(known.candidate.body["metric"]))
    what = "that came" if known.task["type"] == "binary" else "of right answers"
    return {
        "decision": [plots.rates(curve), plots.value(curve, currency)] if curve else [],
        "money": [plots.shift(found["shift"], currency)] if found["shift"] else [],
        "calibration": [plots.reliability(found["reliability"], what)] if found["reliability"] else [],
        "ranking": [plots.roc(curve), plots.precision_recall(curve), plots.gain(curve)] if curve else [],
        "residuals": [plots.residuals(found["residuals"])] if found["residuals"] else [],
        "time": [plots.over_time(found["periods"], found["unit"], found["loss"])] if len(found["periods"]) > 1 else [],
        "segments": [plots.segments(parts[:MOST_SEGMENTS], success)] if parts and success else [],
        "importance": [plots.importance(known.importance, MOST_BARS)] if known.importance else [],
    }
