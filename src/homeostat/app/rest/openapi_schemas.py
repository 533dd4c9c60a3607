"""JSON Schemas of what a model takes and answers, made from its manifest.

Source: https://json-schema.org/draft/2020-12, which OpenAPI 3.1 uses.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from homeostat.app.rest.v2_tensors import VALUES
from homeostat.graph.fields import ALLOWED, EARLIEST, END

if TYPE_CHECKING:
    from homeostat.app.rest.protocol import Limits
    from homeostat.serving.manifest import Field, Manifest

Schema = dict[str, Any]
SHOWN_VALUES = 20
LARGEST = sys.float_info.max
PLAIN: Schema = {"type": ["string", "number", "boolean", "null"]}


def ref(name: str) -> Schema:
    """A reference to a schema of the document."""
    return {"$ref": f"#/components/schemas/{name}"}


def record(properties: Schema, *optional: str, **more: Any) -> Schema:
    """An object with these properties and no others, all but the optional ones required."""
    required = [name for name in properties if name not in optional]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False, **more}


def field_schema(field: Field) -> Schema:
    """What a caller may send in a field."""
    told: Schema = {"description": _description(field)}
    examples: list[Any] = [] if field.example is None else [field.example]
    if field.kind == "category":
        examples += [each for each in field.vocabulary[:SHOWN_VALUES] if each not in examples]
    if field.nullable:
        examples.append(None)
    return {**_KINDS[field.kind], **told, "examples": examples} if examples else {**_KINDS[field.kind], **told}


_NUMBER: Schema = {"type": ["number", "null"], "minimum": -LARGEST, "maximum": LARGEST}
_KINDS: dict[str, Schema] = {
    "number": _NUMBER,
    "boolean": {"anyOf": [{"type": ["boolean", "null"]}, {"enum": [0, 1]}]},
    "timestamp": {
        "anyOf": [
            {"type": "string", "format": "date-time"},
            {"type": "string", "format": "date"},
            {"type": "number", "minimum": EARLIEST, "exclusiveMaximum": END, "description": "seconds since 1970 UTC"},
            {"type": "null"},
        ]
    },
    "category": PLAIN,
    "text": {"type": ["string", "null"]},
}


def row_schema(manifest: Manifest) -> Schema:
    """One row of named fields; every input must be there, a missing value as null."""
    fields = {each.name: field_schema(each) for each in manifest.inputs}
    ignored = {name: {**PLAIN, "description": "Logged; no prediction depends on it."} for name in manifest.ignored if name not in fields}
    return record({**fields, **ignored}, *ignored, examples=[{each.name: each.example for each in manifest.inputs}])


def answer_schema(manifest: Manifest) -> Schema:
    """The answer to one row."""
    share: Schema = {"type": "number", "minimum": 0, "maximum": 1}
    told: Schema = {"id": {"type": "string", "description": "Under which the prediction is logged."}}
    version: Schema = {"version": {"type": "integer", "description": "That answered the row, where rows of a request may differ in it."}}
    if manifest.task == "regression":
        told["prediction"] = {"type": "number", "description": f"{manifest.target}."}
        if manifest.intervals:
            told |= {name: {"type": "number"} for name in ("lower", "upper")}
        return record({**told, **version}, "version")
    told["prediction"] = {"enum": list(manifest.classes), "description": f"{manifest.target}."}
    if manifest.task == "binary":
        return record({**told, "probability": {**share, "description": f"That it is {manifest.classes[-1]}."}, **version}, "version")
    return record({**told, "probabilities": record(dict.fromkeys(manifest.classes, share)), **version}, "version")


_TEXT: Schema = {"type": "string"}
_FLOAT: Schema = {"type": "number"}
_VERSION: Schema = {"type": "integer", "minimum": 1}
_ANYTHING: Schema = {"type": ["object", "null"]}


def model_schemas(manifest: Manifest, limits: Limits) -> Schema:
    """The schemas of a model's own rows and answers, in all protocols."""
    rows: Schema = {"type": "array", "items": ref("Row"), "minItems": 1, "maxItems": limits.max_rows}
    answers: Schema = {"type": "array", "items": ref("Answer")}
    told: Schema = {"type": "array", "items": {"anyOf": [ref("Answer"), ref("Error")]}}
    several: Schema = {"type": ["integer", "null"], "minimum": 1}
    return {
        "Row": row_schema(manifest),
        "Rows": {"anyOf": [ref("Row"), rows, record({"rows": rows})]},
        "Answer": answer_schema(manifest),
        "Predicted": record({"model": _TEXT, "version": several, "request": _TEXT, "predictions": answers}),
        "EachPredicted": record({"model": _TEXT, "refused": {"type": "integer", "minimum": 0}, "predictions": told}),
        "Explanations": _explanations(manifest),
        "Invocation": _invocation(rows),
        **_v2_schemas(manifest),
    }


def _explanations(manifest: Manifest) -> Schema:
    added = record(
        {"field": {"enum": list(manifest.required())}, "value": PLAIN, "contribution": _FLOAT, "standard_error": _FLOAT}, "standard_error"
    )
    one = record({"output": _TEXT, "base": _FLOAT, "score": _FLOAT, "contributions": {"type": "array", "items": added}})
    return record(
        {
            "model": _TEXT,
            "version": _VERSION,
            "scale": {**_TEXT, "description": "The units of base, score and contributions."},
            "method": {"enum": ["exact", "sampled"]},
            "compared_with": {"enum": ["training rows", "the example row"]},
            "explanations": {"type": "array", "items": one},
        }
    )


def _v2_schemas(manifest: Manifest) -> Schema:
    names = {"enum": [*(each.name for each in manifest.outputs), "prediction_id"]}
    shape: Schema = {"type": "array", "items": {"type": "integer", "minimum": 0}, "minItems": 1, "maxItems": 2}
    tensor = record(
        {
            "name": {"enum": [*manifest.required(), *manifest.ignored]},
            "shape": {**shape, "description": "[n] or [n, 1]"},
            "datatype": {"enum": list(VALUES)},
            "data": {"type": "array", "description": "Row by row; null is a missing value."},
            "parameters": _ANYTHING,
        },
        "data",
        "parameters",
    )
    given = {"name": names, "datatype": _TEXT, "shape": shape, "data": {"type": "array"}, "parameters": {"type": "object"}}
    asked = {
        "id": {"type": ["string", "null"]},
        "inputs": {"type": "array", "items": tensor, "minItems": 1},
        "outputs": {"type": ["array", "null"], "items": record({"name": names, "parameters": {"type": "object"}}, "parameters")},
        "parameters": _ANYTHING,
    }
    outputs = {"type": "array", "items": record(given, "data", "parameters")}
    told = {"model_name": _TEXT, "model_version": _TEXT, "id": _TEXT, "parameters": {"type": "object"}, "outputs": outputs}
    return {
        "Inference": record(asked, "id", "outputs", "parameters", examples=[_inference_example(manifest)]),
        "Inferred": record(told, "id"),
    }


def _invocation(rows: Schema) -> Schema:
    params: Schema = {"type": ["object", "null"], "maxProperties": 0}
    split = record(
        {"columns": {"type": "array"}, "data": {"type": "array", "items": {"type": "array"}}, "index": {"type": "array"}}, "index"
    )
    forms = {
        "dataframe_split": split,
        "dataframe_records": rows,
        "instances": {"type": ["array", "object"]},
        "inputs": {"type": ["array", "object"]},
    }
    return {"anyOf": [record({name: form, "params": params}, "params") for name, form in forms.items()]}


def _inference_example(manifest: Manifest) -> Schema:
    kinds = {"number": "FP64", "boolean": "BOOL"}
    return {
        "inputs": [
            {"name": each.name, "shape": [1], "datatype": kinds.get(each.kind, "BYTES"), "data": [each.example]} for each in manifest.inputs
        ]
    }


def _description(field: Field) -> str:
    told = [f"{ALLOWED[field.kind]}."]
    if field.minimum is not None and field.maximum is not None:
        told.append(f"From {field.minimum:g} to {field.maximum:g} in the rows the model was made from; other numbers are taken.")
    if field.kind == "category" and field.vocabulary:
        known = ", ".join(field.vocabulary[:SHOWN_VALUES])
        more = f" and {len(field.vocabulary) - SHOWN_VALUES} more" if len(field.vocabulary) > SHOWN_VALUES else ""
        told.append(f"Known values: {known}{more}; others are taken as never seen.")
    return " ".join(told)[:1].upper() + " ".join(told)[1:]
