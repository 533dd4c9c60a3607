"""``homeostat adopt``: a model from outside becomes a candidate."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from homeostat.app.cli.output import Answer, StderrProgress, lifecycle_command

if TYPE_CHECKING:
    from homeostat.core.facts import Fact


def adopting(function: Callable[..., Answer]) -> Callable[..., Answer]:
    """The options of every command that adopts a model."""
    options = (
        click.option("--reference", type=click.Path(path_type=Path), help="Rows the model is judged by and compared with; CSV or Parquet."),
        click.option("--map", "maps", multiple=True, help="INPUT=COLUMN,COLUMN,... (or the columns alone): what an input is given."),
        click.option("--output", default="", help="The output that holds the answer."),
        click.option("--classes", default="", help="The classes of the answer's columns, in their order: no,yes."),
        click.option("--fill-nulls", is_flag=True, help="Give the model the reference's median, or most frequent text, for a null."),
        click.option("--trust", is_flag=True, help="Let code run that came with the model (pickles)."),
        click.option("--sha256", default="", help="What the model's SHA-256 must be."),
    )
    for option in reversed(options):
        function = option(function)
    return function


def wanted_of(options: Mapping[str, Any]) -> Any:
    """What these options ask for."""
    from homeostat.flow.adopt import Wanted

    said = dict(_mapped(each) for each in options["maps"])
    classes = _listed(options["classes"])
    reference: Path | None = options["reference"]
    return Wanted(reference, said, options["output"], classes, options["fill_nulls"], options["trust"], options["sha256"])


def _mapped(written: str) -> tuple[str, tuple[str, ...]]:
    name, given, columns = written.rpartition("=")
    found = _listed(columns)
    if not found or (given and not name):
        raise click.UsageError(f"got --map {written!r}; write INPUT=COLUMN,COLUMN,... or, of an only input, COLUMN,COLUMN,...")
    return name.strip(), found


def _listed(written: str) -> tuple[str, ...]:
    return tuple(each.strip() for each in written.split(",") if each.strip())


def told(candidate: Fact) -> list[str]:
    """A candidate that was adopted, in lines."""
    body, origin = candidate.body, candidate.body["origin"]
    parity = body["parity"]
    judged = bool(body["holdout"])
    lines = [
        f"{candidate.id}: {origin['path']} ({origin['flavour']}, SHA-256 {origin['sha256'][:12]}), {origin['how']}",
        *(f"  {name} is given {', '.join(columns)}" for name, columns in body["inputs"].items()),
        *([f"  its classes: {', '.join(body['classes'])}"] if body["classes"] else []),
        f"{body['size_mb']:.2f} MB, one row in {body['latency_p99_ms']:.2f} ms (p99)",
        f"parity with the model itself on {parity['rows']} rows: largest difference {parity['max_difference']:.1e}, "
        f"{parity['flips']} flipped",
    ]
    if judged:
        rows = body["rows"]
        lines.append(f"reference rows: {rows['holdout']} sealed to judge it, the others to compare with")
        return [*lines, "next: homeostat evaluate"]
    return [*lines, "the reference rows have no labels: it can't be judged, so not promoted; adopt it again with rows that have the target"]


@click.argument("path", type=click.Path(path_type=Path))
@adopting
def _adopt(project: Path, path: Path, **options: Any) -> Answer:
    from homeostat.flow.adopt import adopt
    from homeostat.flow.project import open_project

    wanted = wanted_of(options)
    with open_project(project) as opened:
        progress = StderrProgress()
        candidate = adopt(opened, path, wanted, progress=progress)
        progress.close()
    return Answer({"candidate": candidate.id, **dict(candidate.body)}, told(candidate))


command = lifecycle_command("adopt", "Take in a model from outside (an ONNX file, an MLflow model folder) with its reference rows.")(_adopt)
