"""Requests that are cut out instead of parsed say the same as parsed ones, or are not cut out at all."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.app.rest.conftest import ROW, Running

from homeostat.app.rest.v2_infer import parse_inference
from homeostat.app.rest.v2_layout import KEPT, Layouts

KINDS: dict[str, Any] = {
    "FP64": st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False), st.integers(-(2**40), 2**40)),
    "INT64": st.one_of(st.none(), st.integers(-(2**63), 2**63)),
    "BOOL": st.one_of(st.none(), st.booleans()),
    "BYTES": st.one_of(st.none(), st.text(max_size=12), st.sampled_from(['"', "]", "]}", '"data":[', "\\", "\n", ",", '"],"x":["'])),
}


def request(values: list[tuple[str, str, Any]], **more: Any) -> dict[str, Any]:
    inputs = [{"name": name, "shape": [1], "datatype": kind, "data": [value]} for name, kind, value in values]
    return {**({"id": more.pop("id")} if "id" in more else {}), "inputs": inputs, **more}


def row_of(layouts: Layouts, body: bytes) -> Any:
    found = layouts.find(body)
    return None if found is None else msgspec.json.decode(found[0])


@st.composite
def pairs(draw: st.DrawFn) -> tuple[list[tuple[str, str, Any]], list[tuple[str, str, Any]]]:
    """Two requests of one form."""
    columns = draw(
        st.lists(st.tuples(st.text(min_size=1, max_size=6), st.sampled_from(list(KINDS))), min_size=1, max_size=5, unique_by=lambda x: x[0])
    )
    one, two = ([(name, kind, draw(KINDS[kind])) for name, kind in columns] for _ in range(2))
    return one, two


@given(pairs(), st.booleans(), st.booleans())
def test_what_is_cut_out_is_what_parsing_gives(both: tuple[Any, Any], compact: bool, escaped: bool) -> None:
    separators = (",", ":") if compact else (", ", ": ")
    bodies = [json.dumps(request(each), separators=separators, ensure_ascii=escaped).encode() for each in both]
    layouts = Layouts()
    layouts.learn(bodies[0], parse_inference(bodies[0]), None)
    for body, meant in zip(bodies, both, strict=True):
        found = row_of(layouts, body)
        assert found is None or found == {name: value for name, _, value in meant}


def test_a_plain_form_is_learned_with_its_id_and_outputs() -> None:
    layouts = Layouts()
    first, then = (
        json.dumps(request([("a", "FP64", number), ("b", "BYTES", "x")], id=own, outputs=[{"name": "prediction"}])).encode()
        for number, own in ((1.5, "one"), (-2e300, "two"))
    )
    assert layouts.find(first) is None
    layouts.learn(first, parse_inference(first), ("prediction",))
    assert layouts.find(then) == (b'{"a":-2e+300,"b":"x"}', "two", ("prediction",))
    assert layouts.find(then.replace(b"FP64", b"FP32")) is None


BODY = json.dumps(request([("a", "FP64", 1.5), ("b", "BYTES", "x"), ("c", "INT64", 3)]), separators=(",", ":"))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("[1.5]", "[]"),
        ("[1.5]", "[1,2]"),
        ("[1.5]", "[1.5"),
        ("[1.5]", "[[1.5]]"),
        ("[1.5]", "[true]"),
        ("[1.5]", '["1"]'),
        ("[1.5]", '[1,"cnt":2]'),
        ("[1.5]", "[NaN]"),
        ('["x"]', '["x]'),
        ('["x"]', '["x\\u0041"]'),
        ('["x"]', '["x\ny"]'),
        ("[3]", "[3.5]"),
        ("[3]", "[ 3]"),
        ("}]}", "}]"),
        ("}]}", "}]}x"),
        ('"shape":[1]', '"shape":[2]'),
    ],
)
def test_another_form_is_parsed(old: str, new: str) -> None:
    layouts = Layouts()
    layouts.learn(BODY.encode(), parse_inference(BODY.encode()), None)
    assert row_of(layouts, BODY.encode()) == {"a": 1.5, "b": "x", "c": 3}
    assert layouts.find(BODY.replace(old, new).encode()) is None


@pytest.mark.parametrize(
    "asked",
    [
        request([("data", "FP64", 1)]),
        request([("a", "BYTES", "data")]),
        {**request([("a", "FP64", 1)]), "parameters": {"data": [1]}},
        {"inputs": [{**request([("a", "FP64", 1)])["inputs"][0], "parameters": {"x": 1}}]},
        {"inputs": [{"name": "a", "shape": [2], "datatype": "FP64", "data": [1, 2]}]},
        {"inputs": [{"name": "a", "shape": [1, 1], "datatype": "FP64", "data": [[1]]}]},
    ],
)
def test_a_form_that_is_not_plain_is_not_learned(asked: dict[str, Any]) -> None:
    layouts, body = Layouts(), json.dumps(asked).encode()
    layouts.learn(body, parse_inference(body), None)
    assert layouts.find(body) is None


def test_forms_are_bounded() -> None:
    layouts = Layouts()
    for at in range(KEPT + 10):
        body = json.dumps(request([(f"a{at}", "FP64", 1)])).encode()
        layouts.learn(body, parse_inference(body), None)
    assert len(layouts._kept) == KEPT
    assert layouts.find(body) is not None


def test_the_same_form_is_answered_alike_and_judged_each_time(server: Running) -> None:
    kinds = {"temp": "FP64", "hr": "INT64", "holiday": "BOOL", "day": "BYTES", "season": "BYTES"}
    asked = [request([(name, kind, row[name]) for name, kind in kinds.items()]) for row in (ROW, {**ROW, "hr": 1, "season": None})]
    told = [[server.post("/v2/models/bike/infer", json=each).json()["outputs"][0]["data"] for each in asked] for _ in range(2)]
    assert told == [[[180.5], [10.5]]] * 2
    wrong = request([(name, kind, {**ROW, "day": "yesterday"}[name]) for name, kind in kinds.items()])
    assert "'day'" in server.post("/v2/models/bike/infer", json=wrong).json()["error"]
