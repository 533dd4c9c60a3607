"""A charter with a forecast: what follows from step and horizon, and what cannot be."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from homeostat.charter.columns import named_columns
from homeostat.charter.effects import explain_effects
from homeostat.charter.load import dump_charter, parse_charter, validate
from homeostat.charter.violations import clause

if TYPE_CHECKING:
    from homeostat.charter.schema import Charter

BASE: dict[str, Any] = {
    "name": "bikes",
    "problem": dict.fromkeys(("statement", "objective", "decision", "business_metric"), "text"),
    "task": {"type": "regression", "target": "cnt", "time": "moment", "entity": ["shop"], "forecast": {"step": "1h", "horizon": 24}},
    "success": {"metric": "mae"},
    "data": {"source": "data/"},
}


def made(**sections: Any) -> tuple[Charter, list[tuple[str, str]]]:
    raw = {name: {**value, **sections.pop(name, {})} if isinstance(value, dict) else value for name, value in BASE.items()}
    charter, found = validate({**raw, **sections})
    assert charter is not None, [one.message for one in found]
    return charter, [(one.code, clause(one.loc)) for one in found]


def test_gap_baseline_segments_and_the_inputs_follow_from_step_and_horizon() -> None:
    charter, wrong = made(task={"label_delay": "90m"})
    assert wrong == []
    assert charter.preparation.split.gap == timedelta(hours=26), "the horizon, and the whole steps that labels are late"
    assert charter.success.baseline.label() == "seasonal 1d"
    assert charter.success.segments == ("horizon",)
    forecast = charter.task.forecast
    assert forecast is not None
    assert (forecast.season, forecast.every) == ((24, 168), 5)
    assert [loc for loc, _ in named_columns(charter)] == [("task", "target"), ("task", "time"), ("task", "entity", 0)]
    assert not [one.clause for one in explain_effects(charter) if one.clause.endswith((".gap", ".period", ".lags", "segments"))], "not said"
    assert parse_charter(dump_charter(charter), "x.yaml") == charter


@pytest.mark.parametrize(
    ("step", "season", "baseline"),
    [
        ("15m", (96, 672), "seasonal 1d"),
        ("1d", (7,), "seasonal 1w"),
        ("1w", (52,), "seasonal 52w"),
        ("7h", (24,), "seasonal 1w"),
        ("100d", (1,), "seasonal 100d"),
    ],
)
def test_seasons_are_those_that_whole_steps_make(step: str, season: tuple[int, ...], baseline: str) -> None:
    charter, wrong = made(task={"forecast": {"step": step, "horizon": 4}})
    assert wrong == []
    assert charter.task.forecast is not None
    assert charter.task.forecast.season == season
    assert charter.success.baseline.label() == baseline


def test_what_is_said_stays() -> None:
    charter, wrong = made(
        task={"forecast": {"step": "1h", "horizon": [6, 12], "lags": [0], "windows": [], "season": [168], "every": 24}},
        success={"metric": "mae", "baseline": "naive", "segments": ["shop"]},
        preparation={"split": {"gap": "2d"}},
    )
    assert wrong == []
    forecast = charter.task.forecast
    assert forecast is not None
    assert (forecast.lags, forecast.windows, forecast.season, forecast.every) == ((0,), (), (168,), 24)
    assert charter.preparation.split.gap == timedelta(days=2)
    assert (charter.success.baseline.kind, charter.success.segments) == ("naive", ("shop",))


@pytest.mark.parametrize(
    ("sections", "place"),
    [
        ({"task": {"type": "binary"}, "success": {"metric": "auc"}}, "task.forecast"),
        ({"task": {"time": None}}, "task.forecast"),
        ({"task": {"entity": ["shop", "moment"]}}, "task.entity[1]"),
        ({"task": {"forecast": {"step": "0h", "horizon": 4}}}, "task.forecast.step"),
        ({"task": {"forecast": {"step": "1h", "horizon": 4, "known": ["shop"]}}}, "task.forecast.known[0]"),
        ({"task": {"target": "horizon"}}, "task.forecast"),
        ({"labelling": {"rules": [{"name": "r", "when": "x > 1", "label": 1}]}}, "task.forecast"),
        ({"preparation": {"split": {"gap": "3h"}}}, "preparation.split.gap"),
        ({"preparation": {"split": {"kind": "random"}}}, "preparation.split.kind"),
        ({"preparation": {"sample": {"rows": 10}}}, "preparation.sample"),
        ({"success": {"baseline": {"kind": "seasonal", "period": "2d"}}}, "success.baseline.period"),
    ],
)
def test_what_cannot_be_forecast_is_said_at_its_clause(sections: dict[str, Any], place: str) -> None:
    _, wrong = made(**sections)
    assert ("HS355", place) in wrong, wrong
