"""``POST /invocations``: rows in the forms of MLflow's model servers, answered as these answer.

JSON: one of ``dataframe_split``, ``dataframe_records``, ``instances`` and ``inputs``; or CSV with a header. What the rows hold is judged as
on ``/predict``. The answer is ``{"predictions": [...]}``: a number each for regressions, else the class as text.
Source: https://mlflow.org/docs/latest/ml/deployment/deploy-model-locally, "Local Inference Server Spec".
"""

from __future__ import annotations

import csv
import io
import re
from typing import TYPE_CHECKING, Any

from homeostat.app.rest.predict import decode_json, refuse_twice
from homeostat.app.rest.protocol import Reply, json_reply
from homeostat.app.rest.rows import ticket_of
from homeostat.core.targets import text_of
from homeostat.errors import RequestError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from homeostat.app.rest.service import Service
    from homeostat.app.rest.ticket import Ticket
    from homeostat.serving.manifest import Field, Manifest

CSV = b"text/csv"
FORMS = ("dataframe_split", "dataframe_records", "instances", "inputs")
_NAN = re.compile(rb'("(?:[^"\\]|\\.)*")|\bNaN\b')
_TRUE, _FALSE = frozenset(("true", "1", "1.0")), frozenset(("false", "0", "0.0"))


def begin(service: Service, body: bytes, started: float, kind: bytes = b"") -> Ticket:
    """The ticket of a body; ``kind`` is its content type.

    Raises:
        RequestError: anything about the request that is not right.
    """
    manifest = service.serving().main.manifest
    rows = csv_rows(body, manifest) if kind == CSV else json_rows(_decoded(body), manifest)
    return ticket_of(service, rows, reply, started)


def reply(ticket: Ticket) -> Reply:
    """``{"predictions": [...]}``."""
    return json_reply({"predictions": [each.prediction for each in ticket.answers]})


def _decoded(body: bytes) -> Any:
    """The body as JSON; a NaN in it, which MLflow's client writes for a missing value, is a null."""
    plain = _NAN.sub(lambda found: found[1] or b"null", body) if b"NaN" in body else body
    value = decode_json(plain)
    refuse_twice(plain)
    return value


def json_rows(value: Any, manifest: Manifest) -> list[dict[str, Any]]:
    """The rows in one of MLflow's JSON forms.

    Raises:
        RequestError: HS501 (400), none of them, or several.
    """
    if not isinstance(value, dict) or sum(form in value for form in FORMS) != 1 or not value.keys() <= {*FORMS, "params"}:
        got = sorted(value)[:5] if isinstance(value, dict) else type(value).__name__
        raise RequestError("HS501", f'got {got}; allowed: an object with one of {", ".join(FORMS)}, and "params" that is empty')
    if value.get("params"):
        raise RequestError("HS501", "got params; this model takes none", place="params")
    form = next(form for form in FORMS if form in value)
    content = value[form]
    if form == "dataframe_split":
        return _split(content)
    if isinstance(content, dict) and form != "dataframe_records":
        return _columns(content, form)
    return _listed(content, manifest, form)


def csv_rows(body: bytes, manifest: Manifest) -> list[dict[str, Any]]:
    """The rows of a CSV with a header; an empty field is a null, and a column without a name, as pandas writes its index, is left out.

    Raises:
        RequestError: HS501 (400), not UTF-8, no header, a name twice, or a line of another length.
    """
    try:
        lines = list(csv.reader(io.StringIO(body.decode("utf-8-sig"), newline=""), strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise RequestError("HS501", f"the body is not CSV in UTF-8: {error}") from error
    header, *rest = [line for line in lines if line] or [[]]
    names = [name for name in header if name]
    if not names or len(set(names)) < len(names):
        raise RequestError("HS501", f"got the header {header[:5]}; allowed: names of fields, each once")
    fields = {each.name: each for each in manifest.inputs}
    readers = [(at, name, _reader(fields.get(name))) for at, name in enumerate(header) if name]
    for at, line in enumerate(rest):
        if len(line) != len(header):
            raise RequestError("HS501", f"got {len(line)} fields where the header has {len(header)}", place=f"row {at}")
    return [{name: read(line[at]) if line[at] else None for at, name, read in readers} for line in rest]


def _split(content: Any) -> list[dict[str, Any]]:
    place = "dataframe_split"
    if not isinstance(content, dict) or not content.keys() <= {"columns", "data", "index"} or not {"columns", "data"} <= content.keys():
        raise RequestError("HS501", 'allowed: an object with "columns", "data" and perhaps "index"', place=place)
    names, data = content["columns"], content["data"]
    if not isinstance(names, list) or not isinstance(data, list):
        raise RequestError("HS501", 'allowed: lists in "columns" and "data"', place=place)
    return _named([str(name) for name in names], data, place)


def _named(names: Sequence[str], data: list[Any], place: str) -> list[dict[str, Any]]:
    if len(set(names)) < len(names):
        raise RequestError("HS501", "got a column twice; allowed: once", place=place)
    for at, values in enumerate(data):
        if not isinstance(values, list) or len(values) != len(names):
            got = f"{len(values)} values" if isinstance(values, list) else type(values).__name__
            raise RequestError("HS501", f"got {got}; allowed: a list of {len(names)} values", place=f"{place} row {at}")
    return [dict(zip(names, values, strict=True)) for values in data]


def _columns(content: dict[str, Any], form: str) -> list[dict[str, Any]]:
    """Columns by name, or one row of plain values."""
    if not any(isinstance(each, list) for each in content.values()):
        return [content]
    columns = {name: each if isinstance(each, list) else [each] for name, each in content.items()}
    if len({len(each) for each in columns.values()}) != 1:
        raise RequestError("HS501", "got columns of different lengths; allowed: equal lengths", place=form)
    rows = zip(*columns.values(), strict=True)
    return [{name: _alone(value) for name, value in zip(columns, row, strict=True)} for row in rows]


def _alone(value: Any) -> Any:
    """A value that comes as a list of one, as a column of a two-dimensional array does."""
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def _listed(content: Any, manifest: Manifest, form: str) -> list[dict[str, Any]]:
    """Records, or lists of values in the order of the model's inputs."""
    if not isinstance(content, list):
        raise RequestError("HS501", f"got {type(content).__name__}; allowed: a list of rows", place=form)
    if all(isinstance(each, dict) for each in content):
        return content
    if form == "dataframe_records":
        raise RequestError("HS501", "allowed: a list of objects of named fields", place=form)
    return _named(manifest.required(), content, form)


def _reader(field: Field | None) -> Callable[[str], Any]:
    """The function from a CSV field to the value that JSON would have carried; what it cannot read it leaves for the decoder to refuse."""
    if field is None or field.kind == "text":
        return str
    if field.kind == "category":
        return lambda text: _category(text, field)
    if field.kind == "boolean":
        return lambda text: text.lower() in _TRUE if text.lower() in _TRUE | _FALSE else text
    return _number if field.kind == "number" else lambda text: text if "-" in text[1:] else _number(text)


def _number(text: str) -> float | int | str:
    try:
        return int(text) if text.lstrip("-").isdecimal() and len(text) < 19 else float(text.replace("_", "?"))
    except ValueError:
        return text


def _category(text: str, field: Field) -> str:
    """The text; a number that no value of the vocabulary is written like, by the rule of ``text_of``: pandas writes 1 as 1.0."""
    if text in field.vocabulary:
        return text
    number = _number(text)
    return text if isinstance(number, str) else text_of(number)
