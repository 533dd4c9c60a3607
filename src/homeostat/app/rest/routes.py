"""Which address does what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from homeostat import __version__
from homeostat.app.rest import predict, v2
from homeostat.app.rest.metrics import CONTENT_TYPE
from homeostat.app.rest.protocol import Reply, json_reply, read_json_body
from homeostat.errors import RequestError

if TYPE_CHECKING:
    from collections.abc import Callable

    from homeostat.app.rest.protocol import Message, Receive
    from homeostat.app.rest.service import Service
    from homeostat.app.rest.ticket import Ticket

FIXED = {
    "/": "root",
    "/predict": "predict",
    "/metrics": "metrics",
    "/v2": "server",
    "/v2/health": "health",
    "/v2/health/live": "live",
    "/v2/health/ready": "ready",
}
MODEL = {"": "model", "ready": "model_ready", "infer": "infer"}
POSTS = ("predict", "infer")


@dataclass(frozen=True, slots=True)
class Route:
    """An address this server has: its name (also the metric's label) and, for models, what the path names."""

    name: str
    model: str = ""
    version: str | None = None

    @property
    def method(self) -> str:
        """The one method it takes (HEAD goes with GET)."""
        return "POST" if self.name in POSTS else "GET"


def find_route(path: str) -> Route | None:
    """The route of a path, or None."""
    if path in FIXED:
        return Route(FIXED[path])
    parts = path.split("/")[1:]
    if parts[:2] != ["v2", "models"] or len(parts) < 3 or not parts[2]:
        return None
    model, rest, version = parts[2], parts[3:], None
    if rest[:1] == ["versions"] and len(rest) >= 2:
        version, rest = rest[1], rest[2:]
    name = MODEL.get(rest[0] if rest else "") if len(rest) <= 1 and rest != [""] else None
    return Route(name, model, version) if name else None


async def dispatch(service: Service, route: Route | None, scope: Message, receive: Receive, started: float) -> Reply:
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
    if route.name not in POSTS:
        return _look_up(service, route)
    body = await read_json_body(scope, receive, service.limits)
    return (await service.batcher.answered(begin(service, route, body, started))).reply()


def begin(service: Service, route: Route, body: bytes, started: float) -> Ticket:
    """The ticket of a request that predicts.

    Raises:
        RequestError: whatever is wrong with the body.
    """
    if not body:
        raise RequestError("HS501", "got an empty body; allowed: JSON")
    if route.name == "predict":
        return predict.begin(service, body, started)
    return v2.begin(service, body, started, route.model, route.version)


def _look_up(service: Service, route: Route) -> Reply:
    looks: dict[str, Callable[[], Reply]] = {
        "root": lambda: _root(service),
        "metrics": lambda: _metrics(service),
        "server": v2.server_metadata,
        "health": lambda: v2.health(service),
        "live": lambda: json_reply({"live": True}),
        "ready": lambda: v2.ready(service),
        "model": lambda: v2.model_metadata(service, route.model, route.version),
        "model_ready": lambda: v2.model_ready(service, route.model, route.version),
    }
    return looks[route.name]()


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
            "infer": f"POST /v2/models/{service.name}/infer",
            "metadata": f"GET /v2/models/{service.name}",
            "health": "GET /v2/health",
            "metrics": "GET /metrics",
        }
    )
