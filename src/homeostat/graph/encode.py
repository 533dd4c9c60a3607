"""A plan as canonical JSON and back, exactly: arrays are base64 of their little-endian bytes with dtype and shape. No pickle."""

from __future__ import annotations

import base64
import binascii
import json
import math
from dataclasses import fields, is_dataclass
from typing import Any, get_args

import numpy as np

from homeostat.core.ids import canonical
from homeostat.errors import BundleError
from homeostat.graph.plan import Input, Interval, Node, Plan

FORMAT, FIRST_FORMAT = 2, 1
"""A plan with an interval is of the second format; any other is written as before there were intervals."""
_RECORDS: dict[str, type] = {kind.__name__: kind for kind in (Plan, Input, Interval, *get_args(Node))}
_DTYPES = ("<f8", "<i8", "|b1", "|u1")


def dump_plan(plan: Plan) -> bytes:
    """The plan as bytes that ``load_plan`` reads back exactly; equal plans give equal bytes."""
    content = _plain(plan)
    if plan.interval is None:
        del content["interval"]
    return canonical({"format": FIRST_FORMAT if plan.interval is None else FORMAT, "plan": content})


def load_plan(content: bytes) -> Plan:
    """The plan behind the bytes of ``dump_plan``.

    Raises:
        BundleError: HS403, written in a newer format; HS401, damaged.
    """
    try:
        document = json.loads(content)
        written = document["format"]
        if isinstance(written, int) and written > FORMAT:
            raise BundleError("HS403", f"got a plan of format {written}; this program reads up to {FORMAT}", next_step="upgrade homeostat")
        plan = _value(document["plan"])
    except (ValueError, KeyError, TypeError, AttributeError, binascii.Error) as damage:
        raise BundleError("HS401", f"the plan cannot be read: {damage}") from damage
    if not isinstance(plan, Plan):
        raise BundleError("HS401", f"got {type(plan).__name__} where a plan is expected")
    return plan


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return {"is": type(value).__name__} | {each.name: _plain(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, np.ndarray):
        kept = np.ascontiguousarray(value, dtype={"f": "<f8", "i": "<i8", "b": "|b1", "u": "|u1"}[value.dtype.kind])
        return {"dtype": kept.dtype.str, "shape": list(kept.shape), "base64": base64.b64encode(kept.tobytes()).decode()}
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": repr(value)}
    return value


def _value(plain: Any) -> Any:
    if isinstance(plain, list):
        return tuple(_value(each) for each in plain)
    if not isinstance(plain, dict):
        return plain
    if "base64" in plain:
        if plain["dtype"] not in _DTYPES:
            raise ValueError(f"got dtype {plain['dtype']!r}; allowed: {', '.join(_DTYPES)}")
        raw = base64.b64decode(plain["base64"], validate=True)
        return np.frombuffer(raw, dtype=plain["dtype"]).reshape(plain["shape"]).astype(np.dtype(plain["dtype"]).newbyteorder("="))
    if "float" in plain:
        return float(plain["float"])
    kind = _RECORDS[plain["is"]]
    return kind(**{name: _value(inner) for name, inner in plain.items() if name != "is"})
