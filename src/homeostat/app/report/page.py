"""The analysis as one HTML page: records in, text out. Everything that comes from data is escaped."""

from __future__ import annotations

import json
import re
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from homeostat.app.report import plots

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jinja2 import Environment

    from homeostat.flow.profile import Profiled
    from homeostat.preparation.analysis.records import Analysis

SCRIPTS = ("vega.min.js", "vega-lite.min.js", "vega-embed.min.js")
MOST_CARDS = 60
"""Columns with a card of their own; with more, those go first that go with the target most, and the rest are in the overview."""
MOST_BARS = 40


class Plots:
    """The specifications of a page in the order they are used; a figure refers to its own by number."""

    def __init__(self) -> None:
        self.specs: list[plots.Spec] = []

    def add(self, spec: plots.Spec | None) -> int | None:
        """The number of the figure; None without a specification."""
        if spec is None:
            return None
        self.specs.append(spec)
        return len(self.specs) - 1


def page(profiled: Profiled) -> str:
    """The whole page. It asks for nothing from any network, and its policy forbids that it could."""
    found = profiled.analysis
    drawn = Plots()
    template = _environment().get_template("profile.html.j2")
    body = {
        "head": profiled,
        "found": found,
        "cards": list(_cards(found, drawn)),
        "more_columns": max(0, len(found.columns) - MOST_CARDS),
        "target": _target_plots(found, drawn),
        "missing_plot": drawn.add(plots.missing_shares(found.missing, MOST_BARS) if found.missing.columns else None),
        "matrix": drawn.add(plots.heat_map(found.correlations) if found.correlations.names else None),
        "step": plots.STEP,
        "files": {name: _text("templates", name) for name in ("report.css", "report.js")},
        "scripts": [_script(name) for name in SCRIPTS],
        "names": {column.name: at for at, column in enumerate(found.columns)},
    }
    return template.render(**body, specs=for_script(drawn.specs))


def for_script(value: Any) -> str:
    r"""JSON that can stand inside a script element: no text of the data can end it or begin a comment.

    >>> for_script(["</script>"])
    '["\\u003c/script\\u003e"]'
    """
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


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
    specs: list[plots.Spec | None] = []
    if found.classes:
        specs.append(plots.frequencies(found.classes, (0, 0), f"{found.target}: training rows per class", found.target))
    if found.over_time and found.over_time.target:
        specs.append(plots.target_over_time(found.over_time, found.target, classes))
    if found.importance and found.importance.columns:
        specs.append(plots.importances(found.importance, MOST_BARS // 2))
    return [at for at in map(drawn.add, specs) if at is not None]


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    made = Environment(
        loader=PackageLoader("homeostat.app.report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    made.filters.update(number=_number, share=_share, count=_count, shown=plots.shown)
    return made


def _number(value: float | int | str | None) -> str:
    """Five digits of a number, whole numbers as they are, texts (dates) unchanged, and a dash for nothing."""
    if value is None:
        return "-"
    if isinstance(value, str):
        return value
    if isinstance(value, int) or (float(value).is_integer() and abs(value) < 1e9):
        return f"{int(value):,}" if abs(value) < 10**15 else f"{float(value):.5g}"
    return f"{value:.5g}"


def _share(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.2%}" if 0 < value < 0.1 else f"{value:.1%}"


def _count(value: int) -> str:
    return f"{value:,}"


def _text(folder: str, name: str) -> str:
    return (files("homeostat.app.report") / folder / name).read_text(encoding="utf-8")


@cache
def _script(name: str) -> str:
    """A shipped script without the reference to its source map, which is not shipped."""
    text = (files("homeostat.app.web") / "assets" / name).read_text(encoding="utf-8")
    return re.sub(r"\n//# sourceMappingURL=\S+\s*$", "\n", text)
