"""Triton's own HTTP client against the V2 protocol, in JSON and in binary, and binary bodies as bad as we can make them."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from tests.app.rest.conftest import ROW, Running, bundle_of, running

from homeostat.infra.prediction_records import find

tritonclient = pytest.importorskip("tritonclient.http")
from tritonclient.http import InferenceServerClient, InferInput, InferRequestedOutput  # noqa: E402
from tritonclient.utils import InferenceServerException  # noqa: E402

ROWS = [ROW, {**ROW, "season": "2", "hr": 3, "holiday": True}, {**ROW, "season": "ünseen", "temp": 0.25}]
MEANT = [180.5, 30.5 + 0.0, 80.25]


@pytest.fixture(scope="module")
def client(server: Running) -> Iterator[Any]:
    found = InferenceServerClient(server.url.removeprefix("http://"))
    yield found
    found.close()


def tensor(name: str, values: list[Any], datatype: str, kind: Any, *, binary: bool, wide: bool = False) -> Any:
    shape = [len(values), 1] if wide else [len(values)]
    found = InferInput(name, shape, datatype)
    found.set_data_from_numpy(np.array(values, dtype=kind).reshape(shape), binary_data=binary)
    return found


def inputs(rows: list[dict[str, Any]], *, binary: bool, **kinds: tuple[str, Any]) -> list[Any]:
    chosen = {"temp": ("FP64", np.float64), "hr": ("INT64", np.int64), "holiday": ("BOOL", np.bool_), "day": ("BYTES", np.object_)}
    chosen |= {"season": ("BYTES", np.object_), **kinds}
    return [tensor(name, [row[name] for row in rows], *kind, binary=binary) for name, kind in chosen.items()]


@pytest.mark.parametrize("binary_in", [True, False], ids=["binary in", "json in"])
@pytest.mark.parametrize("binary_out", [True, False, None], ids=["binary out", "json out", "as it comes"])
def test_the_client_infers(client: Any, server: Running, binary_in: bool, binary_out: bool | None) -> None:
    outputs = None
    if binary_out is not None:
        outputs = [InferRequestedOutput(name, binary_data=binary_out) for name in ("prediction_id", "prediction")]
    for rows, meant in ((ROWS, MEANT), (ROWS[:1], MEANT[:1])):
        found = client.infer("bike", inputs(rows, binary=binary_in), request_id="mine", outputs=outputs)
        assert found.as_numpy("prediction").tolist() == meant
        assert found.as_numpy("prediction").dtype == np.float64
        assert found.get_response()["id"] == "mine"
        ids = [each.decode() if isinstance(each, bytes) else each for each in found.as_numpy("prediction_id").tolist()]
        server.log.flush()
        kept = [find(server.folder, each) for each in ids]
        assert [each["prediction"] for each in kept if each] == meant
        assert kept[0] is not None
        assert kept[0]["inputs"] == ROW


@pytest.mark.parametrize("bits", [16, 32, 64])
def test_every_number_type_in_binary_and_in_json(client: Any, bits: int) -> None:
    kinds = [(f"FP{bits}", f"f{bits // 8}"), (f"INT{bits}", f"i{bits // 8}"), (f"UINT{bits}", f"u{bits // 8}")]
    kinds += [("INT8", "i1"), ("UINT8", "u1")] if bits == 16 else []
    for kind in kinds:
        for binary in (True, False):
            found = client.infer("bike", inputs(ROWS[:2], binary=binary, hr=kind, holiday=kind))
            assert found.as_numpy("prediction").tolist() == MEANT[:2], kind


def test_a_nan_in_binary_is_a_missing_value(client: Any, server: Running) -> None:
    rows = [{**ROW, "temp": float("nan"), "season": float("nan"), "day": float("nan"), "holiday": float("nan")}]
    floats: Any = dict.fromkeys(("season", "day", "holiday"), ("FP32", np.float32))
    found = client.infer("bike", inputs(rows, binary=True, **floats))
    assert found.as_numpy("prediction").tolist() == [80.25]
    server.log.flush()
    kept = find(server.folder, found.as_numpy("prediction_id")[0].decode())
    assert kept is not None
    assert kept["inputs"] == {"temp": None, "hr": 8, "holiday": None, "day": None, "season": None}


def test_tensors_of_two_dimensions(client: Any) -> None:
    wide = [tensor(each.name(), [1.0, 2.0], "FP64", np.float64, binary=True, wide=True) for each in inputs(ROWS, binary=True)[:3]]
    wide += [tensor(name, ["2011-05-01", "2011-05-02"], "BYTES", np.object_, binary=True, wide=True) for name in ("day", "season")]
    found = client.infer("bike", [*wide[:2], tensor("holiday", [1, 0], "BOOL", np.bool_, binary=True), *wide[3:]])
    assert found.as_numpy("prediction").tolist() == [11.0, 22.0]


def test_what_the_client_asks_beside_inference(client: Any) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("bike")
    assert client.is_model_ready("bike", "1")
    assert not client.is_model_ready("bike", "7")
    assert client.get_server_metadata()["extensions"] == ["binary_tensor_data"]
    about = client.get_model_metadata("bike", "1")
    assert (about["name"], about["versions"], about["platform"]) == ("bike", ["1"], "onnx_onnxruntime")
    assert client.get_model_repository_index() == [{"name": "bike", "version": "1", "state": "READY", "reason": ""}]


def test_the_client_hears_what_is_wrong(client: Any) -> None:
    with pytest.raises(InferenceServerException, match="HS504"):
        client.infer("no such model", inputs(ROWS, binary=True))
    with pytest.raises(InferenceServerException, match=r"HS502.*'temp'"):
        client.infer("bike", inputs([{**ROW, "temp": float("inf")}], binary=True))


def test_classes_come_in_binary(tmp_path: Any) -> None:
    with running(tmp_path, bundle_of("multiclass")) as server:
        client = InferenceServerClient(server.url.removeprefix("http://"))
        found = client.infer("bike", inputs(ROWS, binary=True))
        classes, shares = found.as_numpy("prediction"), found.as_numpy("probabilities")
        client.close()
        answers = server.post(json=ROWS).json()["predictions"]
    assert [each.decode() for each in classes] == [each["prediction"] for each in answers]
    assert shares.tolist() == [list(each["probabilities"].values()) for each in answers]


def test_an_index_without_a_model(tmp_path: Any) -> None:
    with running(tmp_path, None) as server:
        about = server.post("/v2/repository/index").json()
        assert [(each["name"], each["state"]) for each in about] == [("bike", "UNAVAILABLE")]
        assert server.post("/v2/repository/index", json={"ready": True}).json() == []
        assert "HS501" in server.post("/v2/repository/index", json={"ready": 3}).json()["error"]


def packed(asked: Any, content: bytes, said: str | None = None) -> dict[str, Any]:
    head = json.dumps(asked).encode()
    return {"content": head + content, "headers": {"inference-header-content-length": str(len(head)) if said is None else said}}


def one(datatype: str, size: Any, shape: list[int] | None = None, **more: Any) -> dict[str, Any]:
    about = {"name": "temp", "shape": [1] if shape is None else shape, "datatype": datatype, "parameters": {"binary_data_size": size}}
    return {"inputs": [{**about, **more}]}


TEXT = struct.pack("<I", 2) + b"ab"
BINARY: dict[str, tuple[dict[str, Any], str]] = {
    "no number": (packed({}, b"", "twelve"), "Inference-Header-Content-Length"),
    "negative": (packed({}, b"", "-1"), "Inference-Header-Content-Length"),
    "beyond": (packed({}, b"", "999"), "Inference-Header-Content-Length"),
    "endless": (packed({}, b"", "9" * 5000), "Inference-Header-Content-Length"),
    "json cut": (packed(one("FP64", 8), bytes(8), "5"), "not JSON"),
    "size too large": (packed(one("FP64", 9), bytes(8)), "bytes are left"),
    "size negative": (packed(one("FP64", -8), bytes(8)), "bytes are left"),
    "size no number": (packed(one("FP64", "8"), bytes(8)), "bytes are left"),
    "size true": (packed(one("FP64", True), bytes(1)), "bytes are left"),
    "size of another shape": (packed(one("FP64", 8, [2]), bytes(8)), "allowed: 16"),
    "huge shape": (packed(one("FP64", 8, [10**18]), bytes(8)), "allowed: 8000000000000000000"),
    "left over": (packed(one("FP64", 8), bytes(9)), "belong to no tensor"),
    "data twice": (packed(one("FP64", 8, data=[1.0]), bytes(8)), "both data"),
    "datatype": (packed(one("BF16", 2), bytes(2)), "got datatype"),
    "boolean of two": (packed(one("BOOL", 1), b"\x02"), "a BOOL is 0 or 1"),
    "text cut": (packed(one("BYTES", 5), TEXT[:5]), "ends beyond"),
    "text without a length": (packed(one("BYTES", 2), TEXT[:2]), "ends beyond"),
    "text not utf-8": (packed(one("BYTES", 6), TEXT[:4] + b"\xff\xfe"), "not UTF-8"),
    "too many texts": (packed(one("BYTES", 12), TEXT * 2), "got 2 texts"),
    "size without a header": ({"json": one("FP64", 8)}, "bytes are left"),
}


@pytest.mark.parametrize("name", BINARY)
def test_binary_says_what_is_wrong(server: Running, name: str) -> None:
    request, said = BINARY[name]
    found = server.post("/v2/models/bike/infer", **request)
    assert found.status_code == 400, found.text
    assert found.json()["error"].startswith("HS501")
    assert said in found.json()["error"]
    assert server.post(json=ROW).status_code == 200


def test_an_output_asked_for_twice_is_refused(server: Running) -> None:
    asked = {"inputs": [], "outputs": [{"name": "prediction"}] * 2}
    assert "an output twice" in server.post("/v2/models/bike/infer", json=asked).json()["error"]
