"""The systems: how each is started, what it is asked, and where its answer is.

All hold the same model, have one worker and one thread, and run on one core; ``Place.environment`` is what each is given.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.serving.load import free_port
from benchmarks.serving.model import NAME
from benchmarks.serving.rows import BOOLEAN, CATEGORIES, NUMBERS, Row

ROOT = Path(__file__).parents[2]
ECHO_BYTES = 172
"""The size of our own reply to one row."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a start happens: the environments of the peers, the model's folder, an empty folder of this start's own, and the port."""

    peers: Path
    model: Path
    scratch: Path
    port: int

    def program(self, peer: str, name: str) -> str:
        """A program of a peer's environment."""
        return str(self.peers / f"serving-{peer}" / "bin" / name)

    def environment(self, peer: str) -> dict[str, str]:
        """One thread, no telemetry, and this repository's modules."""
        one = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "BENTOML_DO_NOT_TRACK": "True", "BENTOML_HOME": str(self.scratch)}
        dropped = ("PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED", "VIRTUAL_ENV")
        kept = {name: value for name, value in os.environ.items() if name not in dropped}
        path = f"{self.peers / f'serving-{peer}' / 'bin'}:{os.environ['PATH']}" if peer else os.environ["PATH"]
        modules = f"{ROOT}:{ROOT / 'src'}" if not peer else str(ROOT)
        return {**kept, **one, **quiet, "PATH": path, "PYTHONPATH": modules, "SERVING_MODEL": str(self.model)}


@dataclass(frozen=True, slots=True)
class System:
    """One server. ``peer`` names its environment, empty for our own; ``command`` may write settings into the place's folder.

    ``asks`` makes the body of a row's request, ``says`` finds the probability in the reply. ``packages`` are those whose versions are told.
    """

    what: str
    peer: str
    command: Callable[[Place], list[str]]
    path: str
    asks: Callable[[Row], Any]
    says: Callable[[Any], float] | None
    packages: tuple[str, ...] = ()
    variables: Mapping[str, str] | None = None


def ours(variant: str) -> Callable[[Place], list[str]]:
    """The command that starts one of our variants."""

    def command(place: Place) -> list[str]:
        log = place.scratch / "predictions"
        return [sys.executable, "-m", "benchmarks.serving.ours", variant, str(place.model / "bundle.zip"), str(log), str(place.port)]

    return command


def _mlflow(folder: str) -> Callable[[Place], list[str]]:
    def command(place: Place) -> list[str]:
        given = ["-m", str(place.model / folder), "-p", str(place.port), "-h", "127.0.0.1", "-w", "1", "--env-manager", "local"]
        return [place.program("mlflow", "mlflow"), "models", "serve", *given]

    return command


def _mlserver(holder: str, batches: Mapping[str, float]) -> Callable[[Place], list[str]]:
    """Inference in the server's own process: on one core that is faster than its default of another process."""

    def command(place: Place) -> list[str]:
        ports = {"http_port": place.port, "grpc_port": free_port(), "metrics_port": free_port()}
        server = {"host": "127.0.0.1", **ports, "parallel_workers": 0, "debug": False}
        model = {"name": NAME, "implementation": "benchmarks.serving.peers.with_mlserver.Rows", "parameters": {"extra": {"holder": holder}}}
        (place.scratch / "settings.json").write_text(json.dumps(server))
        (place.scratch / "model-settings.json").write_text(json.dumps({**model, **batches}))
        return [place.program("mlserver", "mlserver"), "start", str(place.scratch)]

    return command


def _bentoml(service: str) -> Callable[[Place], list[str]]:
    at = f"benchmarks.serving.peers.with_bentoml:{service}"
    return lambda place: [place.program("bentoml", "bentoml"), "serve", at, "--host", "127.0.0.1", "-p", str(place.port)]


def _fastapi(place: Place) -> list[str]:
    quick = ["--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning"]
    return [place.program("fastapi", "uvicorn"), "benchmarks.serving.peers.with_fastapi:app", "--port", str(place.port), *quick]


def _litserve(place: Place) -> list[str]:
    return [place.program("litserve", "python"), "-m", "benchmarks.serving.peers.with_litserve", str(place.port)]


def _echo(place: Place) -> list[str]:
    return [sys.executable, "-m", "benchmarks.serving.peers.echo", str(place.port), str(ECHO_BYTES)]


def _plain(row: Row) -> Row:
    return row


def _list(row: Row) -> dict[str, list[Row]]:
    return {"rows": [row]}


def _split(row: Row) -> dict[str, Any]:
    return {"dataframe_split": {"columns": list(row), "data": [list(row.values())]}}


def _numbers(row: Row) -> list[Any]:
    return [float(row[name]) if name == BOOLEAN and row[name] is not None else row[name] for name in NUMBERS]


def _texts(row: Row) -> list[str]:
    """The texts as a tensor of texts has them, which knows no null: the empty text stands for it."""
    return [row[name] or "" for name in CATEGORIES]


def _tensors(row: Row) -> dict[str, Any]:
    return {"inputs": {"numbers": [_numbers(row)], "texts": [_texts(row)]}}


def _v2(row: Row) -> dict[str, Any]:
    """The V2 protocol with a tensor for each column."""
    kinds = dict.fromkeys(NUMBERS, "FP64") | {BOOLEAN: "BOOL"} | dict.fromkeys(CATEGORIES, "BYTES")
    return {"inputs": [{"name": name, "shape": [1], "datatype": kinds[name], "data": [value]} for name, value in row.items()]}


def _v2_packed(row: Row) -> dict[str, Any]:
    """The V2 protocol with two tensors, which costs MLServer less than twenty."""
    numbers = {"name": "numbers", "shape": [1, len(NUMBERS)], "datatype": "FP64", "data": _numbers(row)}
    texts = {"name": "texts", "shape": [1, len(CATEGORIES)], "datatype": "BYTES", "data": [row[name] for name in CATEGORIES]}
    return {"inputs": [numbers, texts]}


def _probability(reply: Any) -> float:
    return float(reply["probability"])


def _predicted(reply: Any) -> float:
    return float(reply["predictions"][0]["probability"])


def _single(reply: Any) -> float:
    return float(reply[0])


def _output(reply: Any) -> float:
    return float(next(each["data"][0] for each in reply["outputs"] if each["name"] == "probability"))


_OURS = ("homeostat", "onnxruntime", "uvicorn", "uvloop", "httptools", "msgspec")
_MODEL = ("scikit-learn", "lightgbm", "pandas", "onnxruntime")
_INFER = f"/v2/models/{NAME}/infer"
_PIPELINE, _GRAPH = {"HOLDER": "pipeline"}, {"HOLDER": "graph"}


def _own(what: str, variant: str) -> System:
    return System(what, "", ours(variant), "/predict", _plain, _predicted, _OURS)


SYSTEMS: Mapping[str, System] = {
    "echo": System("the floor: equal bytes for every request", "", _echo, "/predict", _plain, None, ("uvloop",)),
    "ours-fast": _own("/predict, fast lane, log in groups", "fast"),
    "ours-fast-no-log": _own("/predict, fast lane, no log", "fast-no-log"),
    "ours-fast-strict": _own("/predict, fast lane, strict log", "fast-strict"),
    "ours-fast-shadow": _own("/predict, fast lane, log in groups, a shadow hears all", "fast-shadow"),
    "ours-fast-v2": System("V2 infer, fast lane, log in groups", "", ours("fast"), _INFER, _v2, _output, _OURS),
    "ours-asgi": _own("/predict, ASGI application, log in groups", "asgi"),
    "ours-asgi-no-log": _own("/predict, ASGI application, no log", "asgi-no-log"),
    "ours-asgi-v2": System("V2 infer, ASGI application, log in groups", "", ours("asgi"), _INFER, _v2, _output, _OURS),
    "mlflow-pipeline": System(
        "mlflow models serve, scikit-learn flavour",
        "mlflow",
        _mlflow("mlflow-pipeline"),
        "/invocations",
        _split,
        lambda reply: float(reply["predictions"][0][1]),
        ("mlflow", *_MODEL),
    ),
    "mlflow-graph": System(
        "mlflow models serve, ONNX flavour, the same graph",
        "mlflow",
        _mlflow("mlflow-graph"),
        "/invocations",
        _tensors,
        lambda reply: float(reply["predictions"]["probability"][0]),
        ("mlflow", *_MODEL),
    ),
    "mlserver-pipeline": System(
        "MLServer, scikit-learn pipeline", "mlserver", _mlserver("pipeline", {}), _INFER, _v2_packed, _output, ("mlserver", *_MODEL)
    ),
    "mlserver-pipeline-batches": System(
        "MLServer, scikit-learn pipeline, adaptive batching",
        "mlserver",
        _mlserver("pipeline", {"max_batch_size": 32, "max_batch_time": 0.005}),
        _INFER,
        _v2_packed,
        _output,
        ("mlserver", *_MODEL),
    ),
    "mlserver-graph": System(
        "MLServer, the same graph in a custom runtime",
        "mlserver",
        _mlserver("graph", {}),
        _INFER,
        _v2_packed,
        _output,
        ("mlserver", *_MODEL),
    ),
    "bentoml-pipeline": System(
        "BentoML, scikit-learn pipeline",
        "bentoml",
        _bentoml("Pipeline"),
        "/predict",
        _list,
        _single,
        ("bentoml", *_MODEL),
    ),
    "bentoml-pipeline-batches": System(
        "BentoML, scikit-learn pipeline, adaptive batching",
        "bentoml",
        _bentoml("PipelineInBatches"),
        "/predict",
        _list,
        _single,
        ("bentoml", *_MODEL),
    ),
    "bentoml-graph": System("BentoML, the same graph", "bentoml", _bentoml("Graph"), "/predict", _list, _single, ("bentoml", *_MODEL)),
    "fastapi-pipeline": System(
        "FastAPI, scikit-learn pipeline", "fastapi", _fastapi, "/predict", _plain, _probability, ("fastapi", *_MODEL), _PIPELINE
    ),
    "fastapi-graph": System("FastAPI, the same graph", "fastapi", _fastapi, "/predict", _plain, _probability, ("fastapi", *_MODEL), _GRAPH),
    "litserve-pipeline": System(
        "LitServe, scikit-learn pipeline, batching",
        "litserve",
        _litserve,
        "/predict",
        _plain,
        _probability,
        ("litserve", *_MODEL),
        _PIPELINE,
    ),
    "litserve-graph": System(
        "LitServe, the same graph, batching", "litserve", _litserve, "/predict", _plain, _probability, ("litserve", *_MODEL), _GRAPH
    ),
}
