"""The Open Inference Protocol V2 over REST: what there is and how it is. Inference stands in ``v2_infer``.

Source: https://github.com/open-inference/open-inference-protocol, specification/protocol/inference_rest.md; the index:
https://github.com/triton-inference-server/server, docs/protocol/extension_model_repository.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from homeostat import __version__
from homeostat.app.rest.protocol import Reply, json_reply
from homeostat.errors import RequestError

if TYPE_CHECKING:
    from homeostat.app.rest.service import Service

DATATYPES = {"number": "FP64", "boolean": "BOOL", "category": "BYTES", "timestamp": "BYTES", "text": "BYTES"}
EXTENSIONS = ["binary_tensor_data"]


class IndexRequest(msgspec.Struct):
    """What an index is asked for: with ``ready`` only models that answer."""

    ready: bool = False


_decode_index = msgspec.json.Decoder(IndexRequest).decode


def server_metadata() -> Reply:
    """``GET /v2``."""
    return json_reply({"name": "homeostat", "version": __version__, "extensions": EXTENSIONS})


def health(service: Service) -> Reply:
    """``GET /v2/health``: beyond the protocol, what serves and what is wrong."""
    slot = service.slot
    about = {"model": service.name, "version": slot.version if slot else None, "bundle": slot.digest if slot else None}
    return json_reply({"live": True, "ready": slot is not None, **about, "problem": service.problem, "log_problem": service.log.failure})


def ready(service: Service) -> Reply:
    """``GET /v2/health/ready``: 200 when a model serves, else 503."""
    there = service.slot is not None
    return json_reply({"ready": there}, 200 if there else 503)


def model_ready(service: Service, name: str, version: str | None) -> Reply:
    """``GET /v2/models/{name}/ready``."""
    service.serving_version(name, version)
    return json_reply({"name": name, "ready": True})


def model_metadata(service: Service, name: str, version: str | None) -> Reply:
    """``GET /v2/models/{name}``."""
    slot = service.serving_version(name, version) or service.serving().main
    manifest = slot.manifest
    return json_reply(
        {
            "name": name,
            "versions": [str(number) for number in service.serving().wanted.traffic.answering],
            "platform": "onnx_onnxruntime",
            "inputs": [{"name": each.name, "datatype": DATATYPES[each.kind], "shape": [-1]} for each in manifest.inputs],
            "outputs": [
                *({"name": each.name, "datatype": each.datatype, "shape": list(each.shape)} for each in manifest.outputs),
                {"name": "prediction_id", "datatype": "BYTES", "shape": [-1]},
            ],
            "parameters": {"bundle": slot.digest, "task": manifest.task},
        }
    )


def index(service: Service, body: bytes) -> Reply:
    """``POST /v2/repository/index``: the models and whether they answer.

    Raises:
        RequestError: HS501 (400), the body is not empty and not ``{"ready": true or false}``.
    """
    try:
        only_ready = _decode_index(body or b"{}").ready
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RequestError("HS501", f"the body is not a V2 index request: {error}") from error
    live = service.live
    if live is None:
        waiting = {"name": service.name, "state": "UNAVAILABLE", "reason": "no version is promoted yet"}
        return json_reply([] if only_ready else [waiting])
    about = {"state": "READY", "reason": service.problem}
    return json_reply([{"name": service.name, "version": str(number), **about} for number in live.wanted.traffic.answering])
