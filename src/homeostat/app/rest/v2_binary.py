"""The binary tensor data extension of the V2 protocol: tensors as bytes behind the JSON of a request or an answer.

Elements stand in little-endian order without gaps; a text is four bytes of length and its UTF-8. A NaN is a missing value. Tensors that
hold missing texts are sent as JSON: their binary form has no word for them.
Source: https://github.com/triton-inference-server/server, docs/protocol/extension_binary_data.md.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from homeostat.app.rest.protocol import Reply, encode_json
from homeostat.app.rest.v2_tensors import place_of, rows_of
from homeostat.errors import RequestError

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from homeostat.app.rest.v2_tensors import Inferred, Tensor

HEADER = b"inference-header-content-length"
OCTETS = b"application/octet-stream"
_SIZE = "binary_data_size"
_TYPES = {"FP16": "<f2", "FP32": "<f4", "FP64": "<f8", "BOOL": "<u1"}
_TYPES |= {f"{sign}INT{bits}": f"<{sign.lower() or 'i'}{bits // 8}" for sign in ("", "U") for bits in (8, 16, 32, 64)}


def json_length(value: bytes, body: bytes) -> int:
    """How many bytes of a body are JSON, as the header says.

    Raises:
        RequestError: HS501 (400), no number, or more than there are.
    """
    if not value.isdigit() or len(value) > 18 or int(value) > len(body):
        message = f"got {value.decode('latin-1')[:40]!r} for a body of {len(body)} bytes; allowed: the number of its bytes that are JSON"
        raise RequestError("HS501", message, place="Inference-Header-Content-Length")
    return int(value)


def unpack_tensors(tensors: list[Tensor], content: bytes | memoryview) -> None:
    """Give tensors that are binary their data, one after the other from ``content``.

    Raises:
        RequestError: HS501 (400), sizes that do not fit the shapes or the content; texts that are no UTF-8.
    """
    start = 0
    for tensor in tensors:
        size = (tensor.parameters or {}).get(_SIZE)
        if size is None:
            continue
        if type(size) is not int or size < 0 or size > len(content) - start:
            message = f"got {_SIZE} {str(size)[:40]} where {len(content) - start} bytes are left; allowed: their number of bytes"
            raise RequestError("HS501", message, place=place_of(tensor))
        if not isinstance(tensor.data, msgspec.UnsetType):
            raise RequestError("HS501", "got both data and binary data; allowed: one of them", place=place_of(tensor))
        tensor.data = _unpacked(tensor, bytes(content[start : start + size]))
        start += size
    if start != len(content):
        raise RequestError("HS501", f"got {len(content) - start} bytes behind the JSON that belong to no tensor; allowed: none")


def binary_reply(said: Inferred, binary: AbstractSet[str]) -> Reply:
    """The answer with the outputs named in ``binary`` behind its JSON."""
    packed = []
    for each in said.outputs:
        if each.name in binary and not isinstance(each.data, msgspec.UnsetType):
            packed.append(_packed(each.datatype, each.data))
            each.data, each.parameters = msgspec.UNSET, {_SIZE: len(packed[-1])}
    head = encode_json(said)
    return Reply(200, head + b"".join(packed), OCTETS, ((HEADER, b"%d" % len(head)),))


def _packed(datatype: str, values: list[Any]) -> bytes:
    if datatype != "BYTES":
        return np.array(values, dtype=_TYPES[datatype]).tobytes()
    encoded = [each.encode() for each in values]
    return b"".join(struct.pack("<I", len(each)) + each for each in encoded)


def _unpacked(tensor: Tensor, content: bytes) -> list[Any]:
    count = rows_of(tensor)
    if tensor.datatype == "BYTES":
        return _texts(tensor, content, count)
    kind = np.dtype(_TYPES[tensor.datatype])
    if len(content) != count * kind.itemsize:
        message = f"got {len(content)} bytes for shape {tensor.shape} of {tensor.datatype}; allowed: {count * kind.itemsize}"
        raise RequestError("HS501", message, place=place_of(tensor))
    values = np.frombuffer(content, dtype=kind)
    if tensor.datatype == "BOOL":
        if count and values.max() > 1:
            raise RequestError("HS501", f"got a byte of {values.max()}; a BOOL is 0 or 1", place=place_of(tensor))
        values = values.astype(bool)
    found: list[Any] = values.tolist()
    if kind.kind == "f" and np.isnan(values).any():
        return [None if value != value else value for value in found]  # noqa: PLR0124  # NaN
    return found


def _texts(tensor: Tensor, content: bytes, count: int) -> list[Any]:
    found: list[Any] = []
    at, place = 0, place_of(tensor)
    while at < len(content):
        end = at + 4 + int.from_bytes(content[at : at + 4], "little")
        if at + 4 > len(content) or end > len(content):
            raise RequestError("HS501", f"text {len(found)} ends beyond the tensor's {len(content)} bytes", place=place)
        try:
            found.append(content[at + 4 : end].decode())
        except UnicodeDecodeError as error:
            raise RequestError("HS501", f"text {len(found)} is not UTF-8: {error}", place=place) from error
        at = end
    if len(found) != count:
        raise RequestError("HS501", f"got {len(found)} texts for shape {tensor.shape}", place=place)
    return found
