"""The analysis as one HTML page: records in, text out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from homeostat.app.report import plots
from homeostat.app.report.frame import Plots, rendered
from homeostat.app.report.vega import STEP, Spec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from homeostat.flow.profile import Profiled
    from homeostat.preparation.analysis.records import Analysis

MOST_CARDS = 60
"""Columns with a card of their own; with more, those go first that go with the target most, and the rest are in the overview."""
MOST_BARS = 40


def page(profiled: Profiled) -> str:
    """The whole page. It asks for nothing from any network, and its policy forbids that it could."""
    found = profiled.analysis
    drawn = Plots()
    body = {
        "head": profiled,
        "found": found,
        "cards": list(_cards(found, drawn)),
        "more_columns": max(0, len(found.columns) - MOST_CARDS),
        "target": _target_plots(found, drawn),
        "missing_plot": drawn.add(plots.missing_shares(found.missing, MOST_BARS) if found.missing.columns else None),
        "matrix": drawn.add(plots.heat_map(found.correlations) if found.correlations.names else None),
        "step": STEP,
        "names": {column.name: at for at, column in enumerate(found.columns)},
    }
    return rendered("profile.html.j2", body, drawn)


def _cards(found: Analysis, drawn: Plots) -> Iterator[dict[str, Any]]:
    """Per column: its record, what else is known of it, and its plots."""
    relations = {each.column: each for each in found.relations}
    times = {each.column: each for each in found.over_time.columns} if found.over_time else {}
    far = {each.column: each for each in found.outliers}
    chosen = sorted(
        range(len(found.columns)), key=lambda at: (found.columns[at].name != found.target, -abs(found.columns[at].association or 0))
    )
    classes = [name for name, _ in found.classes]
    for at in sorted(chosen[:MOST_CARDS]):
        column = found.columns[at]
        relation, time = relations.get(column.name), times.get(column.name)
        figures = [drawn.add(plots.distribution(column))]
        if column.words:
            figures.append(drawn.add(plots.frequencies(column.words, (0, 0), f"{column.name}: most frequent words", "word")))
        if relation:
            figures.append(drawn.add(plots.related(relation, found.target, classes)))
        if time and found.over_time and not column.constant:
            if any(value is not None for value in time.values):
                figures.append(drawn.add(plots.column_over_time(time, found.over_time)))
            if column.nulls:
                figures.append(drawn.add(plots.nulls_over_time(time, found.over_time)))
        yield {
            "at": at,
            "column": column,
            "relation": relation,
            "time": time,
            "outliers": far.get(column.name),
            "figures": [figure for figure in figures if figure is not None],
        }


def _target_plots(found: Analysis, drawn: Plots) -> list[int]:
    classes = [name for name, _ in found.classes]
    specs: list[Spec | None] = []
    if found.classes:
        specs.append(plots.frequencies(found.classes, (0, 0), f"{found.target}: training rows per class", found.target))
    if found.over_time and found.over_time.target:
        specs.append(plots.target_over_time(found.over_time, found.target, classes))
    if found.importance and found.importance.columns:
        specs.append(plots.importances(found.importance, MOST_BARS // 2))
    return [at for at in map(drawn.add, specs) if at is not None]
