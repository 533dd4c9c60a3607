"""``GET /openapi.json``: what this server takes and answers now, as OpenAPI 3.1, made from the manifest of the model that serves.

Source: https://spec.openapis.org/oas/v3.1.1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from homeostat import __version__
from homeostat.app.rest.arrow import ARROW
from homeostat.app.rest.explain import EXACT_ROWS, SAMPLED_ROWS
from homeostat.app.rest.invocations import CSV
from homeostat.app.rest.lines import LINES, MAX_LINE_BYTES
from homeostat.app.rest.openapi_schemas import Schema, model_schemas, record, ref
from homeostat.app.rest.protocol import Reply, json_reply
from homeostat.app.rest.v2_binary import OCTETS
from homeostat.errors import CODES

if TYPE_CHECKING:
    from homeostat.app.rest.protocol import Limits
    from homeostat.app.rest.service import Service, Slot

_JSON = "application/json"
ERRORS: dict[int, tuple[str, ...]] = {
    400: ("HS501",),
    401: ("HS471",),
    403: ("HS471",),
    404: ("HS454", "HS504"),
    405: ("HS504",),
    408: ("HS503",),
    413: ("HS503",),
    415: ("HS501",),
    422: ("HS455", "HS501", "HS502"),
    429: ("HS506",),
    431: ("HS503",),
    500: ("HS001",),
    503: ("HS503", "HS505", "HS602"),
}
"""The statuses of refusals, and the codes that come with them."""
_EVENT: Schema = {"type": "object", "minProperties": 1, "description": "The fields of the table."}
_EVENTS: Schema = {"anyOf": [_EVENT, {"type": "array", "items": _EVENT, "minItems": 1}]}
_REFUSED = record({"event": {"type": "integer"}, "code": {"type": "string"}, "message": {"type": "string"}})
_TAKEN = record(
    {**{name: {"type": "integer"} for name in ("taken", "repeated", "late")}, "refused": {"type": "array", "items": _REFUSED}},
)
_LOOKS = (401, 403, 405, 408, 431, 500)
_POSTS = (400, 401, 403, 405, 408, 413, 415, 422, 429, 431, 500, 503)
_WITH_AGAIN = (429, 503)


def reply(service: Service) -> Reply:
    """The document; without a model it has no addresses that need one.

    Raises:
        RequestError: HS505 (503), no model is promoted yet.
    """
    return json_reply(document(service.serving().main, service.limits))


def document(slot: Slot, limits: Limits) -> Schema:
    """The OpenAPI document of a model."""
    manifest = slot.manifest
    told = f"Version {slot.version}. Predicts {manifest.target} ({manifest.task}). "
    bounds = f"A request has at most {limits.max_body_bytes} bytes and {limits.max_rows} rows, and {limits.body_timeout_s:g} s to arrive. "
    return {
        "openapi": "3.1.0",
        "info": {"title": slot.model, "version": str(slot.version), "description": told + bounds, "x-homeostat": __version__},
        "paths": {**_own_paths(), **_v2_paths(slot), **_plain_paths()},
        "security": [{}, {"token": []}],
        "components": {
            "schemas": {**model_schemas(manifest, limits), **_error_schemas()},
            "responses": _error_responses(),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "description": "Asked for where the project has tokens."}},
        },
    }


def _own_paths() -> Schema:
    bad_rows = {
        "name": "bad_rows",
        "in": "query",
        "description": "What a bad row does: fail the request, or be answered by its error in its place.",
        "schema": {"enum": ["refuse", "answer"], "default": "refuse"},
    }
    binary: Schema = {"type": "string", "format": "binary"}
    rows = {_JSON: {"schema": ref("Rows")}}
    return {
        "/predict": _post(
            "predict",
            "Predict rows of named fields",
            {**rows, **{each.decode(): {"schema": {"type": "string"}} for each in LINES[:2]}, ARROW.decode(): {"schema": binary}},
            {
                _JSON: {"schema": {"anyOf": [ref("Predicted"), ref("EachPredicted")]}},
                LINES[0].decode(): {"schema": {"type": "string"}},
                ARROW.decode(): {"schema": binary},
            },
            description=(
                "One row, a list of rows, or an object with rows. As a stream of lines: one row and one answer each, any number of them, "
                f"of at most {MAX_LINE_BYTES} bytes. As an Arrow IPC stream: answered as one when accepted."
            ),
            parameters=[bad_rows],
        ),
        "/explain": _post(
            "explain",
            "What each field adds to the raw score",
            rows,
            {_JSON: {"schema": ref("Explanations")}},
            description=f"At most {EXACT_ROWS} rows where values are exact, {SAMPLED_ROWS} where they are sampled. Not logged.",
        ),
        "/events": _post(
            "events",
            "Take in events of a joined table",
            {_JSON: {"schema": _EVENTS}, LINES[0].decode(): {"schema": {"type": "string"}}},
            {_JSON: {"schema": _TAKEN}},
            description="For features that are looked up when a row is asked about; `/events/{table}` where several tables have such.",
            also=(404,),
        ),
        "/invocations": _post(
            "invocations",
            "Predict as MLflow's model servers do",
            {_JSON: {"schema": ref("Invocation")}, CSV.decode(): {"schema": {"type": "string"}}},
            {_JSON: {"schema": record({"predictions": {"type": "array", "items": {"type": ["number", "string"]}}})}},
        ),
    }


def _v2_paths(slot: Slot) -> Schema:
    version: Schema = {"name": "version", "in": "path", "required": True, "schema": {"enum": [str(slot.version)]}}
    anything: Schema = {"type": "object"}
    found: Schema = {
        "/v2": _get("v2_server", "The server", anything),
        "/v2/health": _get("v2_health", "What serves and what is wrong", anything),
    }
    found["/v2/health/live"] = _get("v2_live", "Whether the server lives", record({"live": {"type": "boolean"}}))
    found["/v2/health/ready"] = _get("v2_ready", "Whether a model serves", record({"ready": {"type": "boolean"}}), also=(503,))
    ready = record({"name": {"type": "string"}, "ready": {"type": "boolean"}})
    for path, place, name in (("", [], ""), ("/versions/{version}", [version], "_version")):
        base = f"/v2/models/{slot.model}{path}"
        more: Schema = {"parameters": place} if place else {}
        found[base] = _get(f"v2_model{name}", "The model's tensors", anything, also=(404, 503), **more)
        found[f"{base}/ready"] = _get(f"v2_model_ready{name}", "Whether the model answers", ready, also=(404, 503), **more)
        octets: Schema = {OCTETS.decode(): {"schema": {"type": "string", "format": "binary"}}}
        found[f"{base}/infer"] = _post(
            f"v2_infer{name}",
            "Infer on named tensors",
            {_JSON: {"schema": ref("Inference")}, **octets},
            {_JSON: {"schema": ref("Inferred")}, **octets},
            plain=True,
            also=(404,),
            description="With the header Inference-Header-Content-Length, tensors follow the JSON in binary.",
            **more,
        )
    index = {"type": "array", "items": {"type": "object"}}
    asked = {_JSON: {"schema": record({"ready": {"type": "boolean"}}, "ready")}}
    found["/v2/repository/index"] = _post("v2_index", "The models", asked, {_JSON: {"schema": index}}, plain=True)
    return found


def _plain_paths() -> Schema:
    text: Schema = {"text/plain": {"schema": {"type": "string"}}}
    page: Schema = {_JSON: {"schema": {"type": "object"}}, "text/html": {"schema": {"type": "string"}}}
    return {
        "/": _get("root", "Where to look; a page to try the model on when HTML is accepted", content=page),
        "/openapi.json": _get("openapi", "This document", {"type": "object"}, also=(503,)),
        "/metrics": _get("metrics", "Counts as Prometheus text", content=text),
        "/ping": _get("ping", "Whether a model serves, as MLflow's servers tell it", content=text, also=(503,)),
        "/health": _get("mlflow_health", "The same", content=text, also=(503,)),
        "/version": _get("version", "The version of Homeostat", content=text),
    }


def _get(
    name: str, summary: str, schema: Schema | None = None, *, content: Schema | None = None, also: tuple[int, ...] = (), **more: Any
) -> Schema:
    right = {"description": "Told.", "content": content or {_JSON: {"schema": schema}}}
    responses: Schema = {"200": right, **_refused(*_LOOKS, *also, plain=name.startswith("v2"))}
    if name == "v2_ready":
        responses["503"] = right
    return {"get": {"operationId": name, "summary": summary, "responses": responses, **more}}


def _post(name: str, summary: str, takes: Schema, gives: Schema, *, plain: bool = False, also: tuple[int, ...] = (), **more: Any) -> Schema:
    operation = {
        "operationId": name,
        "summary": summary,
        "requestBody": {"required": name != "v2_index", "content": takes},
        "responses": {"200": {"description": "Answered.", "content": gives}, **_refused(*_POSTS, *also, plain=plain)},
    }
    return {"post": {**operation, **more}}


def _refused(*statuses: int, plain: bool) -> Schema:
    return {str(status): {"$ref": f"#/components/responses/{'V2' if plain else ''}Refused{status}"} for status in sorted(statuses)}


def _error_schemas() -> Schema:
    text: Schema = {"type": "string"}
    field = record({"row": {"type": "integer"}, "field": text, "got": text, "allowed": text}, "row")
    codes = sorted({code for each in ERRORS.values() for code in each})
    fault = record({"code": {"enum": codes}, "message": text, "fields": {"type": "array", "items": field}})
    return {"Error": record({"error": fault}), "V2Error": record({"error": text})}


def _error_responses() -> Schema:
    found: Schema = {}
    for status, codes in ERRORS.items():
        told: Schema = {"description": "; ".join(f"{code}: {CODES[code]}" for code in codes)}
        if status in _WITH_AGAIN:
            told["headers"] = {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds to wait."}}
        if status == 401:
            told["headers"] = {"WWW-Authenticate": {"schema": {"type": "string"}}}
        if status == 405:
            told["headers"] = {"Allow": {"schema": {"type": "string"}}}
        found[f"Refused{status}"] = {**told, "content": {_JSON: {"schema": ref("Error")}}}
        found[f"V2Refused{status}"] = {**told, "content": {_JSON: {"schema": ref("V2Error")}}}
    return found
