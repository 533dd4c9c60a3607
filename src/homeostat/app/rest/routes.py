"""Which address does what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from homeostat import __version__
from homeostat.app.rest import arrow, events, explain, invocations, openapi, page, predict, v2, v2_infer
from homeostat.app.rest.each_row import predict_each
from homeostat.app.rest.lines import LINES, LineStream
from homeostat.app.rest.metrics import CONTENT_TYPE
from homeostat.app.rest.protocol import JSON, Reply, accepts, body_kind, check_length, json_reply, read_body
from homeostat.app.rest.v2_binary import HEADER, OCTETS, json_length
from homeostat.errors import RequestError

if TYPE_CHECKING:
    from collections.abc import Callable

    from homeostat.app.rest.protocol import HeaderList, Message, Receive
    from homeostat.app.rest.service import Service
    from homeostat.app.rest.ticket import Ticket

FIXED = {
    "/": "root",
    "/predict": "predict",
    "/explain": "explain",
    "/events": "events",
    "/invocations": "invocations",
    "/ping": "ping",
    "/health": "ping",
    "/version": "version",
    "/openapi.json": "openapi",
    "/metrics": "metrics",
    "/v2": "server",
    "/v2/health": "health",
    "/v2/health/live": "live",
    "/v2/health/ready": "ready",
    "/v2/repository/index": "index",
}
MODEL = {"": "model", "ready": "model_ready", "infer": "infer"}
POSTS = ("predict", "infer", "invocations")
"""Addresses whose JSON bodies make a ticket."""
TEXT = b"text/plain; charset=utf-8"
_TAKE_BODIES = frozenset((*POSTS, "explain", "events", "index"))
_PREDICT_KINDS = (JSON, *LINES, arrow.ARROW)


@dataclass(frozen=True, slots=True)
class Route:
    """An address this server has: its name (also the metric's label) and, for models, what the path names."""

    name: str
    model: str = ""
    version: str | None = None

    @property
    def method(self) -> str:
        """The one method it takes (HEAD goes with GET)."""
        return "POST" if self.name in _TAKE_BODIES else "GET"


def find_route(path: str) -> Route | None:
    """The route of a path, or None."""
    if path in FIXED:
        return Route(FIXED[path])
    parts = path.split("/")[1:]
    if parts[0] == "events" and len(parts) == 2 and parts[1]:
        return Route("events", parts[1])
    if parts[:2] != ["v2", "models"] or len(parts) < 3 or not parts[2]:
        return None
    model, rest, version = parts[2], parts[3:], None
    if rest[:1] == ["versions"] and len(rest) >= 2:
        version, rest = rest[1], rest[2:]
    name = MODEL.get(rest[0] if rest else "") if len(rest) <= 1 and rest != [""] else None
    return Route(name, model, version) if name else None


async def dispatch(service: Service, route: Route | None, scope: Message, receive: Receive, started: float) -> Reply | LineStream:
    """The reply of a route.

    Raises:
        RequestError: HS504, no such address (404) or method (405); whatever is wrong with the request.
    """
    if route is None:
        raise RequestError("HS504", f"got {scope['path'][:120]!r}; `GET /` lists what there is", status=404)
    method = scope["method"]
    if method != route.method and not (method == "HEAD" and route.method == "GET"):
        raise RequestError("HS504", f"got method {method[:20]}; allowed: {route.method}", status=405)
    if service.guard is not None:
        service.guard.check(route.name, next((value for name, value in scope["headers"] if name == b"authorization"), None))
    if route.name not in _TAKE_BODIES:
        return _look_up(service, route, scope["headers"])
    if route.name == "predict":
        return await _predict(service, scope, receive, started)
    return await _posted(service, route, scope["headers"], receive, started)


async def _posted(service: Service, route: Route, headers: HeaderList, receive: Receive, started: float) -> Reply:
    """The reply to a body that is read as a whole."""
    binary = next((value for name, value in headers if name == HEADER), None) if route.name == "infer" else None
    others = {"infer": () if binary is None else (OCTETS,), "invocations": (invocations.CSV,), "events": LINES}
    kind = body_kind(headers, (JSON, *others.get(route.name, ())))
    check_length(headers, service.limits)
    body = await read_body(receive, service.limits)
    if route.name == "index":
        return v2.index(service, body)
    if route.name == "events":
        return await events.reply(service, route.model or None, _not_empty(body), lines=kind in LINES)
    if route.name == "explain":
        return await explain.reply(service, _not_empty(body), started)
    if binary is not None:
        ticket = v2_infer.begin(service, body, started, route.model, route.version, json_length(binary, body))
    elif kind == invocations.CSV:
        ticket = invocations.begin(service, body, started, kind)
    else:
        ticket = begin(service, route, body, started)
    return (await service.batcher.answered(ticket)).reply()


def begin(service: Service, route: Route, body: bytes, started: float) -> Ticket:
    """The ticket of a request that predicts, whose body is JSON.

    Raises:
        RequestError: whatever is wrong with the body.
    """
    _not_empty(body)
    if route.name == "predict":
        return predict.begin(service, body, started)
    if route.name == "invocations":
        return invocations.begin(service, body, started)
    return v2_infer.begin(service, body, started, route.model, route.version)


async def _predict(service: Service, scope: Message, receive: Receive, started: float) -> Reply | LineStream:
    """``POST /predict`` in all its forms."""
    headers = scope["headers"]
    kind, answer_bad = body_kind(headers, _PREDICT_KINDS), _answers_bad_rows(scope.get("query_string", b""))
    if kind in LINES:
        service.serving()
        return LineStream(service, receive)
    check_length(headers, service.limits)
    body = _not_empty(await read_body(receive, service.limits))
    if answer_bad and kind == JSON:
        return await predict_each(service, body, started)
    if answer_bad:
        raise RequestError("HS501", "bad_rows=answer is there for JSON", place="query")
    if kind == arrow.ARROW:
        ticket = await arrow.begin(service, body, started, as_arrow=accepts(headers, arrow.ARROW))
    else:
        ticket = predict.begin(service, body, started)
    return (await service.batcher.answered(ticket)).reply()


def _answers_bad_rows(query: bytes) -> bool:
    """Whether a bad row is answered in its place, as the query asks.

    Raises:
        RequestError: HS501 (400), another query.
    """
    asked = dict(parse_qsl(query.decode("latin-1"), keep_blank_values=True))
    said = asked.pop("bad_rows", "refuse")
    if asked or said not in ("refuse", "answer"):
        got = query.decode("latin-1")[:80]
        raise RequestError("HS501", f"got {got!r}; allowed: bad_rows=refuse (what is done without it) or bad_rows=answer", place="query")
    return said == "answer"


def _not_empty(body: bytes) -> bytes:
    if not body:
        raise RequestError("HS501", "got an empty body; allowed: JSON")
    return body


def _look_up(service: Service, route: Route, headers: HeaderList) -> Reply:
    looks: dict[str, Callable[[], Reply]] = {
        "root": lambda: page.reply(service) if accepts(headers, page.HTML) else _root(service),
        "openapi": lambda: openapi.reply(service),
        "ping": lambda: _ping(service),
        "version": lambda: Reply(200, __version__.encode(), TEXT),
        "metrics": lambda: _metrics(service),
        "server": v2.server_metadata,
        "health": lambda: v2.health(service),
        "live": lambda: json_reply({"live": True}),
        "ready": lambda: v2.ready(service),
        "model": lambda: v2.model_metadata(service, route.model, route.version),
        "model_ready": lambda: v2.model_ready(service, route.model, route.version),
    }
    return looks[route.name]()


def _ping(service: Service) -> Reply:
    """``/ping`` and ``/health`` as MLflow's servers have them: an empty line when a model serves."""
    service.serving()
    return Reply(200, b"\n", TEXT)


def _metrics(service: Service) -> Reply:
    slot, healthy = service.slot, not (service.problem or service.log.failure)
    metrics = service.metrics if service.siblings is None else service.metrics.plus(service.siblings.others())
    return Reply(200, metrics.text(version=slot.version if slot else None, swaps=service.swaps, healthy=healthy), CONTENT_TYPE)


def _root(service: Service) -> Reply:
    slot = service.slot
    return json_reply(
        {
            "model": service.name,
            "version": slot.version if slot else None,
            "homeostat": __version__,
            "predict": "POST /predict",
            "example": {each.name: each.example for each in slot.manifest.inputs} if slot else None,
            "explain": "POST /explain",
            **({"events": "POST /events"} if service.push is not None else {}),
            "infer": f"POST /v2/models/{service.name}/infer",
            "metadata": f"GET /v2/models/{service.name}",
            "invocations": "POST /invocations",
            "health": "GET /v2/health",
            "metrics": "GET /metrics",
            "openapi": "GET /openapi.json",
        }
    )
