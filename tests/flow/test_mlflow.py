"""To a real MLflow server and back: metrics, model, alias; what others load answers as we do; and what goes wrong is told."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from homeostat.errors import LearningError, Unreachable
from homeostat.flow.adopt import Wanted
from homeostat.flow.evaluate import evaluate
from homeostat.flow.lifecycle import run
from homeostat.flow.mlflow_export import export_version
from homeostat.flow.mlflow_import import import_model
from homeostat.flow.project import open_project
from homeostat.flow.promotion import promote
from homeostat.flow.registry import champion, version_of
from homeostat.flow.serving import serving
from homeostat.flow.validate import validate
from homeostat.infra.mlflow_server import quiet_mlflow
from homeostat.serving.predictor import Predictor
from homeostat.testing.mlflow_server import mlflow_server

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]  # the server and MLflow itself load much

CHARTER = """
name: shop
problem: {statement: Some visits end in nothing., objective: Find those that buy., decision: Whom to call., business_metric: calls}
task: {type: binary, target: bought, positive: "yes"}
success: {metric: auc, threshold: 0.6}
data: {source: visits.csv}
learning: {learners: [linear, lightgbm], budget: {seconds: null, trials: 2}}
"""


def visits(rows: int, seed: int) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    pages, minutes, city = rng.integers(1, 9, rows), rng.normal(10, 3, rows), rng.choice(["Oslo", "Rome", "Bonn"], rows)
    bought = pages + minutes / 3 + 3 * (city == "Rome") + rng.normal(0, 1, rows) > 9
    frame = pl.DataFrame({"pages": pages, "minutes": minutes, "city": city, "bought": np.where(bought, "yes", "no")})
    return frame.with_columns(minutes=pl.when(pl.int_range(rows) % 50 == 0).then(None).otherwise("minutes"))


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    pytest.importorskip("mlflow")
    with mlflow_server(tmp_path_factory.mktemp("mlflow") / "server") as url:
        yield url


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shop")
    (folder / "homeostat.yaml").write_text(CHARTER)
    visits(600, 1).write_csv(folder / "visits.csv")
    with open_project(folder) as project:
        assert run(project).promotion is not None
    return folder


@pytest.fixture
def quiet() -> Iterator[Any]:
    """MLflow itself, whose warnings are not ours."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield quiet_mlflow()


def test_what_is_exported_says_and_answers_what_we_do(shop: Path, server: str, quiet: Any) -> None:
    import pandas as pd

    with open_project(shop) as project:
        version = champion(project)
        assert version is not None
        done = export_version(project, version, server)
        again = export_version(project, version, server)
        evaluation = project.require(str(version.fact.body["evaluation"]))
        bundle = serving(project).bundle
    assert done.new
    assert done.alias == "champion"
    assert not again.new
    assert (again.run, again.number) == (done.run, done.number)
    client = quiet.MlflowClient(tracking_uri=server, registry_uri=server)
    assert len(client.search_model_versions("name='shop'")) == 1
    there = client.get_model_version_by_alias("shop", "champion")
    assert there.tags["homeostat.bundle"] == version.bundle
    assert there.tags["homeostat.stage"] == "champion"
    told = client.get_run(done.run)
    wanted = {f"holdout.{score['metric']}": score["value"] for score in evaluation.body["scores"] if not score["segment"]}
    assert wanted == {name: told.data.metrics[name] for name in wanted}
    assert told.data.params["learner"] == version.fact.body["learner"]
    nested = client.search_runs([told.info.experiment_id], filter_string=f"tags.mlflow.parentRunId = '{done.run}'")
    assert {run.data.params["learner"] for run in nested} == {"linear", "lightgbm"}

    quiet.set_tracking_uri(server)
    quiet.set_registry_uri(server)
    loaded = quiet.pyfunc.load_model("models:/shop@champion")
    rows = visits(200, 2).drop("bought").with_columns(city=pl.when(pl.int_range(200) % 20 == 0).then(pl.lit("Paris")).otherwise("city"))
    frame = pd.DataFrame({name: rows[name].to_list() for name in rows.columns})
    answers = loaded.predict(frame)
    predictor = Predictor(bundle)
    ours = predictor.answers(predictor.predict_frame(rows))
    assert answers["prediction"].tolist() == ours["prediction"]
    assert answers["probability"].tolist() == ours["probability"]
    assert [each.name for each in loaded.metadata.signature.inputs.inputs] == list(bundle.manifest.required())
    graph = quiet.onnx.load_model("models:/shop@champion")
    assert [each.name for each in graph.graph.output] == ["score", "decision"]


def test_another_project_takes_it_in_and_serves_the_same(shop: Path, server: str, tmp_path: Path) -> None:
    with open_project(shop) as project:
        version = champion(project)
        assert version is not None
        done = export_version(project, version, server)
        ours = Predictor(serving(project).bundle)
    (tmp_path / "homeostat.yaml").write_text(CHARTER)
    visits(400, 3).write_csv(tmp_path / "reference.csv")
    with open_project(tmp_path) as second:
        candidate = import_model(second, server, "models:/shop@champion", Wanted(reference=tmp_path / "reference.csv"))
        origin = candidate.body["origin"]
        assert (origin["mlflow.alias"], origin["mlflow.version"], origin["mlflow.run"]) == ("champion", done.number, done.run)
        assert candidate.body["parity"]["max_difference"] == 0.0
        assert import_model(second, server, f"models:/shop/{done.number}", Wanted(reference=tmp_path / "reference.csv")) == candidate
        registered = validate(second, evaluate(second, candidate))
        promote(second, registered)
        now = serving(second)
        assert now.version == version_of(second, registered.id)
        rows = visits(100, 4)
        np.testing.assert_array_equal(Predictor(now.bundle).predict_frame(rows), ours.predict_frame(rows))


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("models:/nobody/1", "nobody"),
        ("models:/shop@nobody", "nobody"),
        ("models:/shop/latest", "a version is a number"),
        ("runs:/0123456789abcdef0123456789abcdef/model", "0123456789abcdef"),
        ("shop", "models:/NAME@ALIAS"),
    ],
)
def test_an_address_that_names_nothing_is_told(shop: Path, server: str, address: str, said: str) -> None:
    with open_project(shop) as project, pytest.raises(LearningError, match="HS383") as told:
        import_model(project, server, address, Wanted())
    assert said in told.value.line()
    assert "Traceback" not in told.value.line()


def test_a_server_that_does_not_answer_is_told_at_once(shop: Path) -> None:
    with open_project(shop) as project, pytest.raises(Unreachable, match="HS801") as told:
        import_model(project, "http://ann:secret@127.0.0.1:9", "models:/shop/1", Wanted())
    assert "secret" not in told.value.line()


class _Closed(BaseHTTPRequestHandler):
    def _refuse(self) -> None:
        self.send_response(200 if self.path == "/health" else 403)
        self.end_headers()
        self.wfile.write(b"OK" if self.path == "/health" else b"Permission denied")

    do_GET = do_POST = _refuse  # noqa: N815 - the names that the library calls

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as the library calls it
        return


def test_a_server_that_refuses_is_told(shop: Path) -> None:
    pytest.importorskip("mlflow")
    closed = HTTPServer(("127.0.0.1", 0), _Closed)
    thread = threading.Thread(target=closed.serve_forever)
    thread.start()
    try:
        with open_project(shop) as project, pytest.raises(LearningError, match="HS386") as told:
            import_model(project, f"http://127.0.0.1:{closed.server_port}", "models:/shop/1", Wanted())
    finally:
        closed.shutdown()
        thread.join()
        closed.server_close()
    assert "MLFLOW_TRACKING_USERNAME" in told.value.next_step
