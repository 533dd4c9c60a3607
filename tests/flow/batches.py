"""A small model and rows for tests of batches: what it answers can be worked out by hand."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from homeostat.core import sections
from homeostat.flow.score import Batch
from homeostat.graph.plan import Concat, Impute, Input, Linear, Link, Lookup, Numbers, Plan
from homeostat.infra.batch_output import output_of
from homeostat.serving.bundle import Bundle, build

INPUTS = (Input("size", "number"), Input("open", "boolean"), Input("at", "timestamp"), Input("town", "category", ("Oslo", "Rome")))
TOWNS = np.array([[0.0], [1.0], [2.0], [5.0]])


def rows(count: int, start: int = 0) -> pl.DataFrame:
    """Rows with nulls and a town that is not known; ``id`` tells their order."""
    at = range(start, start + count)
    return pl.DataFrame(
        {
            "id": list(at),
            "size": [None if n % 7 == 0 else n / 4 for n in at],
            "open": [None if n % 5 == 0 else n % 2 == 0 for n in at],
            "at": [float(1_000 * n) for n in at],
            "town": [(None, "Oslo", "Rome", "Bern")[n % 4] for n in at],
        },
        schema={"id": pl.Int64, "size": pl.Float64, "open": pl.Boolean, "at": pl.Float64, "town": pl.String},
    )


def bundle(task: str = "regression", weight: float = 2.0) -> Bundle:
    """size (null: 10) times the weight, plus open (null: 0), plus 0, 1, 2, 5 for no town, Oslo, Rome, others; with classes: its sigmoid."""
    nodes: list[Any] = [
        Numbers("raw", (0, 1, 2)),
        Impute("filled", "raw", np.array([10.0, 0.0, 0.0])),
        Lookup("town", 0, TOWNS),
        Concat("features", ("filled", "town")),
        Linear("score" if task == "regression" else "raw score", "features", np.array([[weight], [1.0], [0.0], [1.0]]), np.zeros(1)),
    ]
    if task == "binary":
        nodes.append(Link("score", "raw score", "sigmoid"))
    plan = Plan(task, "y", INPUTS, tuple(nodes), ("no", "yes") if task == "binary" else ())  # type: ignore[arg-type]
    return build(plan, name="small", sample=rows(50), ignored=("id",), facts={"run": "run-1"}, created="")


def answers(frame: pl.DataFrame, weight: float = 2.0) -> list[float]:
    """What the model of a regression answers."""
    town = {None: 0.0, "Oslo": 1.0, "Rome": 2.0}
    return [
        weight * (10.0 if size is None else size) + float(opened or 0) + town.get(name, 5.0)
        for size, opened, name in frame.select("size", "open", "town").iter_rows()
    ]


def batch(root: Path, source: str, target: str, **changes: Any) -> Batch:
    """A batch of the small model in partitions of 100 rows."""
    given: dict[str, Any] = {
        "source": source,
        "output": output_of(target, root, root / "spool"),
        "root": root,
        "bundle": changes.pop("bundle", None) or bundle(),
        "version": 3,
        "run": "run-1",
        "shield": _as_it_is,
        "section": sections.Source(source=source),
        "store": sections.Store(),
        "partition_rows": 100,
    }
    return Batch(**(given | changes))


def write_groups(frame: pl.DataFrame, path: Path, rows_of_group: int = 100) -> None:
    """A Parquet file with row groups of this size."""
    frame.write_parquet(path, row_group_size=rows_of_group)


def csv_of(frame: pl.DataFrame) -> str:
    """The rows as CSV."""
    buffer = io.BytesIO()
    frame.write_csv(buffer)
    return buffer.getvalue().decode()


def _as_it_is(frame: pl.DataFrame) -> pl.DataFrame:
    return frame
