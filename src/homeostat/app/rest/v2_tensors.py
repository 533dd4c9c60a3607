"""What the V2 protocol sends: requests, tensors and answers as they stand in JSON, and the values of one tensor as a column."""

from __future__ import annotations

from typing import Any

import msgspec

from homeostat.errors import RequestError

_FLOATS = dict.fromkeys(("FP16", "FP32", "FP64"), (float, int))
_INTEGERS = dict.fromkeys(("INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64"), (int,))
VALUES: dict[str, tuple[type, ...]] = {**_FLOATS, **_INTEGERS, "BOOL": (bool,), "BYTES": (str,)}
"""The datatypes and what JSON values they have."""


class Tensor(msgspec.Struct):
    """One input tensor as it was sent; ``data`` is set when binary data was unpacked."""

    name: str
    shape: list[int]
    datatype: str
    data: list[Any] | msgspec.UnsetType = msgspec.UNSET
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


class Given(msgspec.Struct):
    """One output tensor; ``data`` row by row, unset where it follows in binary."""

    name: str
    datatype: str
    shape: list[int]
    data: list[Any] | msgspec.UnsetType
    parameters: dict[str, Any] | msgspec.UnsetType = msgspec.UNSET


class Inferred(msgspec.Struct, omit_defaults=True):
    """The answer to an inference request."""

    model_name: str
    model_version: str
    parameters: dict[str, Any]
    outputs: list[Given]
    id: str | None = None


def rows_of(tensor: Tensor) -> int:
    """How many rows a tensor says it has.

    Raises:
        RequestError: HS501 (400), an unknown datatype, or another shape than [n] or [n, 1].
    """
    if tensor.datatype not in VALUES:
        raise RequestError("HS501", f"got datatype {tensor.datatype[:40]!r}; allowed: {', '.join(VALUES)}", place=place_of(tensor))
    shape = tensor.shape
    if len(shape) not in (1, 2) or shape[0] < 0 or shape[1:] not in ([], [1]):
        raise RequestError("HS501", f"got shape {shape[:5]}; allowed: [n] or [n, 1]", place=place_of(tensor))
    return shape[0]


def column_of(tensor: Tensor) -> list[Any]:
    """The values of a tensor.

    Raises:
        RequestError: HS501 (400), no data, or data that does not fit the shape or the datatype.
    """
    place, count = place_of(tensor), rows_of(tensor)
    data = tensor.data
    if isinstance(data, msgspec.UnsetType):
        raise RequestError("HS501", "got no data; allowed: a list of values, or binary data with its size", place=place)
    nested = len(tensor.shape) == 2 and all(isinstance(each, list) and len(each) == 1 for each in data)
    column = [each[0] for each in data] if nested else data
    if len(column) != count:
        raise RequestError("HS501", f"got {len(column)} values for shape {tensor.shape}", place=place)
    allowed = VALUES[tensor.datatype]
    wrong = next((at for at, value in enumerate(column) if value is not None and type(value) not in allowed), None)
    if wrong is not None:
        got = type(column[wrong]).__name__
        raise RequestError("HS501", f"got a value of type {got} at {wrong}; datatype {tensor.datatype} and null are allowed", place=place)
    return column


def place_of(tensor: Tensor) -> str:
    """Where an error about a tensor lies."""
    return f"input {tensor.name[:80]!r}"
