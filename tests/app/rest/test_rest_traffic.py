"""Several versions behind one address: who answers which request, who only listens, and what the log says of it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from tests.app.rest.conftest import ROW, Running, bundle_of, constant_bundle, running

from homeostat.app.rest.service import Current, Wanted
from homeostat.core.traffic import Arm, Segment, Shadow, Traffic
from homeostat.infra.prediction_records import read

if TYPE_CHECKING:
    from homeostat.serving.bundle import Bundle


def wanted(traffic: Traffic, bundles: dict[int, Bundle]) -> Wanted:
    def current(version: int, bundle: Bundle) -> Current:
        return Current(version, bundle.manifest.graph_sha256, lambda: bundle)

    return Wanted(traffic, tuple(current(version, bundle) for version, bundle in bundles.items()))


def routed(server: Running, traffic: Traffic, bundles: dict[int, Bundle]) -> None:
    server.current = wanted(traffic, bundles)
    server.polled()


TWO = {1: bundle_of(), 2: bundle_of(shift=1000.0)}
HALVES = Traffic((Arm("a", 1, 0.5), Arm("b", 2, 0.5)), sticky=("entity",), salt="s")


def versions_of(server: Running, rows: Sequence[dict[str, Any]]) -> list[int]:
    return [server.post(json=row).json()["version"] for row in rows]


@pytest.mark.parametrize("fast", [True, False])
def test_an_entity_stays_with_its_arm_alone_and_among_others(tmp_path: Path, fast: bool) -> None:
    rows = [{**ROW, "entity": f"e{n}"} for n in range(40)]
    with running(tmp_path, TWO[1], fast=fast) as server:
        routed(server, HALVES, TWO)
        found = versions_of(server, rows)
        assert found == versions_of(server, rows)
        assert set(found) == {1, 2}
        together = server.post(json=rows).json()
        assert together["version"] is None
        assert [p["version"] for p in together["predictions"]] == found
        assert [p["prediction"] > 1000 for p in together["predictions"]] == [version == 2 for version in found]
        server.log.flush()
        log = read(tmp_path).records
    by_id = {each["id"]: each for each in log}
    told = [by_id[p["id"]] for p in together["predictions"]]
    assert [each["row"] for each in told] == list(range(40))
    assert {each["request"] for each in told} == {together["request"]}
    assert all(each["arm"] == {1: "a", 2: "b"}[each["version"]] for each in log)
    assert {each["inputs"]["entity"] for each in log if each["version"] == 2} == {
        r["entity"] for r, v in zip(rows, found, strict=True) if v == 2
    }


def test_v2_tells_the_versions_and_takes_the_one_that_is_asked_for(tmp_path: Path) -> None:
    with running(tmp_path, TWO[1]) as server:
        routed(server, HALVES, TWO)
        kinds = {"temp": "FP64", "hr": "INT64", "holiday": "BOOL"}
        columns = {**{name: [value] * 30 for name, value in ROW.items()}, "entity": [f"e{n}" for n in range(30)]}
        body = {"inputs": [{"name": n, "shape": [30], "datatype": kinds.get(n, "BYTES"), "data": d} for n, d in columns.items()]}
        found = server.post("/v2/models/bike/infer", json=body).json()
        assert set(found["parameters"]["versions"]) == {1, 2}
        data = {each["name"]: each["data"] for each in found["outputs"]}
        assert [value > 1000 for value in data["prediction"]] == [version == 2 for version in found["parameters"]["versions"]]
        for version in ("1", "2"):
            pinned = server.post(f"/v2/models/bike/versions/{version}/infer", json=body).json()
            assert (pinned["model_version"], "versions" in pinned["parameters"]) == (version, False)
        assert server.client.get("/v2/models/bike").json()["versions"] == ["1", "2"]
        assert server.client.get("/v2/models/bike/versions/3").status_code == 404


def test_bad_rows_refuse_their_request_by_their_places_whatever_the_arm(tmp_path: Path) -> None:
    rows = [{**ROW, "entity": f"e{n}"} for n in range(20)]
    for place in (4, 7, 13, 18):
        rows[place]["temp"] = "hot"
    with running(tmp_path, TWO[1]) as server:
        routed(server, HALVES, TWO)
        error = server.post(json=rows).json()["error"]
        assert [(each["row"], each["field"]) for each in error["fields"]] == [(place, "temp") for place in (4, 7, 13, 18)]
        server.log.flush()
        assert read(tmp_path).records == []


def test_a_segment_goes_to_its_own_version(tmp_path: Path) -> None:
    traffic = Traffic((Arm("champion", 1, 1.0), Arm("segment-2", 2, 0.0)), segments=(Segment("season", "2", "segment-2"),))
    with running(tmp_path, TWO[1]) as server:
        routed(server, traffic, TWO)
        assert versions_of(server, [ROW, {**ROW, "season": "2"}, {**ROW, "season": 2}, {**ROW, "season": None}]) == [1, 2, 2, 1]


@pytest.mark.parametrize("size", [1, 5, 100])
def test_a_shadow_hears_all_and_is_never_told(tmp_path: Path, size: int) -> None:
    traffic = Traffic((Arm("champion", 1, 1.0),), shadows=(Shadow(2),))
    with running(tmp_path, TWO[1]) as server:
        routed(server, traffic, TWO)
        told = [server.post(json=[{**ROW, "hr": n}] * size).json() for n in range(12)]
        assert {each["version"] for each in told} == {1}
        while counted(server, 'homeostat_predictions_total{version="2",arm="shadow"}') < 12 * size:
            pass
        server.log.flush()
        log = read(tmp_path).records
        assert counted(server, 'homeostat_shadow_dropped_total{version="2"}') == 0
    pairs: dict[tuple[str, int], dict[str, float]] = {}
    for each in log:
        pairs.setdefault((each["request"], each["row"]), {})[each["arm"]] = each["prediction"]
    assert len(pairs) == 12 * size
    assert all(pair["shadow"] == pair["champion"] + 1000 for pair in pairs.values())


def counted(server: Running, name: str) -> int:
    lines = (line.rsplit(" ", 1) for line in server.client.get("/metrics").text.splitlines() if not line.startswith("#"))
    return int(dict(lines).get(name, 0))


def test_a_shadow_that_has_no_room_or_cannot_read_a_row_is_counted_and_harms_nobody(tmp_path: Path) -> None:
    traffic = Traffic((Arm("champion", 1, 1.0),), shadows=(Shadow(2, queue=10),))
    with running(tmp_path, TWO[1]) as server:
        routed(server, traffic, {1: TWO[1], 2: constant_bundle(5.0)})  # which knows no column "entity"
        assert server.post(json=[ROW] * 20).status_code == 200
        assert server.post(json={**ROW, "entity": "x"}).status_code == 200
        while counted(server, 'homeostat_shadow_dropped_total{version="2"}') < 21:
            pass
        assert server.post(json=ROW).status_code == 200
        while counted(server, 'homeostat_predictions_total{version="2",arm="shadow"}') < 1:
            pass


def test_a_change_of_traffic_fails_no_request(tmp_path: Path) -> None:
    canary = Traffic((Arm("champion", 1, 0.7), Arm("canary", 2, 0.3)), salt="t")
    alone = Traffic((Arm("champion", 2, 1.0),), beside="promotion-2")
    with running(tmp_path, TWO[1]) as server, httpx.Client(base_url=server.url, timeout=20) as client:
        found: Counter[int] = Counter()
        for traffic in (canary, alone, canary, alone):
            server.current = wanted(traffic, TWO)
            for _ in range(60):
                reply = client.post("/predict", content=json.dumps(ROW))
                assert reply.status_code == 200
                found[reply.json()["version"]] += 1
            server.polled()
        assert versions_of(server, [ROW] * 5) == [2] * 5
    assert set(found) == {1, 2}
