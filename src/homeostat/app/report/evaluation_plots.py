"""The plots of an evaluation, one pure function per kind: Vega-Lite specifications of what an examination recorded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from homeostat.app.report import vega
from homeostat.app.report.vega import STEP, Spec

Found = Mapping[str, Any]
SQUARE = 260
DIAGONAL = [{"at": 0, "same": 0}, {"at": 1, "same": 1}]


def reliability(bins: Sequence[Found], what: str) -> Spec:
    """Shares that came against probabilities, with intervals; on the diagonal a probability means what it says."""
    rows = [dict(each) for each in bins]
    x, tip = (
        _number("said", "mean probability in the bin", share=True),
        [vega.told("said", "probability"), vega.told("came", "share that came")],
    )
    tip += [vega.told("low", "from"), vega.told("high", "to"), vega.told("rows", "rows")]
    layers = [
        _diagonal(),
        {"mark": vega.mark("rule", strokeWidth=2), "encoding": {"x": x, "y": _number("low", f"share {what}"), "y2": {"field": "high"}}},
        {"mark": vega.mark("point", filled=True, size=50), "encoding": {"x": x, "y": _number("came", f"share {what}"), "tooltip": tip}},
    ]
    told = ", ".join(f"{row['said']:.3g}: {row['came']:.3g}" for row in rows)
    return vega.spec("Reliability", f"Share {what} per bin of probability: {told}", rows, {"layer": layers, "height": SQUARE})


def roc(curve: Found) -> Spec:
    """True against false positive rates."""
    return _path(curve, ("false_positive_rate", "false positive rate"), ("recall", "true positive rate"), "ROC curve", diagonal=True)


def precision_recall(curve: Found) -> Spec:
    """Precision against recall."""
    return _path(curve, ("recall", "recall"), ("precision", "precision"), "Precision and recall", diagonal=False)


def gain(curve: Found) -> Spec:
    """The share of positives found by acting on a share of the rows, the likeliest first."""
    return _path(curve, ("acted", "share of rows acted on"), ("recall", "share of positives found"), "Gain", diagonal=True)


def rates(curve: Found) -> Spec:
    """Precision, recall, F1 and the share acted on at each threshold."""
    kinds = ("precision", "recall", "f1", "acted")
    rows = [
        {"threshold": min(point["threshold"], 1.0), "kind": kind, "share": point[kind]}
        for kind in kinds
        for point in curve["points"]
        if point[kind] is not None
    ]
    encoding = {
        "x": _number("threshold", "threshold", share=True),
        "y": _number("share", "share"),
        "color": {"field": "kind", "type": "nominal", "title": None, "sort": list(kinds), "legend": {"orient": "bottom"}},
        "tooltip": [vega.told("kind", "rate", kind="nominal"), vega.told("threshold", "threshold"), vega.told("share", "share")],
    }
    layers = [{"mark": {"type": "line"}, "encoding": encoding}, _served(curve["chosen"]["threshold"])]
    described = (
        f"Precision, recall, F1 and share acted on by threshold; the vertical line is the served one, {curve['chosen']['threshold']:.4g}"
    )
    return vega.spec(
        "Rates by threshold", described, rows, {"layer": layers, "height": SQUARE}, "the vertical line is the served threshold"
    )


def value(curve: Found, currency: str) -> Spec | None:
    """Money per row at each threshold, with the served and the best one marked; None without money."""
    best, chosen = curve["best"], curve["chosen"]
    if best is None:
        return None
    rows = [{"threshold": min(point["threshold"], 1.0), "value": point["value"], "acted": point["acted"]} for point in curve["points"]]
    marks = [
        {"threshold": min(point["threshold"], 1.0), "value": point["value"], "which": which}
        for which, point in (("served", chosen), ("best on these rows", best))
    ]
    x, y = _number("threshold", "threshold", share=True), {"field": "value", "type": "quantitative", "title": f"{currency} per row"}
    tip = [vega.told("threshold", "threshold"), vega.told("value", f"{currency} per row"), vega.told("acted", "share acted on")]
    layers = [
        {"mark": {"type": "line"}, "encoding": {"x": x, "y": y, "tooltip": tip}},
        _points(marks, x, y),
    ]
    described = (
        f"{currency} per row by threshold: {chosen['value']:.4g} at the served {chosen['threshold']:.4g}, "
        f"at most {best['value']:.4g} at {best['threshold']:.4g}"
    )
    return vega.spec("Value by threshold", described, rows, {"layer": layers, "height": SQUARE})


def shift(curve: Found, currency: str) -> Spec:
    """Money per row if every prediction were higher or lower."""
    rows = [{"shift": at, "value": worth} for at, worth in zip(curve["shifts"], curve["values"], strict=True)]
    marks = [
        {"shift": 0.0, "value": curve["served"], "which": "served"},
        {"shift": curve["best_shift"], "value": curve["best"], "which": "best on these rows"},
    ]
    x = {"field": "shift", "type": "quantitative", "title": "added to every prediction"}
    y = {"field": "value", "type": "quantitative", "title": f"{currency} per row", "scale": {"zero": False}}
    tip = [vega.told("shift", "added"), vega.told("value", f"{currency} per row")]
    layers = [{"mark": {"type": "line"}, "encoding": {"x": x, "y": y, "tooltip": tip}}, _points(marks, x, y)]
    moved = f"{curve['best']:.4g} when moved by {curve['best_shift']:.4g}"
    described = f"{currency} per row if predictions were moved: {curve['served']:.4g} now, {moved}"
    return vega.spec("Value if predictions were moved", described, rows, {"layer": layers, "height": SQUARE})


def residuals(bins: Sequence[Found]) -> Spec:
    """Truth less prediction by tenths of the prediction: the middle half and eight tenths of the rows, and the mean with its interval."""
    names = ("q10", "q25", "q50", "q75", "q90")
    rows = [{**each, **dict(zip(names, each["quantiles"], strict=True)), "quantiles": None} for each in bins]
    x = {"field": "prediction", "type": "quantitative", "title": "mean prediction of the tenth", "scale": {"zero": False}}
    title = "truth less prediction"
    tip = [vega.told("prediction", "mean prediction"), vega.told("mean", "mean error"), vega.told("low", "from"), vega.told("high", "to")]
    tip += [vega.told("q10", "10 % below"), vega.told("q90", "10 % above"), vega.told("rows", "rows")]

    def span(low: str, high: str, **more: Any) -> Spec:
        y = {"field": low, "type": "quantitative", "title": title}
        return {"mark": vega.mark("rule", **more), "encoding": {"x": x, "y": y, "y2": {"field": high}}}

    layers = [
        {"mark": vega.mark("rule", strokeDash=[4, 4], opacity=0.6), "encoding": {"y": {"datum": 0, "type": "quantitative"}}},
        span("q10", "q90", opacity=0.5),
        span("q25", "q75", strokeWidth=7, opacity=0.35),
        {
            "mark": vega.mark("point", filled=True, size=45),
            "encoding": {"x": x, "y": {"field": "mean", "type": "quantitative", "title": title}, "tooltip": tip},
        },
    ]
    described = "Mean of truth less prediction by tenth of the prediction: " + ", ".join(f"{row['mean']:.4g}" for row in rows)
    note = "point: mean; thick: middle half of the rows; thin: 80 % of them"
    return vega.spec("Errors by prediction", described, rows, {"layer": layers, "height": SQUARE}, note)


def over_time(periods: Sequence[Found], unit: str, loss: str) -> Spec:
    """The mean loss per period, ours and the baseline's."""
    rows = [
        {"at": vega.ms(each["start"]), "start": each["start"], "who": who, "loss": each[key], "rows": each["rows"]}
        for who, key in (("candidate", "ours"), ("baseline", "baseline"))
        for each in periods
        if each[key] is not None
    ]
    tip = [vega.told("who", "who", kind="nominal"), vega.told("start", f"{unit} from", kind="nominal"), vega.told("loss", loss)]
    encoding = {
        "x": vega.time(unit),
        "y": {"field": "loss", "type": "quantitative", "title": loss},
        "color": {"field": "who", "type": "nominal", "title": None, "sort": ["candidate", "baseline"], "legend": {"orient": "bottom"}},
        "tooltip": [*tip, vega.told("rows", "rows")],
    }
    mark = {"mark": {"type": "line", "point": {"size": 25}}, "encoding": encoding, "height": SQUARE}
    ours = [row["loss"] for row in rows if row["who"] == "candidate"]
    return vega.spec(f"Error per {unit}", f"{loss} per {unit}: from {min(ours):.4g} to {max(ours):.4g}", rows, mark)


def segments(scores: Sequence[Found], whole: Found) -> Spec:
    """The success metric by segment with its interval; the dashed line is all rows."""
    rows = [{"segment": vega.shown(each["segment"]), **{k: each[k] for k in ("value", "low", "high", "rows")}} for each in scores]
    y, metric = vega.names("segment", "segment"), whole["metric"]
    x = {"field": "value", "type": "quantitative", "title": metric, "scale": {"zero": False}}
    tip = [vega.told("segment", "segment", kind="nominal"), vega.told("value", metric), vega.told("low", "from"), vega.told("high", "to")]
    layers = [
        {"mark": vega.mark("rule", strokeDash=[4, 4], opacity=0.6), "encoding": {"x": {"datum": whole["value"], "type": "quantitative"}}},
        {"mark": vega.mark("rule", strokeWidth=2), "encoding": {"y": y, "x": {**x, "field": "low"}, "x2": {"field": "high"}}},
        {"mark": vega.mark("point", filled=True, size=50), "encoding": {"y": y, "x": x, "tooltip": [*tip, vega.told("rows", "rows")]}},
    ]
    described = f"{metric} by segment, {whole['value']:.4g} on all rows: " + ", ".join(
        f"{row['segment']} {row['value']:.4g}" for row in rows
    )
    return vega.spec(f"{metric} by segment", described, rows, {"layer": layers, "height": STEP * len(rows)})


def importance(columns: Sequence[tuple[str, float]], most: int) -> Spec:
    """What each input is worth: its mean absolute contribution to the score."""
    rows = [{"column": vega.shown(name), "value": worth} for name, worth in columns[:most]]
    encoding = {
        "y": vega.names("column", "input"),
        "x": {"field": "value", "type": "quantitative", "title": "mean absolute contribution"},
        "tooltip": [vega.told("column", "input", kind="nominal"), vega.told("value", "mean absolute contribution")],
    }
    described = "Mean absolute contribution by input: " + ", ".join(f"{row['column']} {row['value']:.4g}" for row in rows)
    return vega.spec(
        "What the model leans on", described, rows, {"mark": vega.mark("bar"), "encoding": encoding, "height": STEP * len(rows)}
    )


def _path(curve: Found, across: tuple[str, str], up: tuple[str, str], title: str, *, diagonal: bool) -> Spec:
    """A curve through the points by threshold, the served one marked."""
    (x, across_title), (y, up_title) = across, up
    rows = [
        {"threshold": min(point["threshold"], 1.0), x: point[x], y: point[y], "order": at}
        for at, point in enumerate(curve["points"])
        if point[x] is not None and point[y] is not None
    ]
    chosen = curve["chosen"]
    at_x, at_y = _number(x, across_title, share=True), _number(y, up_title, share=True)
    tip = [vega.told(x, across_title), vega.told(y, up_title), vega.told("threshold", "threshold")]
    layers: list[Spec] = [
        *([_diagonal()] if diagonal else []),
        {"mark": {"type": "line"}, "encoding": {"x": at_x, "y": at_y, "order": {"field": "order"}, "tooltip": tip}},
    ]
    told = "no row is acted on at the served threshold"
    if chosen[x] is not None and chosen[y] is not None:
        layers.append(_points([{x: chosen[x], y: chosen[y], "which": "served"}], at_x, at_y))
        told = f"{up_title} {chosen[y]:.3g} at {across_title} {chosen[x]:.3g} with the served threshold {chosen['threshold']:.4g}"
    return vega.spec(title, f"{title}: {told}", rows, {"layer": layers, "height": SQUARE})


def _number(field: str, title: str, *, share: bool = False) -> Spec:
    return {"field": field, "type": "quantitative", "title": title, **({"scale": {"domain": [0, 1]}} if share else {})}


def _diagonal() -> Spec:
    return {
        "data": {"values": DIAGONAL},
        "mark": {"type": "line", "strokeDash": [4, 4], "opacity": 0.5, "strokeWidth": 1},
        "encoding": {"x": {"field": "at", "type": "quantitative"}, "y": {"field": "same", "type": "quantitative"}},
    }


def _served(threshold: float) -> Spec:
    return {"mark": vega.mark("rule", strokeDash=[4, 4]), "encoding": {"x": {"datum": min(threshold, 1.0), "type": "quantitative"}}}


def _points(rows: Sequence[Spec], x: Spec, y: Spec) -> Spec:
    """Marked points, told by shape and colour in a legend."""
    order = [row["which"] for row in rows]
    legend = {"orient": "bottom"} if len(rows) > 1 else None
    which = {"field": "which", "type": "nominal", "title": None, "sort": order, "legend": legend}
    return {
        "data": {"values": list(rows)},
        "mark": {"type": "point", "filled": True, "size": 90, "opacity": 1},
        "encoding": {"x": x, "y": y, "shape": which, "color": which, "tooltip": [vega.told("which", "which", kind="nominal")]},
    }
