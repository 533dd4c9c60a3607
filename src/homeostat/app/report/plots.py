"""The plots of the analysis, one pure function per kind: Vega-Lite specifications."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from homeostat.app.report import vega
from homeostat.app.report.vega import STEP, Spec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from homeostat.preparation.analysis.records import (
        Bins,
        ColumnOverTime,
        ColumnProfile,
        Correlations,
        Group,
        Importance,
        Missing,
        OverTime,
        Relation,
        Spans,
    )

FEW_VALUES = 13  # whole numbers that each get a tick


def histogram(bins: Bins, title: str, unit: str) -> Spec:
    """Rows per bin of a number."""
    rows = [{"from": low, "to": high, "rows": n} for low, high, n in zip(bins.edges, bins.edges[1:], bins.counts, strict=False)]
    outside = [f"{n:,} {word}" for n, word in ((bins.below, "below"), (bins.above, "above")) if n]
    note = f"not drawn: {' and '.join(outside)}" if outside else ""
    x: Spec = {"field": "from", "type": "quantitative", "bin": {"binned": True}, "title": unit, "scale": {"zero": False}}
    if len(rows) <= FEW_VALUES and all(row["to"] - row["from"] == 1 and row["from"] % 1 == 0.5 for row in rows):
        x["axis"] = {"values": [row["from"] + 0.5 for row in rows], "format": "d"}
    encoding = {
        "x": x,
        "x2": {"field": "to"},
        "y": {"field": "rows", "type": "quantitative", "title": "rows"},
        "tooltip": [vega.told("from", "from"), vega.told("to", "to below"), vega.told("rows", "rows")],
    }
    described = f"Histogram of {unit}: {len(bins.counts)} bins from {bins.edges[0]:.4g} to {bins.edges[-1]:.4g}. {note}"
    return vega.spec(title, described, rows, {"mark": vega.mark("bar"), "encoding": encoding}, note)


def frequencies(counts: Sequence[tuple[str, int]], others: tuple[int, int], title: str, unit: str) -> Spec:
    """Rows per value, and in one bar the ``others``: how many further values, and their rows."""
    rows: list[dict[str, Any]] = [{"value": vega.shown(value), "rows": n, "other": False} for value, n in counts]
    if others[1]:
        many = "value" if others[0] == 1 else "values"
        rows.append({"value": f"{others[0]:,} other {many}", "rows": others[1], "other": True})
    encoding = {
        "y": vega.names("value", unit),
        "x": {"field": "rows", "type": "quantitative", "title": "rows"},
        "opacity": {"condition": {"test": "datum.other", "value": 0.45}, "value": 1},
        "tooltip": [vega.told("value", unit, kind="nominal"), vega.told("rows", "rows")],
    }
    first = f", most often {rows[0]['value']} ({rows[0]['rows']:,} rows)" if rows else ""
    return vega.spec(
        title, f"Bars of the rows per {unit}{first}", rows, {"mark": vega.mark("bar"), "encoding": encoding, "height": STEP * len(rows)}
    )


def over_days(spans: Spans, title: str) -> Spec:
    """Rows per calendar unit."""
    rows = [{"at": vega.ms(start), "start": start, "rows": n} for start, n in zip(spans.starts, spans.counts, strict=True)]
    outside = [f"{n:,} {word}" for n, word in ((spans.below, "earlier"), (spans.above, "later")) if n]
    encoding = {
        "x": vega.time(spans.unit),
        "y": {"field": "rows", "type": "quantitative", "title": f"rows per {spans.unit}"},
        "tooltip": [vega.told("start", f"{spans.unit} from", kind="nominal"), vega.told("rows", "rows")],
    }
    note = f"not drawn: {' and '.join(outside)}" if outside else ""
    mark = {"mark": vega.mark("area", line=True, interpolate="step-after"), "encoding": encoding}
    return vega.spec(title, f"Rows per {spans.unit} from {spans.starts[0]} to {spans.starts[-1]}. {note}", rows, mark, note)


def related(relation: Relation, target: str, classes: Sequence[str]) -> Spec:
    """The target per group of a column: a mean or share with its interval, or the shares of all classes."""
    title = f"{target} by {relation.column}"
    by = {"value": "value", "bin": "bin of equal counts", "time": "time", "length": "length in characters"}[relation.by]
    return target_by(relation.groups, title, relation.column if relation.by == "value" else f"{relation.column} ({by})", (target, classes))


def target_by(groups: Sequence[Group], title: str, unit: str, goal: tuple[str, Sequence[str]]) -> Spec:
    """The target per group, one under the other. ``goal``: its name and its classes."""
    target, classes = goal
    if groups and groups[0].shares:
        return _class_shares(groups, title, unit, classes)
    rows = [{"group": vega.shown(g.label), "value": g.value, "low": g.low, "high": g.high, "rows": g.rows} for g in groups]
    whole = sum(g.rows for g in groups)
    mean = sum((g.value or 0.0) * g.rows for g in groups) / whole if whole else 0.0
    measured = f"share of {classes[0]}" if classes else f"mean {target}"
    tip = [
        vega.told("group", unit, kind="nominal"),
        vega.told("value", measured),
        vega.told("low", "from"),
        vega.told("high", "to"),
        vega.told("rows", "rows"),
    ]
    y, scale = vega.names("group", unit), {"zero": False}
    layers = [
        {"mark": vega.mark("rule", strokeDash=[4, 4], opacity=0.6), "encoding": {"x": {"datum": mean, "type": "quantitative"}}},
        {
            "mark": vega.mark("rule", strokeWidth=2),
            "encoding": {"y": y, "x": {"field": "low", "type": "quantitative", "title": measured, "scale": scale}, "x2": {"field": "high"}},
        },
        {
            "mark": vega.mark("point", filled=True, size=50),
            "encoding": {"y": y, "x": {"field": "value", "type": "quantitative", "scale": scale}, "tooltip": tip},
        },
    ]
    said = ", ".join(f"{row['group']}: {row['value']:.4g}" for row in rows if row["value"] is not None)
    described = f"{measured} per {unit}, with 95 % intervals; the dashed line is all rows. {said}"
    return vega.spec(title, described, rows, {"layer": layers, "height": STEP * len(groups)})


def _class_shares(groups: Sequence[Group], title: str, unit: str, classes: Sequence[str]) -> Spec:
    rows = [
        {"group": vega.shown(g.label), "class": vega.shown(name), "at": at, "share": share, "rows": g.rows}
        for g in groups
        for at, (name, share) in enumerate(zip(classes, g.shares, strict=True))
    ]
    encoding = {
        "y": vega.names("group", unit),
        "x": {"field": "share", "type": "quantitative", "title": "share of the rows", "stack": True, "scale": {"domain": [0, 1]}},
        "color": {"field": "class", "type": "nominal", "title": None, "sort": None, "legend": {"orient": "bottom", "columns": 3}},
        "order": {"field": "at"},
        "tooltip": [
            vega.told("group", unit, kind="nominal"),
            vega.told("class", "class", kind="nominal"),
            vega.told("share", "share"),
            vega.told("rows", "rows"),
        ],
    }
    described = f"Shares of the classes {', '.join(map(vega.shown, classes))} per {unit}"
    return vega.spec(title, described, rows, {"mark": vega.mark("bar"), "encoding": encoding, "height": STEP * len(groups)})


def column_over_time(column: ColumnOverTime, over: OverTime) -> Spec:
    """The mean of a number, or the share of a category's most frequent value, per period."""
    measured = f"share of {vega.shown(column.of)}" if column.of else f"mean {column.column}"
    return _line(column.values, over, f"{measured} over time", measured)


def nulls_over_time(column: ColumnOverTime, over: OverTime) -> Spec:
    """The share of rows without a value, per period."""
    return _line(column.nulls, over, f"{column.column} without a value over time", "share without a value")


def target_over_time(over: OverTime, target: str, classes: Sequence[str]) -> Spec:
    """The target of training rows per period."""
    if over.target and not over.target[0].shares:
        by_start = {group.label: group.value for group in over.target}
        measured = f"share of {classes[0]}" if classes else f"mean {target}"
        return _line([by_start.get(start) for start in over.starts], over, f"{measured} over time, training rows", measured)
    return target_by(over.target, f"{target} over time, training rows", over.unit, (target, classes))


def _line(values: Sequence[float | None], over: OverTime, title: str, measured: str) -> Spec:
    rows: list[dict[str, Any]] = [
        {"start": start, "value": value, "rows": n} for start, value, n in zip(over.starts, values, over.rows, strict=True)
    ]
    x: Spec = {"field": "start", "type": "ordinal", "sort": None, "title": over.unit}
    if over.time:
        rows = [{**row, "at": vega.ms(str(row["start"]))} for row in rows]
        x = vega.time(over.unit)
    encoding = {
        "x": x,
        "y": {"field": "value", "type": "quantitative", "title": measured, "scale": {"zero": False}},
        "tooltip": [vega.told("start", f"{over.unit} from", kind="nominal"), vega.told("value", measured), vega.told("rows", "rows")],
    }
    known = [value for value in values if value is not None]
    reach = f"from {known[0]:.4g} to {known[-1]:.4g}" if known else "never there"
    return vega.spec(
        title, f"{measured} per {over.unit}: {reach}", rows, {"mark": vega.mark("line", point={"size": 25}), "encoding": encoding}
    )


def missing_shares(missing: Missing, most: int) -> Spec:
    """The share of rows without a value, per column."""
    rows = [{"column": vega.shown(name), "share": share, "rows": n} for name, n, share in missing.columns[:most]]
    encoding = {
        "y": vega.names("column", "column"),
        "x": {"field": "share", "type": "quantitative", "title": "share of rows without a value", "axis": {"format": "~%"}},
        "tooltip": [vega.told("column", "column", kind="nominal"), vega.told("share", "share"), vega.told("rows", "rows")],
    }
    described = "Share of rows without a value: " + ", ".join(f"{row['column']} {row['share']:.1%}" for row in rows)
    mark = {"mark": vega.mark("bar"), "encoding": encoding, "height": STEP * len(rows)}
    return vega.spec("Rows without a value", described, rows, mark)


def heat_map(matrix: Correlations) -> Spec:
    """Every column with every other, in clustered order."""
    names = [vega.shown(name) for name in matrix.names]
    rows = [
        {"one": one, "two": two, "value": value}
        for one, line in zip(names, matrix.values, strict=True)
        for two, value in zip(names, line, strict=True)
        if value is not None
    ]
    legend = {"orient": "top", "gradientLength": 200, "titleLimit": 300}
    encoding = {
        "x": {"field": "one", "type": "nominal", "sort": names, "title": None, "axis": {"labelAngle": -90, "labelLimit": 110}},
        "y": {"field": "two", "type": "nominal", "sort": names, "title": None, "axis": {"labelLimit": 110}},
        "color": {
            "field": "value",
            "type": "quantitative",
            "title": "association",
            "scale": {"domain": [-1, 0, 1], "range": "diverging", "interpolate": "lab"},
            "legend": legend,
        },
        "tooltip": [
            vega.told("one", "column", kind="nominal"),
            vega.told("two", "with", kind="nominal"),
            vega.told("value", "association"),
        ],
    }
    described = f"Heat map of the associations of {len(names)} columns with each other, similar columns side by side"
    mark = {"mark": vega.mark("rect"), "encoding": encoding, "height": STEP * len(names)}
    return vega.spec("How columns go together", described, rows, mark)


def importances(importance: Importance, most: int) -> Spec:
    """By how much a quick model worsens when a column is shuffled."""
    rows = [
        {"column": vega.shown(name), "mean": mean, "low": mean - deviation, "high": mean + deviation}
        for name, mean, deviation in importance.columns[:most]
    ]
    y = vega.names("column", "column")
    measured = f"worse {importance.metric} when shuffled, by"
    tip = [vega.told("column", "column", kind="nominal"), vega.told("mean", "worse by"), vega.told("low", "from"), vega.told("high", "to")]
    layers = [
        {"mark": vega.mark("bar"), "encoding": {"y": y, "x": {"field": "mean", "type": "quantitative", "title": measured}, "tooltip": tip}},
        {"mark": vega.mark("rule"), "encoding": {"y": y, "x": {"field": "low", "type": "quantitative"}, "x2": {"field": "high"}}},
    ]
    described = f"{measured}: " + ", ".join(f"{row['column']} {row['mean']:.4g}" for row in rows)
    return vega.spec("What a quick model leans on", described, rows, {"layer": layers, "height": STEP * len(rows)})


def distribution(column: ColumnProfile) -> Spec | None:
    """The plot of what the column holds; None when there is nothing to draw."""
    if column.constant or column.hidden:
        return None
    if column.spans is not None:
        return over_days(column.spans, f"{column.name}: rows over time")
    if column.bins is not None:
        unit = "length in characters" if column.shape == "text" else column.name
        return histogram(column.bins, f"{column.name}: {'length' if column.shape == 'text' else 'distribution'}", unit)
    if column.top:
        rest = column.rows - column.nulls - sum(n for _, n in column.top)
        return frequencies(column.top, (column.distinct - len(column.top), rest), f"{column.name}: most frequent values", column.name)
    return None
