"""Specifications: valid by the published Vega-Lite schema, described in words, and with no field named after the data."""

from __future__ import annotations

import gzip
import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import numpy as np
import polars as pl
import pytest

from homeostat.app.report import plots
from homeostat.app.report.frame import Plots
from homeostat.app.report.page import _cards, _target_plots
from homeostat.preparation.analysis.records import Bins, Spans

if TYPE_CHECKING:
    from collections.abc import Callable

    from homeostat.flow.profile import Profiled

    Profile = Callable[..., Profiled]

# The JSON Schema of vega-lite 6.4.3 (BSD-3-Clause, the licence lies beside the shipped scripts) without its descriptions.
SCHEMA = Path(__file__).with_name("vega-lite-6.4.3.schema.json.gz")


@pytest.fixture(scope="module")
def validator() -> jsonschema.Draft7Validator:
    return jsonschema.Draft7Validator(json.loads(gzip.decompress(SCHEMA.read_bytes())))


def frame(rows: int = 400) -> pl.DataFrame:
    rng = np.random.default_rng(0)
    return pl.DataFrame(
        {
            "a.b[0]": rng.normal(size=rows),
            "gaps": [None if i % 3 else float(i) for i in range(rows)],
            "more gaps": [None if i % 2 else "x" for i in range(rows)],
            "text": [f"some words of a comment number {i} by nobody" for i in range(rows)],
            "colour": rng.choice(["red", "green", ""], rows),
            "when": [datetime(2024, 1, 1) + timedelta(days=i) for i in range(rows)],
            "y": rng.normal(size=rows),
            "sort": rng.choice(["p", "q", "r"], rows),
            "flag": rng.choice([True, False], rows),
        }
    )


def specs_of(profiled: Profiled) -> list[dict[str, Any]]:
    drawn, found = Plots(), profiled.analysis
    assert list(_cards(found, drawn))
    assert _target_plots(found, drawn)
    return [*drawn.specs, plots.missing_shares(found.missing, 40), plots.heat_map(found.correlations)]


@pytest.mark.parametrize(
    ("target", "kind", "time"),
    [
        ("y", "regression", "when"),
        ("y", "regression", None),
        ("sort", "multiclass", "when"),
        ("sort", "multiclass", None),
        ("flag", "binary", "when"),
    ],
)
def test_specifications_are_valid_and_described(
    target: str, kind: str, time: str | None, profiled: Profile, validator: jsonschema.Draft7Validator
) -> None:
    specs = specs_of(profiled(frame(), target, kind, time=time))
    assert len(specs) > 15
    for spec in specs:
        best = jsonschema.exceptions.best_match(validator.iter_errors(spec))
        assert best is None, f"{spec['title']}: {best.message}"
        assert spec["title"]["text"]
        assert len(spec["description"]) > 20
        assert spec["width"] == "container"
        json.dumps(spec, allow_nan=False)


def test_the_schema_refuses_what_is_no_specification(profiled: Profile, validator: jsonschema.Draft7Validator) -> None:
    spec = specs_of(profiled(frame(), "y"))[0]
    assert not validator.is_valid({**spec, "mark": {"type": "bra"}})
    assert not validator.is_valid({**spec, "encoding": {"x": {"place": "a"}}})


def fields(value: Any) -> set[str]:
    """Every field a specification refers to."""
    if isinstance(value, dict):
        own = {value["field"]} if isinstance(value.get("field"), str) else set()
        return own.union(*(fields(each) for key, each in value.items() if key != "data"))
    return set().union(*(fields(each) for each in value)) if isinstance(value, list) else set()


def test_fields_are_never_named_after_columns(profiled: Profile) -> None:
    for spec in specs_of(profiled(frame(), "sort", "multiclass", time="when")):
        used = fields(spec)
        assert used.isdisjoint(frame().columns)
        assert all(used <= set(row) for row in spec["data"]["values"]), spec["title"]


def test_axes_are_titled(profiled: Profile) -> None:
    def axes(spec: dict[str, Any]) -> list[dict[str, Any]]:
        return [spec["encoding"][axis] for axis in ("x", "y") if "encoding" in spec and "field" in spec["encoding"].get(axis, {})]

    for spec in specs_of(profiled(frame(), "y", time="when")):
        parts = [spec, *spec.get("layer", [])]
        for axis in ("x", "y"):
            titles = [one["encoding"][axis].get("title") for one in parts if axis in one.get("encoding", {})]
            assert any(titles) or spec["title"]["text"] == "How columns go together", (spec["title"], axis)


def test_what_is_left_out_of_a_histogram_is_said() -> None:
    spec = plots.histogram(Bins((0.5, 1.5, 2.5), (4, 1), below=0, above=1_234), "x", "x")
    assert spec["title"]["subtitle"] == "not drawn: 1,234 above"
    assert [row["rows"] for row in spec["data"]["values"]] == [4, 1]
    assert spec["encoding"]["x"]["axis"] == {"values": [1.0, 2.0], "format": "d"}


def test_wall_time_is_drawn_as_it_is_written() -> None:
    spec = plots.over_days(Spans("hour", ("2024-03-31T02:00:00", "2024-03-31T03:00:00"), (1, 2)), "t")
    assert spec["encoding"]["x"]["scale"] == {"type": "utc"}
    assert [row["at"] for row in spec["data"]["values"]] == [1711850400000.0, 1711854000000.0]


def test_other_values_and_blank_ones_are_named() -> None:
    spec = plots.frequencies((("", 5), ("  ", 4), ("a", 3)), (7, 20), "t", "c")
    assert [row["value"] for row in spec["data"]["values"]] == ["(empty text)", "(blank, 2 characters)", "a", "7 other values"]
    assert spec["data"]["values"][-1] == {"value": "7 other values", "rows": 20, "other": True}
