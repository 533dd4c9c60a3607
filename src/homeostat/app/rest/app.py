"""The ASGI application: one request in, one reply out, whatever happens."""

from __future__ import annotations

import asyncio
import sys
import time
import traceback
from dataclasses import replace
from typing import TYPE_CHECKING

from homeostat.app.rest.protocol import ClientGoneError, error_reply
from homeostat.app.rest.routes import dispatch, find_route
from homeostat.errors import HomeostatError, RequestError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from homeostat.app.rest.lines import LineStream
    from homeostat.app.rest.protocol import Message, Receive, Reply, Send
    from homeostat.app.rest.routes import Route
    from homeostat.app.rest.service import Service


def make_app(service: Service) -> Callable[[Message, Receive, Send], Awaitable[None]]:
    """The application that serves this state."""

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        started = time.perf_counter()
        route = find_route(scope["path"])
        try:
            reply = await _reply(service, route, scope, receive, started)
        except ClientGoneError:
            service.metrics.observe(route.name if route else "none", 499, time.perf_counter() - started)
            return
        service.metrics.observe(route.name if route else "none", reply.status, time.perf_counter() - started)
        try:
            await reply.send(send)
        except Exception as error:
            failed(error, plain=False)  # said on stderr; the caller sees a reply that breaks off
            raise

    return app


async def _reply(service: Service, route: Route | None, scope: Message, receive: Receive, started: float) -> Reply | LineStream:
    plain = scope["path"].startswith("/v2")
    try:
        return await dispatch(service, route, scope, receive, started)
    except ClientGoneError:
        raise
    except asyncio.CancelledError:  # the server stops and this request's body never came
        return failed(RequestError("HS503", "the server is stopping", status=503), plain=plain)
    except Exception as error:  # noqa: BLE001  # the last resort: answered, whatever it is
        reply = failed(error, plain=plain)
        if reply.status == 405 and route is not None:
            return replace(reply, headers=((b"allow", route.method.encode()),))
        return reply


def failed(error: Exception, *, plain: bool) -> Reply:
    """The reply to a request that failed; what is no error of the caller's is said in full on stderr, and answered as a fault of ours."""
    if isinstance(error, HomeostatError):
        return error_reply(error, plain=plain)
    told = "".join(traceback.format_exception(error))
    sys.stderr.write("HomeostatError[HS001]: a fault of ours while answering a request\n" + told)
    fault = HomeostatError("HS001", f"a fault of ours ({type(error).__name__}); the server's stderr has the detail")
    return error_reply(fault, plain=plain)
