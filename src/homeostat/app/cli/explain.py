"""``homeostat explain``: what a model leans on, over all rows, in a segment, and in single rows."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from homeostat.app.cli.output import Answer, StderrProgress, lifecycle_command, table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from homeostat.core.facts import Fact
    from homeostat.flow.explain import Told
    from homeostat.flow.project import Project


@click.argument("version", type=int, required=False)
@click.option("--rows", "file", type=click.Path(path_type=Path, dir_okay=False), help="A CSV or Parquet file with rows to explain.")
@click.option("--id", "ids", multiple=True, help="A served prediction to explain, by the version that gave it; several times for more.")
@click.option("--segment", "--slice", "asked", help="Only the rows of this segment, column=value.")
@click.option("--top", type=click.IntRange(min=1), default=10, show_default=True, help="So many columns are told.")
def _explain(project: Path, version: int | None, file: Path | None, ids: tuple[str, ...], asked: str | None, top: int) -> Answer:
    from homeostat.flow.explain import candidate_to_explain, explain_candidate, explain_predictions, explain_rows, explain_segment
    from homeostat.flow.project import open_project

    if sum(1 for each in (file, ids, asked) if each) > 1 or (ids and version is not None):
        raise click.UsageError("--rows, --id and --segment are one or the other; --id has the version that gave the answer")
    progress = StderrProgress()
    with open_project(project) as opened:
        if ids:
            found = explain_predictions(opened, ids, progress)
            told = [(name, fact, row) for name, (fact, row) in zip(ids, found, strict=True)]
            return _rows_told(told, top)
        fact = explain_candidate(opened, candidate_to_explain(opened, version), progress)
        if file is not None:
            frame = _frame(opened, file)
            return _rows_told([(f"row {row.row + 1}", fact, row) for row in explain_rows(opened, fact, frame)], top)
        if asked:
            part = explain_segment(opened, fact, asked)
            return Answer(
                {"explanation": fact.id, **part}, [_head(fact, f"{part['rows']} rows of {asked}"), *_columns(part["columns"], top)]
            )
        lines = [_head(fact, f"{fact.body['rows']} {fact.body['of']} rows"), *_columns(fact.body["columns"], top)]
        for name, part in fact.body["segments"].items():
            lines += ["", f"{name}, {part['rows']} rows", *_columns(part["columns"], min(top, 3))]
        return Answer({"explanation": fact.id, **fact.body}, [*lines, "", f"recorded as {fact.id}"])


def _frame(project: Project, file: Path) -> Any:
    from homeostat.flow.privacy import shield_frame
    from homeostat.flow.reading import read_whole

    return shield_frame(project, read_whole(file.resolve(), project.charter.data, project.root))


def _head(fact: Fact, what: str) -> str:
    body = fact.body
    how = (
        "exact Shapley values" if body["method"] == "exact" else f"sampled Shapley values, mean standard error {body['standard_error']:.2g}"
    )
    return f"{body['candidate']}, {what}: what columns add to the {body['scale']} of {', '.join(body['outputs'])} ({how})"


def _columns(columns: Sequence[Mapping[str, Any]], top: int) -> list[str]:
    rows = [
        [each["column"], *(f"{each[name]:.4g}" if name in each else "-" for name in ("mean_abs", "low", "high"))] for each in columns[:top]
    ]
    return table(rows, ("column", "mean size", "low", "high"))


def _rows_told(told: Sequence[tuple[str, Fact, Told]], top: int) -> Answer:
    lines = []
    for name, fact, row in told:
        lines.append(f"{name}: {fact.body['scale']} of {row.output} {row.score:.6g}, from {row.base:.6g} expected")
        lines += [f"  {column} = {_said(value)} adds {added:+.4g}" for column, value, added in row.added[:top]]
        if rest := sum(added for _, _, added in row.added[top:]):
            lines.append(f"  the other {len(row.added) - top} columns add {rest:+.4g}")
    data = [{"name": name, "explanation": fact.id, "scale": fact.body["scale"], **_plain(row)} for name, fact, row in told]
    return Answer({"rows": data}, lines)


def _plain(row: Told) -> dict[str, Any]:
    added = [{"column": column, "value": _json(value), "adds": adds} for column, value, adds in row.added]
    if row.errors:
        added = [each | {"standard_error": error} for each, error in zip(added, row.errors, strict=True)]
    return {**{name: value for name, value in asdict(row).items() if name in ("output", "base", "score")}, "columns": added}


def _json(value: Any) -> Any:
    return value if value is None or isinstance(value, str | bool | int | float) else str(value)


def _said(value: Any) -> str:
    text = "null" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)
    return text if len(text) <= 60 else text[:57] + "..."


command = lifecycle_command("explain", "Say what a model leans on: over its validation rows, in a segment, or in single rows.")(_explain)
