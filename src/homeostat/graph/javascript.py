"""Compiles a plan to tables for JavaScript, and gives the hand-written modules that decode raw rows and evaluate them.

Nodes stand in the order they run, each with the width of its block; arrays are base64 of their little-endian bytes in the narrowest
type that holds them. What a node means is the same as in ``interpret``, what a raw value means as in ``fields``.
"""

from __future__ import annotations

import base64
import json
from dataclasses import fields
from importlib import resources
from typing import TYPE_CHECKING, Any

import numpy as np

from homeostat.graph.steps import amounts_of, steps_of
from homeostat.graph.terms import UPPER, WORDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from homeostat.graph.plan import Input, Node, Plan

MODULES = ("values.js", "answers.js", "nodes.js", "model.js")
"""In an order in which each comes after those it imports."""
FORMAT = 1
WHOLE = ("u1", "i1", "u2", "i2", "i4")


def compile_javascript(plan: Plan, ignored: Iterable[str] = ()) -> dict[str, Any]:
    """The tables that ``model.js`` reads; they are JSON.

    Raises:
        BundleError: HS410, the plan holds what JavaScript cannot.
    """
    steps = steps_of(plan, "JavaScript")
    tables = {
        "format": FORMAT,
        **decoder_tables(plan.inputs, ignored),
        **decision_tables(plan),
        "nodes": [_node(node, steps.widths) for node in steps.scores],
        "out": plan.out,
    }
    if plan.interval is not None:
        tables["interval"] = {
            "coverage": plan.interval.coverage,
            "nodes": [_node(node, steps.widths) for node in steps.ends],
            "out": plan.interval.out,
        }
    return tables


def decoder_tables(inputs: Sequence[Input], ignored: Iterable[str]) -> dict[str, Any]:
    """What the decoder reads rows by."""
    rule = {"terms": {"words": [list(each) for each in WORDS], "upper": [list(each) for each in UPPER]}}
    return {
        "inputs": [_input(each) for each in inputs],
        "ignored": list(ignored),
        **(rule if any(each.kind == "text" for each in inputs) else {}),
    }


def decision_tables(plan: Plan) -> dict[str, Any]:
    """What makes answers of scores."""
    return {
        "task": plan.task,
        "target": plan.target,
        "classes": list(plan.classes),
        "threshold": float(plan.threshold),
        "costs": None if plan.costs is None else plan.costs.tolist(),
    }


def module(name: str) -> str:
    """One of the hand-written modules."""
    return (resources.files("homeostat.graph") / "js_parts" / name).read_text(encoding="utf-8")


def written(tables: Mapping[str, Any]) -> str:
    """Tables as JSON in one line, which is JavaScript too."""
    return json.dumps(tables, ensure_ascii=True, allow_nan=False, separators=(",", ":"))


def _input(field: Input) -> dict[str, Any]:
    told: dict[str, Any] = {"name": field.name, "kind": field.kind}
    if field.kind in ("category", "text"):
        told["vocabulary"] = list(field.vocabulary)
    amounts = amounts_of(field.vocabulary) if field.kind == "category" else []
    return told | ({"amounts": amounts} if any(each is not None for each in amounts) else {})


def _node(node: Node, widths: Mapping[str, int]) -> dict[str, Any]:
    told = {each.name: _plain(getattr(node, each.name)) for each in fields(node)}
    return {"is": type(node).__name__, "width": widths[node.out], **told}


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        kind = "f8" if value.dtype.kind == "f" else _narrowest(value)
        packed = np.ascontiguousarray(value).astype(f"<{kind}").tobytes()
        return {"type": kind, "base64": base64.b64encode(packed).decode()}
    return list(value) if isinstance(value, tuple) else value


def _narrowest(values: np.ndarray[Any, Any]) -> str:
    """The smallest of the types that holds all of the whole numbers."""
    low, high = (int(values.min()), int(values.max())) if values.size else (0, 0)
    return next(kind for kind in WHOLE if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max)
