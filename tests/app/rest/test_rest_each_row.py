"""``bad_rows=answer``: a bad row is told its error in its place, and the good ones their answers."""

from __future__ import annotations

from typing import Any

import pytest
from tests.app.rest.conftest import ROW, Running, bundle_of, running

from homeostat.dataops.privacy import RowShield
from homeostat.infra.prediction_records import read

ASK = "/predict?bad_rows=answer"


def test_good_rows_are_answered_and_bad_ones_told(server: Running) -> None:
    rows: list[Any] = [ROW, {**ROW, "temp": "hot", "hr": []}, 7, {**ROW, "hr": 1.7e308}, {**ROW, "entity": [1]}, {**ROW, "season": "2"}, {}]
    found = server.post(ASK, json=rows)
    assert found.status_code == 200
    told = found.json()
    assert told["refused"] == 5
    answers = told["predictions"]
    assert [each.get("prediction") for each in answers] == [180.5, None, None, None, None, 80.5, None]
    assert {(field["row"], field["field"]) for field in answers[1]["error"]["fields"]} == {(1, "temp"), (1, "hr")}
    assert answers[1]["error"]["message"].startswith("row 1 field 'temp': got \"hot\"")
    assert [each["error"]["code"] for each in answers if "error" in each] == ["HS502"] * 5
    assert answers[3]["error"]["message"].startswith("row 3: ")


def test_many_rows_with_many_bad_ones(server: Running) -> None:
    rows = [{**ROW, "hr": 1.7e308 if at % 3 == 0 else "x" if at % 3 == 1 else at} for at in range(200)]
    answers = server.post(ASK, json=rows).json()["predictions"]
    assert [each.get("prediction") for each in answers] == [100.5 + 10 * at if at % 3 == 2 else None for at in range(200)]
    assert all(each["error"]["fields"][0]["row"] == at for at, each in enumerate(answers) if at % 3 != 2)


def test_what_is_wrong_with_the_request_as_a_whole_still_fails_it(server: Running) -> None:
    for content, status in ((b"{", 400), (b"[]", 422), (b"3", 422), (b"[" + b",".join([b"{}"] * 201) + b"]", 413)):
        assert server.post(ASK, content=content).status_code == status
    assert server.post("/predict?bad_rows=refuse", json=[ROW, {}]).status_code == 422
    for query in ("bad_rows=maybe", "bad_row=answer", "bad_rows=answer&x=1", "bad_rows", "%ff=%00"):
        found = server.post(f"/predict?{query}", json=ROW)
        assert (found.status_code, found.json()["error"]["code"]) == (400, "HS501"), query
    arrow = server.post(ASK, content=b"x", headers={"content-type": "application/vnd.apache.arrow.stream"})
    assert arrow.status_code == 400


def test_only_answered_rows_are_logged_and_shielded_ones_stay_so(tmp_path: Any) -> None:
    shield = RowShield(frozenset({"cnt"}), frozenset({"entity"}), frozenset({"day"}), b"key")
    with running(tmp_path, bundle_of(), shield=shield) as server:
        rows = [{**ROW, "entity": "ann"}, {**ROW, "hr": "x"}, {**ROW, "entity": "ben", "cnt": 3}]
        assert server.post(ASK, json=rows).json()["refused"] == 1
    kept = read(tmp_path).records
    assert len(kept) == 2
    assert all(set(each["inputs"]) == {"temp", "hr", "holiday", "season", "entity"} for each in kept)
    assert all(each["inputs"]["entity"].startswith("p_") for each in kept)


@pytest.mark.parametrize("content", [ROW, {"rows": [ROW]}])
def test_the_other_shapes_are_taken_too(server: Running, content: Any) -> None:
    assert server.post(ASK, json=content).json()["predictions"][0]["prediction"] == 180.5
