"""The Open Inference Protocol V2 over REST: server and model metadata, health, and inference on named tensors.

Each raw input is one tensor of shape [n] or [n, 1]; a null in its data is a missing value. The answer has the tensors that the
model's metadata lists, and ``prediction_id``, the ids under which the predictions are logged.
Source: https://github.com/open-inference/open-inference-protocol, specification/protocol/inference_rest.md.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from homeostat import __version__
from homeostat.app.rest.protocol import Reply, json_reply
from homeostat.app.rest.rows import ticket_of
from homeostat.errors import RequestError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from homeostat.app.rest.service import Service
    from homeostat.app.rest.ticket import Ticket

DATATYPES = {"number": "FP64", "boolean": "BOOL", "category": "BYTES", "timestamp": "BYTES", "text": "BYTES"}
_FLOATS = dict.fromkeys(("FP16", "FP32", "FP64"), (float, int))
_INTEGERS = dict.fromkeys(("INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64"), (int,))
VALUES: dict[str, tuple[type, ...]] = {**_FLOATS, **_INTEGERS, "BOOL": (bool,), "BYTES": (str,)}


class Tensor(msgspec.Struct):
    """One input tensor as it was sent."""

    name: str
    shape: list[int]
    datatype: str
    data: list[Any]
    parameters: dict[str, Any] | None = None


class Wanted(msgspec.Struct):
    """One output a caller asks for."""

    name: str
    parameters: dict[str, Any] | None = None


class Inference(msgspec.Struct):
    """An inference request."""

    inputs: list[Tensor]
    id: str | None = None
    outputs: list[Wanted] | None = None
    parameters: dict[str, Any] | None = None


_decode = msgspec.json.Decoder(Inference).decode


def server_metadata() -> Reply:
    """``GET /v2``."""
    return json_reply({"name": "homeostat", "version": __version__, "extensions": []})


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


def begin(service: Service, body: bytes, started: float, name: str, version: str | None) -> Ticket:
    """The ticket of the body of ``POST /v2/models/{name}[/versions/{version}]/infer``.

    Raises:
        RequestError: anything about the request that is not right.
    """
    slot = service.serving_version(name, version)
    asked = parse_inference(body)
    names = [each.name for each in (slot or service.serving().main).manifest.outputs] + ["prediction_id"]
    wanted = [each.name for each in asked.outputs] if asked.outputs else names
    unknown = [each for each in wanted if each not in names]
    if unknown:
        raise RequestError("HS501", f"got output {unknown[0][:80]!r}; allowed: {', '.join(names)}")
    rows = tensor_rows(asked.inputs, service.limits.max_rows)
    return ticket_of(service, rows, partial(reply, asked.id, wanted), started, slot)


def reply(asked: str | None, wanted: Sequence[str], ticket: Ticket) -> Reply:
    """The protocol's answer with the outputs that are wanted; ``asked`` is the id that the caller gave."""
    tensors = _tensors(ticket)
    versions = ticket.versions
    said: dict[str, Any] = {"model_name": ticket.slot.model, "model_version": str(ticket.slot.version) if versions is None else ""}
    if asked is not None:
        said["id"] = asked
    said["parameters"] = {"request": ticket.request} | ({} if versions is None else {"versions": versions})
    said["outputs"] = [tensors[each] for each in wanted]
    return json_reply(said)


def parse_inference(body: bytes) -> Inference:
    """The request in a body.

    Raises:
        RequestError: HS501 (400), not JSON or not of the protocol's form.
    """
    try:
        return _decode(body)
    except msgspec.ValidationError as error:
        raise RequestError("HS501", f"the body is not a V2 inference request: {error}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RequestError("HS501", f"the body is not JSON: {error}") from error
    except RecursionError as error:
        raise RequestError("HS501", "the body is not allowed: it is nested too deep") from error


def tensor_rows(tensors: list[Tensor], max_rows: int) -> list[dict[str, Any]]:
    """Tensors of equal length as rows of named fields.

    Raises:
        RequestError: HS501 (400), no tensor, one named twice, of another length, or whose data does not fit its shape or type.
    """
    if not tensors:
        raise RequestError("HS501", "got no inputs; allowed: one tensor per raw input")
    names = [each.name for each in tensors]
    twice = next((name for name in names if names.count(name) > 1), None) if len(set(names)) < len(names) else None
    if twice is not None:
        raise RequestError("HS501", "got the tensor twice; allowed: once", place=f"input {twice[:80]!r}")
    columns = [_column(each) for each in tensors]
    length = len(columns[0])
    for tensor, column in zip(tensors, columns, strict=True):
        if len(column) != length:
            message = f"got {len(column)} rows where {names[0][:80]!r} has {length}; allowed: equal lengths"
            raise RequestError("HS501", message, place=f"input {tensor.name[:80]!r}")
    if length > max_rows:
        raise RequestError("HS503", f"got {length} rows; allowed: {max_rows} in one request", status=413)
    return [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]


def _column(tensor: Tensor) -> list[Any]:
    place = f"input {tensor.name[:80]!r}"
    allowed = VALUES.get(tensor.datatype)
    if allowed is None:
        raise RequestError("HS501", f"got datatype {tensor.datatype[:40]!r}; allowed: {', '.join(VALUES)}", place=place)
    shape = tensor.shape
    if len(shape) not in (1, 2) or shape[0] < 0 or shape[1:] not in ([], [1]):
        raise RequestError("HS501", f"got shape {shape[:5]}; allowed: [n] or [n, 1]", place=place)
    nested = len(shape) == 2 and all(isinstance(each, list) and len(each) == 1 for each in tensor.data)
    column = [each[0] for each in tensor.data] if nested else tensor.data
    if len(column) != shape[0]:
        raise RequestError("HS501", f"got {len(column)} values for shape {shape}", place=place)
    wrong = next((at for at, value in enumerate(column) if value is not None and type(value) not in allowed), None)
    if wrong is not None:
        got = type(column[wrong]).__name__
        raise RequestError("HS501", f"got a value of type {got} at {wrong}; datatype {tensor.datatype} and null are allowed", place=place)
    return column


def _tensors(ticket: Ticket) -> dict[str, dict[str, Any]]:
    slot, found, count = ticket.slot, ticket.answers, len(ticket.answers)
    data: dict[str, list[Any]] = {"prediction": [each.prediction for each in found]}
    if slot.manifest.task == "binary":
        data["probability"] = [each.probability for each in found]
    if slot.manifest.task == "multiclass":
        data["probabilities"] = [p for each in found for p in (each.probabilities or {}).values()]
    if slot.manifest.intervals:
        data |= {"lower": [each.lower for each in found], "upper": [each.upper for each in found]}
    tensors = {
        each.name: {"name": each.name, "datatype": each.datatype, "shape": [count, *each.shape[1:]], "data": data[each.name]}
        for each in slot.manifest.outputs
    }
    tensors["prediction_id"] = {"name": "prediction_id", "datatype": "BYTES", "shape": [count], "data": ticket.ids}
    return tensors
