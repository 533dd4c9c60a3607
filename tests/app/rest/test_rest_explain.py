"""``/explain``: contributions sum to the raw score, and are those that the definition gives against what is compared with."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest
from tests.app.rest.conftest import INPUTS, ROW, SAMPLE, Running, bundle_of, running

from homeostat.app.rest import explain
from homeostat.app.rest.explain import EXACT_ROWS, MOST_WAITING, SAMPLED_ROWS, Explaining
from homeostat.dataops.privacy import RowShield
from homeostat.errors import RequestError
from homeostat.graph.decode import decode_frame, decode_rows
from homeostat.graph.encode import load_plan
from homeostat.graph.explain import reference_of
from homeostat.graph.interpret import run
from homeostat.graph.plan import Concat, Impute, Link, Lookup, Numbers, Plan, Trees
from homeostat.infra.prediction_records import read
from homeostat.serving.bundle import Bundle, build

OTHER = {**ROW, "temp": None, "hr": 3, "season": "2"}


def told(server: Running, row: Any) -> Any:
    found = server.post("/explain", json=row)
    assert found.status_code == 200, found.text
    return found.json()


def added(one: Any) -> dict[str, float]:
    return {each["field"]: each["contribution"] for each in one["contributions"]}


def test_a_sum_is_taken_apart_against_the_example(server: Running) -> None:
    answer = told(server, [OTHER, ROW])
    assert (answer["model"], answer["version"], answer["scale"], answer["method"]) == ("bike", 1, "value", "exact")
    assert answer["compared_with"] == "the example row"
    example = server.client.get("/").json()["example"]
    base = server.post(json=example).json()["predictions"][0]["prediction"]
    first, second = answer["explanations"]
    assert first["base"] == pytest.approx(base)
    assert added(first) == pytest.approx({"temp": -0.25, "hr": -50, "holiday": 0, "day": 0, "season": -100})
    assert [each["field"] for each in first["contributions"]][:2] == ["season", "hr"]
    assert {each["field"]: each["value"] for each in first["contributions"]} == OTHER
    assert first["score"] == pytest.approx(30.25)
    assert sum(added(second).values()) + second["base"] == pytest.approx(second["score"]) == 180.5


def with_trees() -> Bundle:
    """Two trees in which columns interact, behind a sigmoid."""
    nodes = (
        Numbers("raw", (0, 1)),
        Impute("filled", "raw", np.array([0.25, 12.0])),
        Lookup("season", 0, np.array([[0.0], [1.0], [2.0], [3.0]])),
        Concat("features", ("filled", "season")),
        Trees(
            "z",
            "features",
            roots=np.array([0, 2]),
            feature=np.array([0, 1, 2, 1]),
            threshold=np.array([0.4, 5.0, 1.5, 10.0]),
            nan_true=np.array([False] * 4),
            true_child=np.array([1, -1, 3, -4]),
            false_child=np.array([-3, -2, -6, -5]),
            leaf_value=np.array([1.0, -2.0, 0.5, 3.0, -1.0, 0.25]),
            leaf_target=np.zeros(6, dtype=np.int64),
            bias=np.array([0.1]),
        ),
        Link("score", "z", "sigmoid"),
    )
    plan = Plan("binary", "cnt", INPUTS, nodes, ("no", "yes"))
    return build(plan, name="bike", sample=SAMPLE, ignored=["cnt"], facts={}, created="")


def test_trees_are_explained_in_log_odds_by_the_definition(tmp_path: Any) -> None:
    with running(tmp_path, with_trees()) as server:
        example = server.client.get("/").json()["example"]

        def odds(row: dict[str, Any]) -> float:
            share = server.post(json=row).json()["predictions"][0]["probability"]
            return math.log(share / (1 - share))

        answer = told(server, OTHER)
        one = answer["explanations"][0]
        meant = dict.fromkeys(ROW, 0.0)
        for order in itertools.permutations(("temp", "hr", "season")):
            row = {**example, "day": OTHER["day"], "holiday": OTHER["holiday"]}
            for name in order:
                before = odds(row)
                row[name] = OTHER[name]
                meant[name] += (odds(row) - before) / 6
        assert (answer["scale"], answer["method"], one["output"]) == ("log odds", "exact", "yes")
        assert added(one) == pytest.approx(meant, abs=1e-9)
        assert one["base"] == pytest.approx(odds(example), abs=1e-9)
        assert one["base"] + sum(added(one).values()) == pytest.approx(one["score"], abs=1e-12)
        assert one["score"] == pytest.approx(odds(OTHER), abs=1e-9)


def test_kept_training_rows_are_compared_with(tmp_path: Any) -> None:
    bundle = with_trees()
    plan = load_plan(bundle.plan)
    rng = np.random.default_rng(3)
    rows = [
        {**ROW, "temp": t, "hr": int(h), "season": s}
        for t, h, s in zip(rng.random(50), rng.integers(0, 24, 50), ["spring", "2"] * 25, strict=True)
    ]
    frame = pl.DataFrame(rows).with_columns(pl.col("day").str.to_datetime())
    reference = reference_of(plan, decode_frame(plan.inputs, frame), 0)
    with running(tmp_path, bundle, training_rows=lambda digest: reference if digest == bundle.manifest.graph_sha256 else None) as server:
        answer = told(server, OTHER)
    assert answer["compared_with"] == "training rows"
    raw = run(plan, *decode_rows(plan.inputs, [OTHER]))
    one = answer["explanations"][0]
    assert one["base"] + sum(added(one).values()) == pytest.approx(math.log(raw[0, 1] / raw[0, 0]), abs=1e-9)


def test_the_most_likely_of_several_classes_is_explained(tmp_path: Any) -> None:
    with running(tmp_path, bundle_of("multiclass")) as server:
        answer = told(server, [ROW, OTHER])
        classes = [each["prediction"] for each in server.post(json=[ROW, OTHER]).json()["predictions"]]
    assert [each["output"] for each in answer["explanations"]] == classes
    assert answer["scale"] == "log odds between classes"


def test_what_is_not_exact_is_sampled_and_says_so(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = load_plan(with_trees().plan)
    links = [replace(each, out="one") if isinstance(each, Link) else each for each in plan.nodes]
    mixed = replace(plan, nodes=(*links, Impute("score", "one", np.array([0.5, 0.5]))))
    with running(tmp_path, build(mixed, name="bike", sample=SAMPLE, ignored=[], facts={}, created="")) as server:
        answer = told(server, OTHER)
        one = answer["explanations"][0]
        share = server.post(json=OTHER).json()["predictions"][0]["probability"]
        assert server.post("/explain", json=[OTHER] * (SAMPLED_ROWS + 1)).status_code == 413
    assert (answer["scale"], answer["method"]) == ("probability", "sampled")
    assert one["base"] + sum(added(one).values()) == pytest.approx(share, abs=1e-9) == pytest.approx(one["score"], abs=1e-9)
    assert all(each["standard_error"] >= 0 for each in one["contributions"])


def test_nothing_is_logged_and_what_is_hidden_stays_so(tmp_path: Any) -> None:
    shield = RowShield(frozenset({"cnt"}), frozenset({"entity"}), frozenset(), b"key")
    with running(tmp_path, bundle_of(), shield=shield) as server:
        assert told(server, {**OTHER, "entity": "ann", "cnt": 3})["explanations"][0]["score"] == pytest.approx(30.25)
    assert read(tmp_path).records == []


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b"", 400, "HS501"),
        (b"{", 400, "HS501"),
        (b"[]", 422, "HS501"),
        (b"{}", 422, "HS502"),
        (pl.DataFrame([{**ROW, "hr": 1.7e308}]).write_json().encode(), 422, "HS502"),
        (pl.DataFrame([ROW] * (EXACT_ROWS + 1)).write_json().encode(), 413, "HS503"),
    ],
)
def test_bad_requests_are_refused(server: Running, content: bytes, status: int, code: str) -> None:
    found = server.post("/explain", content=content)
    assert (found.status_code, found.json()["error"]["code"]) == (status, code), found.text


def test_more_than_may_wait_are_refused() -> None:
    explaining = Explaining()
    explaining._under_way = MOST_WAITING
    with pytest.raises(RequestError, match="HS506") as caught:
        explaining.explain(None, None, []).send(None)  # type: ignore[arg-type]
    assert caught.value.status == 429


def test_a_new_version_is_explained_by_its_own_plan(tmp_path: Any) -> None:
    with running(tmp_path, bundle_of()) as server:
        assert told(server, OTHER)["explanations"][0]["score"] == pytest.approx(30.25)
        server.put(2, bundle_of(shift=7.0))
        server.polled()
        answer = told(server, OTHER)
    assert (answer["version"], answer["explanations"][0]["score"]) == (2, pytest.approx(37.25))
    assert explain.EXACT_ROWS > 1
