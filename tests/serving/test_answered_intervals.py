"""Intervals on their way out: graph, manifest, rows, columns, frames and parity say the same; without them nothing is another byte."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import numpy as np
import polars as pl
import pytest

from homeostat.core.ids import digest
from homeostat.core.sections import Intervals
from homeostat.errors import BundleError, RequestError
from homeostat.graph.decode import decode_frame
from homeostat.graph.encode import dump_plan, load_plan
from homeostat.graph.interpret import bounds, run
from homeostat.graph.plan import Concat, Constant, Impute, Input, Linear, Lookup, Numbers, Plan
from homeostat.learning.conformal import conformal
from homeostat.serving.bundle import build, pack, unpack
from homeostat.serving.manifest import load_manifest
from homeostat.serving.parity import parity, stress_frame
from homeostat.serving.predictor import Predictor
from homeostat.serving.robustness import robustness

ROW = {"temp": 0.5, "hr": 8, "holiday": False, "day": "2011-05-01T08:00:00", "season": "spring"}
INPUTS = (
    Input("temp", "number"),
    Input("hr", "number"),
    Input("holiday", "boolean"),
    Input("day", "timestamp"),
    Input("season", "category", ("spring", "2")),
)
PLAIN = Plan(
    "regression",
    "cnt",
    INPUTS,
    (
        Numbers("raw", (0, 1)),
        Impute("filled", "raw", np.array([0.25, 12.0])),
        Lookup("season", 0, np.array([[0.0], [100.0], [0.0], [0.0]])),
        Concat("features", ("filled", "season")),
        Linear("score", "features", np.array([[1.0], [10.0], [1.0]]), np.array([0.0])),
    ),
)


@pytest.fixture(scope="module", params=[None, "season", "hr", "holiday"])
def by(request: pytest.FixtureRequest) -> str | None:
    found: str | None = request.param
    return found


@pytest.fixture(scope="module")
def given(models, bike: pl.DataFrame, by: str | None):
    """A linear model of real rows with scaled intervals, its rows with nulls and odd values, and its bundle."""
    model = models["regression"]
    y = bike["cnt"].to_numpy().astype(np.float64)
    rows = decode_frame(model.plan.inputs, bike)
    interval = conformal(model.plan, model.oracle(bike), y, rows, Intervals(method="scaled", by=by), 0)
    other = type(model)(replace(model.plan, interval=interval), model.oracle, model.frame)
    frame = pl.concat([bike, stress_frame(bike, model.plan.inputs, 3)])
    return other, frame, other.bundle()


def test_the_graph_answers_what_the_plan_means_on_every_row(given) -> None:
    model, frame, bundle = given
    scores, _, ends = Predictor(bundle).say_frame(frame)
    rows = decode_frame(model.plan.inputs, frame)
    meant = run(model.plan, *rows)
    np.testing.assert_allclose(scores, meant, rtol=1e-12, atol=1e-9)
    np.testing.assert_allclose(ends, bounds(model.plan.interval, model.plan.out, scores, rows), rtol=1e-12, atol=1e-9)
    assert ((ends[:, :1] <= scores) & (scores <= ends[:, 1:])).all()
    report = parity(bundle, frame, model.oracle(frame))
    assert (report.passed, report.rows) == (True, frame.height)


def test_rows_columns_and_frames_get_the_same_ends(given) -> None:
    model, _, bundle = given
    few, predictor = model.frame.head(60), Predictor(bundle)
    names = bundle.manifest.required()
    rows = [
        {name: value.isoformat() if hasattr(value, "isoformat") else value for name, value in row.items()}
        for row in few.select(names).to_dicts()
    ]
    said = predictor.say_frame(few)
    table = predictor.answers(said.scores, said.ends)
    assert list(table) == ["prediction", "lower", "upper"]
    for found in (predictor.predict_rows(rows), predictor.predict_columns({name: [row[name] for row in rows] for name in names})):
        for name in table:
            np.testing.assert_allclose([getattr(each, name) for each in found], table[name], rtol=1e-13)
    assert set(msgspec.json.decode(msgspec.json.encode(found[0]))) == {"prediction", "lower", "upper"}
    assert predictor.say_frame(few.clear()).ends.shape == (0, 2)


def test_the_manifest_says_so_and_the_bundle_comes_back_whole(given) -> None:
    model, _, bundle = given
    again = unpack(pack(bundle))
    assert [each.name for each in again.manifest.outputs] == ["prediction", "lower", "upper"]
    assert (again.manifest.coverage, again.manifest.format) == (0.9, 2)
    assert dump_plan(load_plan(again.plan)) == dump_plan(model.plan) == bundle.plan
    assert robustness(bundle, model.frame, np.zeros(model.frame.height), "mae", 0).broken == ()


def test_a_graph_with_other_widths_is_found_out(given) -> None:
    model, frame, bundle = given
    interval = model.plan.interval
    wider = replace(interval, nodes=(*interval.nodes[:-1], replace(interval.nodes[-1], bias=np.array([-1.0, 0.0]))))
    mixed = replace(bundle, plan=dump_plan(replace(model.plan, interval=wider)))
    report = parity(mixed, frame, model.oracle(frame))
    assert not report.passed
    assert report.max_difference > 1e-4
    with pytest.raises(BundleError, match="another threshold than the manifest says"):
        Predictor(replace(bundle, manifest=msgspec.structs.replace(bundle.manifest, coverage=0.8)))


def test_a_bundle_without_intervals_is_byte_for_byte_what_it_was() -> None:
    bundle = build(
        PLAIN, name="bike", sample=pl.DataFrame([ROW]).with_columns(pl.col("day").str.to_datetime()), ignored=[], facts={}, created=""
    )
    assert digest(bundle.plan) == "46917c961028ec90ca75bfda678687ff927b07463feb4118b3d0bc3149dcdeaf", (
        "the plan's bytes before there were intervals"
    )
    told = msgspec.json.decode(bundle.manifest.to_json())
    assert "coverage" not in told
    assert told["format"] == 1
    assert b"lower" not in bundle.graph
    assert b"interval" not in bundle.plan
    assert load_manifest(bundle.manifest.to_json()) == bundle.manifest
    assert Predictor(bundle).say_rows([ROW]).ends is None


def test_only_finite_ends_are_answered() -> None:
    huge = replace(PLAIN, nodes=(Constant("score", np.array([1.7e308])),))
    rows = decode_frame(INPUTS, pl.DataFrame([ROW] * 20).with_columns(pl.col("day").str.to_datetime()))
    interval = conformal(huge, np.full((20, 1), 1.7e308), np.full(20, 1.0e308), rows, Intervals(method="absolute"), 0)
    frame = pl.DataFrame([ROW]).with_columns(pl.col("day").str.to_datetime())
    bundle = build(replace(huge, interval=interval), name="b", sample=frame, ignored=[], facts={}, created="")
    with pytest.raises(RequestError, match="no finite score"):
        Predictor(bundle).predict_one(ROW)
