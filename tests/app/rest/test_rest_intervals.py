"""A model with intervals over HTTP: both protocols answer the ends that the plan means, and the log keeps them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from tests.app.rest.conftest import ROW, SAMPLE, bundle_of, running

from homeostat.graph.decode import decode_frame
from homeostat.graph.encode import load_plan
from homeostat.graph.interpret import bounds, run
from homeostat.graph.plan import Concat, Interval, Linear, Link, Lookup
from homeostat.infra.prediction_records import read, read_frame
from homeostat.serving.bundle import Bundle, build

LOGS = [[0.0], [1.0], [2.0], [3.0]]
ROWS = [ROW, {**ROW, "season": None}, {**ROW, "season": "2", "temp": None}, {**ROW, "season": "never seen", "hr": 20}]


def ranged() -> Bundle:
    """The regression of the other tests, e to the code of the season below and above."""
    plan = load_plan(bundle_of().plan)
    nodes = (
        Lookup("log sizes", 0, np.array([each * 2 for each in LOGS])),
        Link("sizes", "log sizes", "exp"),
        Concat("both", (plan.out, "sizes")),
        Linear("interval", "both", np.array([[1.0, 1.0], [-1.0, 0.0], [0.0, 1.0]]), np.zeros(2)),
    )
    return build(replace(plan, interval=Interval(0.8, "absolute", nodes)), name="bike", sample=SAMPLE, ignored=[], facts={}, created="")


def test_both_protocols_and_the_log_have_the_ends_that_the_plan_means(tmp_path: Path) -> None:
    bundle = ranged()
    plan = load_plan(bundle.plan)
    assert plan.interval is not None
    rows = decode_frame(plan.inputs, pl.DataFrame(ROWS).with_columns(pl.col("day").str.to_datetime()))
    meant = bounds(plan.interval, plan.out, run(plan, *rows), rows).tolist()
    with running(tmp_path, bundle) as server:
        answered = server.post(json=ROWS).json()["predictions"]
        assert [[each["lower"], each["upper"]] for each in answered] == [pytest.approx(each, rel=1e-14) for each in meant]
        assert list(answered[0]) == ["id", "prediction", "lower", "upper"]
        alone = server.post(json=ROWS[3]).json()["predictions"][0]
        assert [alone["lower"], alone["upper"]] == pytest.approx(meant[3], rel=1e-14)
        inputs = [
            {"name": name, "datatype": kind, "shape": [4], "data": [each[name] for each in ROWS]}
            for name, kind in (("temp", "FP64"), ("hr", "FP64"), ("holiday", "BOOL"), ("day", "BYTES"), ("season", "BYTES"))
        ]
        outputs = server.post("/v2/models/bike/infer", json={"inputs": inputs}).json()["outputs"]
        assert [(each["name"], each["datatype"], each["shape"]) for each in outputs[:3]] == [
            (name, "FP64", [4]) for name in ("prediction", "lower", "upper")
        ]
        assert [list(pair) for pair in zip(outputs[1]["data"], outputs[2]["data"], strict=True)] == [
            [each["lower"], each["upper"]] for each in answered
        ]
        server.log.flush()
        logged = read(tmp_path).records
    by_id = {each["id"]: each for each in logged}
    assert [(by_id[each["id"]]["lower"], by_id[each["id"]]["upper"]) for each in answered] == [
        (each["lower"], each["upper"]) for each in answered
    ]
    frame = read_frame(tmp_path, about={name: f"_{name}" for name in ("lower", "prediction", "upper")}).frame
    assert (frame["_lower"] <= frame["_prediction"]).all()
    assert (frame["_prediction"] <= frame["_upper"]).all()


def test_a_model_without_intervals_logs_no_ends(tmp_path: Path) -> None:
    with running(tmp_path, bundle_of()) as server:
        server.post(json=ROW)
        server.log.flush()
        (record,) = read(tmp_path).records
    assert {"lower", "upper"}.isdisjoint(record)
