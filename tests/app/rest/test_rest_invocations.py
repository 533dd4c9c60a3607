"""MLflow's addresses, asked with MLflow's own client."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from tests.app.rest.conftest import ROW, Running, bundle_of, running

from homeostat import __version__
from homeostat.infra.prediction_records import read

pd = pytest.importorskip("pandas")
client_module = pytest.importorskip("mlflow.pyfunc.scoring_server.client")

ROWS = [ROW, {**ROW, "temp": None, "season": "2", "hr": 1}]
MEANT = [180.5, 10.25]
NAMES = list(ROW)
VALUES = [[row[name] for name in NAMES] for row in ROWS]
COLUMNS = {name: [row[name] for row in ROWS] for name in NAMES}


@pytest.fixture(scope="module")
def client(server: Running) -> Iterator[Any]:
    host, port = server.url.removeprefix("http://").split(":")
    return client_module.ScoringServerClient(host, int(port))


def test_the_client_finds_the_server(client: Any) -> None:
    client.wait_server_ready(timeout=5)
    assert client.get_version() == __version__


def test_the_client_predicts(client: Any) -> None:
    found = client.invoke(pd.DataFrame(ROWS).astype({"temp": "float64"}))  # whose missing value it writes as NaN
    assert found.get_predictions("ndarray").tolist() == MEANT
    assert found.get_predictions("dataframe")[0].tolist() == MEANT
    assert client.invoke(VALUES).get_predictions("ndarray").tolist() == MEANT
    assert client.invoke(np.array(VALUES, dtype=object)).get_predictions("ndarray").tolist() == MEANT
    assert client.invoke(json.dumps({"instances": ROWS})).get_predictions("ndarray").tolist() == MEANT
    with pytest.raises(Exception, match=r"error code 422.*HS502"):
        client.invoke(json.dumps({"dataframe_records": [{**ROW, "hr": "x"}]}))


FORMS: dict[str, Any] = {
    "split": {"dataframe_split": {"columns": NAMES, "data": VALUES}},
    "split with an index": {"dataframe_split": {"columns": NAMES, "data": VALUES, "index": [0, 1]}},
    "records": {"dataframe_records": ROWS},
    "instances": {"instances": ROWS},
    "inputs of rows": {"inputs": ROWS},
    "inputs of columns": {"inputs": COLUMNS},
    "instances of columns": {"instances": COLUMNS},
    "columns of two dimensions": {"inputs": {name: [[each] for each in values] for name, values in COLUMNS.items()}},
    "values in order": {"inputs": VALUES},
    "empty params": {"inputs": ROWS, "params": {}},
    "no params": {"inputs": ROWS, "params": None},
}


@pytest.mark.parametrize("name", FORMS)
def test_every_form_is_taken(server: Running, name: str) -> None:
    found = server.post("/invocations", json=FORMS[name])
    assert found.json() == {"predictions": MEANT}


def test_one_row_of_plain_values(server: Running) -> None:
    assert server.post("/invocations", json={"inputs": ROW}).json() == {"predictions": [180.5]}


CSV: dict[str, str] = {
    "as pandas writes it": pd.DataFrame(ROWS).to_csv(index=False),
    "with its index": pd.DataFrame(ROWS).to_csv(),
    "in another order, quoted": 'season,temp,hr,holiday,day\n"spring",0.5,8.0,FALSE,"2011-05-01T08:00:00"\r\n2.0,,1,0,1304236800\n',
    "with a mark and a blank line": "\ufeffseason,temp,hr,holiday,day,cnt\nspring,5e-1,8,True,,7\n\n2,,1,1.0,-86400,\n",
}


@pytest.mark.parametrize("name", CSV)
def test_csv_is_taken(server: Running, name: str) -> None:
    found = server.post("/invocations", content=CSV[name].encode(), headers={"content-type": "text/csv; charset=utf-8"})
    assert found.json() == {"predictions": MEANT}, found.text


BAD: dict[str, tuple[Any, int]] = {
    "a list": (ROWS, 400),
    "no form": ({"rows": ROWS}, 400),
    "two forms": ({"inputs": ROWS, "instances": ROWS}, 400),
    "something beside": ({"inputs": ROWS, "more": 1}, 400),
    "params": ({"inputs": ROWS, "params": {"x": 1}}, 400),
    "split of a list": ({"dataframe_split": ROWS}, 400),
    "split without data": ({"dataframe_split": {"columns": NAMES}}, 400),
    "split of short rows": ({"dataframe_split": {"columns": NAMES, "data": [[1]]}}, 400),
    "split of a text": ({"dataframe_split": {"columns": "a", "data": VALUES}}, 400),
    "split with a column twice": ({"dataframe_split": {"columns": ["hr", "hr"], "data": [[1, 2]]}}, 400),
    "records of lists": ({"dataframe_records": VALUES}, 400),
    "records of an object": ({"dataframe_records": COLUMNS}, 400),
    "columns of different lengths": ({"inputs": {**COLUMNS, "hr": [1]}}, 400),
    "a mix": ({"inputs": [ROW, VALUES[0]]}, 400),
    "a number": ({"inputs": 3}, 400),
    "null": ({"inputs": None}, 400),
    "no rows": ({"inputs": []}, 422),
    "a missing field": ({"inputs": [{"hr": 1}]}, 422),
    "too many rows": ({"inputs": ROWS * 101}, 413),
}


def test_a_field_twice_and_texts_with_nan_in_them(server: Running) -> None:
    body = json.dumps({"inputs": [{**ROW, "season": 'NaN "NaN" \\\\', "temp": float("nan")}]}).encode()
    assert server.post("/invocations", content=body).json() == {"predictions": [80.25]}
    twice = json.dumps({"inputs": [ROW]}).encode().replace(b'"hr"', b'"hr": 1, "hr"')
    assert "twice" in server.post("/invocations", content=twice).json()["error"]["message"]


@pytest.mark.parametrize("name", BAD)
def test_what_is_wrong_is_said(server: Running, name: str) -> None:
    content, status = BAD[name]
    found = server.post("/invocations", json=content)
    assert found.status_code == status, found.text
    assert found.json()["error"]["message"]


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"", 400),
        (b"\n\n", 400),
        (b"hr,hr\n1,2\n", 400),
        (b"hr,temp\n1\n", 400),
        (b"hr\n\xff\n", 400),
        (b'hr\n"1\n', 400),
        (b"hr\n1\n", 422),
        (",".join(NAMES).encode() + b"\n", 422),
        (",".join(NAMES).encode() + b"\nx,8,False,,spring\n", 422),
        (",".join(NAMES).encode() + b"\n1_0,8,False,,spring\n", 422),
        (",".join(NAMES).encode() + b"\ninf,8,False,,spring\n", 422),
        (",".join(NAMES).encode() + b"\n1,8,maybe,,spring\n", 422),
    ],
)
def test_bad_csv_is_refused(server: Running, content: bytes, status: int) -> None:
    found = server.post("/invocations", content=content, headers={"content-type": "text/csv"})
    assert found.status_code == status, found.text


def test_classes_are_answered_as_texts_and_logged(tmp_path: Any) -> None:
    with running(tmp_path, bundle_of("binary")) as server:
        assert server.post("/invocations", json={"inputs": [ROW, {**ROW, "season": "2"}]}).json() == {"predictions": ["yes", "no"]}
    assert [each["prediction"] for each in read(tmp_path).records] == ["yes", "no"]


def test_ping_tells_whether_a_model_serves(tmp_path: Any, server: Running) -> None:
    for path in ("/ping", "/health"):
        assert (server.client.get(path).status_code, server.client.get(path).text) == (200, "\n")
    with running(tmp_path, None) as empty:
        assert empty.client.get("/ping").status_code == 503
        assert empty.client.get("/version").text == __version__


def test_a_content_type_it_does_not_take(server: Running) -> None:
    found = server.post("/invocations", content=json.dumps({"inputs": ROWS}), headers={"content-type": "application/vnd.apache.parquet"})
    assert found.status_code == 415
    assert "text/csv" in found.json()["error"]["message"]
