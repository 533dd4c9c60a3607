"""Inference of the Open Inference Protocol V2: named tensors in, named tensors out.

Each raw input is one tensor of shape [n] or [n, 1]; a null in its data is a missing value. The answer has the tensors that the
model's metadata lists, and ``prediction_id``, the ids under which the predictions are logged. Tensors may be binary (``v2_binary``),
and one-row requests in a form that was seen before are not parsed as a whole (``v2_layout``).
Source: https://github.com/open-inference/open-inference-protocol, specification/protocol/inference_rest.md.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from homeostat.app.rest.predict import quick_ticket
from homeostat.app.rest.protocol import Reply, json_reply
from homeostat.app.rest.rows import ticket_of
from homeostat.app.rest.v2_binary import binary_reply, unpack_tensors
from homeostat.app.rest.v2_layout import Layouts
from homeostat.app.rest.v2_tensors import Given, Inference, Inferred, Wanted, column_of
from homeostat.errors import RequestError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from homeostat.app.rest.service import Service, Slot
    from homeostat.app.rest.ticket import Ticket
    from homeostat.app.rest.v2_tensors import Tensor

IDS = "prediction_id"
_decode = msgspec.json.Decoder(Inference).decode
_layouts = Layouts()


def begin(service: Service, body: bytes, started: float, name: str, version: str | None, json_bytes: int | None = None) -> Ticket:
    """The ticket of the body of ``POST /v2/models/{name}[/versions/{version}]/infer``.

    ``json_bytes`` is how many of its bytes are JSON, where binary tensors follow.

    Raises:
        RequestError: anything about the request that is not right.
    """
    slot = service.serving_version(name, version)
    outputs = _output_names(slot or service.serving().main)
    if json_bytes is None and (known := _layouts.find(body)) is not None:
        row, asked_id, wanted = known
        _check_wanted(outputs, wanted)
        ticket = quick_ticket(service, row, partial(reply, asked_id, wanted, None), started, slot)
        if ticket is not None:
            return ticket
    asked = parse_inference(body if json_bytes is None else body[:json_bytes])
    wanted = None if asked.outputs is None else tuple(each.name for each in asked.outputs) or None
    _check_wanted(outputs, wanted)
    unpack_tensors(asked.inputs, b"" if json_bytes is None else memoryview(body)[json_bytes:])
    rows = tensor_rows(asked.inputs, service.limits.max_rows)
    binary = _binary(outputs, asked)
    if json_bytes is None and not binary:
        _layouts.learn(body, asked, wanted)
    return ticket_of(service, rows, partial(reply, asked.id, wanted, binary or None), started, slot)


def reply(asked: str | None, wanted: Sequence[str] | None, binary: frozenset[str] | None, ticket: Ticket) -> Reply:
    """The protocol's answer: ``asked`` is the caller's own id, ``wanted`` its choice of outputs, ``binary`` those to be told in binary."""
    slot, versions = ticket.slot, ticket.versions
    parameters: dict[str, Any] = {"request": ticket.request}
    if versions is not None:  # one for each row
        parameters["versions"] = versions
    version = str(slot.version) if versions is None else ""
    said = Inferred(slot.model, version, parameters, _tensors(ticket, wanted), asked)
    return json_reply(said) if binary is None else binary_reply(said, binary)


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
    columns = [column_of(each) for each in tensors]
    length = len(columns[0])
    for tensor, column in zip(tensors, columns, strict=True):
        if len(column) != length:
            message = f"got {len(column)} rows where {names[0][:80]!r} has {length}; allowed: equal lengths"
            raise RequestError("HS501", message, place=f"input {tensor.name[:80]!r}")
    if length > max_rows:
        raise RequestError("HS503", f"got {length} rows; allowed: {max_rows} in one request", status=413)
    return [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]


def _output_names(slot: Slot) -> list[str]:
    return [*(each.name for each in slot.manifest.outputs), IDS]


def _check_wanted(names: Sequence[str], wanted: Sequence[str] | None) -> None:
    if wanted is None:
        return
    unknown = [each for each in wanted if each not in names]
    if unknown:
        raise RequestError("HS501", f"got output {unknown[0][:80]!r}; allowed: {', '.join(names)}")
    if len(set(wanted)) < len(wanted):
        raise RequestError("HS501", "got an output twice; allowed: once")


def _binary(names: Sequence[str], asked: Inference) -> frozenset[str]:
    """The outputs to be told in binary: those that say so themselves, or all others when the request does."""
    every = (asked.parameters or {}).get("binary_data_output") is True
    outputs = asked.outputs or [Wanted(name) for name in names]
    return frozenset(each.name for each in outputs if (each.parameters or {}).get("binary_data", every) is True)


def _tensors(ticket: Ticket, wanted: Sequence[str] | None) -> list[Given]:
    slot, found, count = ticket.slot, ticket.answers, len(ticket.answers)
    data: dict[str, list[Any]] = {"prediction": [each.prediction for each in found]}
    if slot.manifest.task == "binary":
        data["probability"] = [each.probability for each in found]
    elif slot.manifest.task == "multiclass":
        data["probabilities"] = [p for each in found for p in (each.probabilities or {}).values()]
    elif slot.manifest.intervals:
        data |= {"lower": [each.lower for each in found], "upper": [each.upper for each in found]}
    tensors = [Given(each.name, each.datatype, [count, *each.shape[1:]], data[each.name]) for each in slot.manifest.outputs]
    tensors.append(Given(IDS, "BYTES", [count], list(ticket.ids)))
    if wanted is None:
        return tensors
    by_name = {each.name: each for each in tensors}
    return [by_name[name] for name in wanted]
