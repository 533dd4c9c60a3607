"""Every address, over real HTTP."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from tests.app.rest.conftest import ROW, Running, bundle_of, running

from homeostat.infra.prediction_records import find, read


def test_one_row_a_list_and_wrapped_rows_are_answered_alike(server: Running) -> None:
    one = server.post(json=ROW).json()
    assert one["model"] == "bike"
    assert one["version"] == 1
    assert one["request"].startswith("rq-")
    assert [p["prediction"] for p in one["predictions"]] == [180.5]
    assert one["predictions"][0]["id"].startswith("pr-")
    two = [ROW, {**ROW, "temp": None, "season": None, "hr": 1}]
    for body in (two, {"rows": two}):
        answer = server.post(json=body).json()
        assert [p["prediction"] for p in answer["predictions"]] == [180.5, 10.25]
        assert set(answer["predictions"][0]) == {"id", "prediction"}


def test_values_as_people_send_them(server: Running) -> None:
    rows = [
        {**ROW, "season": 2, "holiday": 1, "day": "2011-05-01"},
        {**ROW, "season": "never seen", "day": None, "holiday": None},
        {**ROW, "season": "2", "day": 1_300_000_000, "hr": 8.0, "cnt": 5, "entity": "bike-7"},
        {**ROW, "season": True, "temp": 10**30},
    ]
    found = server.post(json=rows)
    assert found.status_code == 200, found.text
    assert [p["prediction"] for p in found.json()["predictions"]] == [80.5, 80.5, 80.5, 1e30]


def test_classes_come_with_probabilities(tmp_path: Path) -> None:
    with running(tmp_path / "b", bundle_of("binary")) as server:
        answer = server.post(json=[ROW, {**ROW, "season": "2"}]).json()["predictions"]
        assert [p["prediction"] for p in answer] == ["yes", "no"]
        assert [p["probability"] for p in answer] == [pytest.approx(1 / (1 + math.exp(-z)), abs=1e-12) for z in (0.305, -0.695)]
        v2 = server.post("/v2/models/bike/infer", json=tensors([ROW])).json()["outputs"]
        assert [(t["name"], t["datatype"], t["shape"]) for t in v2][:2] == [("prediction", "BYTES", [1]), ("probability", "FP64", [1])]
        assert v2[0]["data"] == ["yes"]
    with running(tmp_path / "m", bundle_of("multiclass")) as server:
        answer = server.post(json=ROW).json()["predictions"][0]
        assert list(answer["probabilities"]) == ["a", "b", "c"]
        assert sum(answer["probabilities"].values()) == pytest.approx(1)
        assert answer["prediction"] == max(answer["probabilities"], key=answer["probabilities"].__getitem__)
        v2 = server.post("/v2/models/bike/infer", json=tensors([ROW, ROW])).json()["outputs"]
        assert v2[1]["name"] == "probabilities"
        assert v2[1]["shape"] == [2, 3]
        assert v2[1]["data"] == list(answer["probabilities"].values()) * 2


def tensors(rows: list[dict[str, Any]]) -> dict[str, Any]:
    kinds = {"temp": "FP64", "hr": "INT64", "holiday": "BOOL", "day": "BYTES", "season": "BYTES"}
    return {
        "id": "mine-1",
        "inputs": [
            {"name": name, "shape": [len(rows), 1], "datatype": kind, "data": [row[name] for row in rows]} for name, kind in kinds.items()
        ],
    }


@pytest.mark.parametrize("path", ["/v2/models/bike/infer", "/v2/models/bike/versions/1/infer"])
def test_v2_infers_and_tells_the_ids(server: Running, path: str) -> None:
    rows = [ROW, {**ROW, "temp": None, "season": "2"}]
    answer = server.post(path, json=tensors(rows)).json()
    assert (answer["model_name"], answer["model_version"], answer["id"]) == ("bike", "1", "mine-1")
    assert answer["outputs"][0] == {"name": "prediction", "datatype": "FP64", "shape": [2], "data": [180.5, 80.25]}
    ids = answer["outputs"][1]
    assert ids["name"] == "prediction_id"
    server.log.flush()
    assert [find(server.folder, name)["row"] for name in ids["data"]] == [0, 1]  # type: ignore[index]
    assert find(server.folder, ids["data"][0])["request"] == answer["parameters"]["request"]  # type: ignore[index]


def test_v2_nested_data_and_chosen_outputs(server: Running) -> None:
    body = tensors([ROW])
    body["inputs"][0]["data"] = [[0.5]]
    body["inputs"][1] = {"name": "hr", "shape": [1], "datatype": "FP32", "data": [8]}
    body["outputs"] = [{"name": "prediction"}]
    answer = server.post("/v2/models/bike/infer", json=body).json()
    assert [t["name"] for t in answer["outputs"]] == ["prediction"]
    assert answer["outputs"][0]["data"] == [180.5]


def test_v2_metadata_and_health(server: Running) -> None:
    get = server.client.get
    assert get("/v2").json()["name"] == "homeostat"
    assert get("/v2/health/live").json() == {"live": True}
    assert get("/v2/health/ready").json() == {"ready": True}
    for path in ("/v2/models/bike", "/v2/models/bike/versions/1"):
        about = get(path).json()
        assert about["versions"] == ["1"]
        assert about["inputs"][3] == {"name": "day", "datatype": "BYTES", "shape": [-1]}
        assert [t["name"] for t in about["outputs"]] == ["prediction", "prediction_id"]
        assert get(f"{path}/ready").json()["ready"] is True
    health = get("/v2/health").json()
    assert (health["version"], health["problem"]) == (1, "")


def test_root_tells_where_to_look_and_its_example_works(server: Running) -> None:
    about = server.client.get("/").json()
    assert (about["model"], about["version"]) == ("bike", 1)
    assert server.post(json=about["example"]).status_code == 200
    assert server.client.head("/").status_code == 200


def test_metrics_count_requests_rows_and_time(tmp_path: Path) -> None:
    with running(tmp_path, bundle_of()) as server:
        for _ in range(3):
            server.post(json=[ROW, ROW])
        server.post(json={"no": 1})
        server.client.get("/nowhere")
        text = server.client.get("/metrics").text
    lines = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert lines['homeostat_requests_total{route="predict",status="200"}'] == "3"
    assert lines['homeostat_requests_total{route="predict",status="422"}'] == "1"
    assert lines['homeostat_requests_total{route="none",status="404"}'] == "1"
    assert lines['homeostat_predictions_total{version="1",arm="champion"}'] == "6"
    assert lines["homeostat_request_seconds_count"] == lines['homeostat_request_seconds_bucket{le="+Inf"}'] == "4"
    assert lines["homeostat_model_version"] == "1"
    assert float(lines["homeostat_request_seconds_sum"]) > 0


def test_each_answer_is_in_the_log_once_with_all_its_fields(tmp_path: Path) -> None:
    answered: dict[str, float] = {}
    with running(tmp_path, bundle_of()) as server:
        for size in (1, 5, 63, 64, 150):
            rows = [{**ROW, "hr": n % 24, "entity": f"e{n}"} for n in range(size)]
            answer = server.post(json=rows).json()
            answered.update((p["id"], p["prediction"]) for p in answer["predictions"])
    records = read(tmp_path).records
    assert len(records) == len(answered) == 283
    assert {each["id"]: each["prediction"] for each in records} == answered
    assert all(each["scores"] == [each["prediction"]] for each in records)
    last = records[-1]
    assert last["inputs"] == {**ROW, "hr": 149 % 24, "entity": "e149"}
    assert (last["model"], last["version"], last["arm"], last["row"]) == ("bike", 1, "champion", 149)
    assert last["latency_ms"] > 0
    assert len({each["request"] for each in records}) == 5


def test_without_a_champion_it_says_so_until_there_is_one(tmp_path: Path) -> None:
    with running(tmp_path, None) as server:
        answer = server.post(json=ROW)
        assert answer.status_code == 503
        assert answer.json()["error"]["code"] == "HS505"
        assert server.client.get("/v2/health/ready").status_code == 503
        assert server.client.get("/v2/health/live").status_code == 200
        assert "HS505" in server.client.get("/v2/models/bike").json()["error"]
        assert server.client.get("/").json()["version"] is None
        server.put(1, bundle_of())
        server.polled()
        assert server.post(json=ROW).status_code == 200
