"""``POST /predict`` with a table: an Arrow IPC stream in, and the answers as JSON or as an Arrow stream out.

Polars reads and writes them, loaded when the first such request comes. Before it sees a stream, its headers must say that it stays
within the limits when unpacked; before rows are made of the columns, so must their texts.
"""

from __future__ import annotations

import asyncio
import io
from functools import partial
from typing import TYPE_CHECKING, Any

from homeostat.app.rest import predict
from homeostat.app.rest.arrow_size import unpacked
from homeostat.app.rest.protocol import Reply
from homeostat.app.rest.rows import ticket_of
from homeostat.errors import RequestError

if TYPE_CHECKING:
    import polars as pl

    from homeostat.app.rest.protocol import Limits
    from homeostat.app.rest.service import Service
    from homeostat.app.rest.ticket import Ticket

ARROW = b"application/vnd.apache.arrow.stream"


async def begin(service: Service, body: bytes, started: float, *, as_arrow: bool) -> Ticket:
    """The ticket of a stream's rows; the answer is a stream too with ``as_arrow``.

    Raises:
        RequestError: HS501, no Arrow stream that can be read; HS503 (413), too large when unpacked; HS502, bad fields.
    """
    read = partial(table_rows, body, service.limits, service.serving().main.manifest.ignored)
    rows = await asyncio.get_running_loop().run_in_executor(service.workers, read)
    return ticket_of(service, rows, reply if as_arrow else predict.reply, started)


def table_rows(body: bytes, limits: Limits, ignored: tuple[str, ...]) -> list[dict[str, Any]]:
    """The rows of an Arrow stream.

    Raises:
        RequestError: HS501, it cannot be read; HS502, a column of lists or the like; HS503 (413), too large when unpacked.
    """
    import polars as pl

    try:
        size = unpacked(body)
    except ValueError as error:
        raise RequestError("HS501", f"the body is not an Arrow IPC stream: {error}") from error
    if size.rows > limits.max_rows:
        message = f"got {size.rows} rows; allowed: {limits.max_rows} in one request"
        raise RequestError("HS503", message, status=413, next_step="send them in several requests")
    _require_small(size.size, limits)
    try:
        frame = pl.read_ipc_stream(io.BytesIO(body))
    except (pl.exceptions.PolarsError, OSError, ValueError, pl.exceptions.PanicException) as error:
        raise RequestError("HS501", f"the body is not an Arrow IPC stream: {str(error)[:200]}") from error
    return _plain(frame, limits, ignored).to_dicts()


def reply(ticket: Ticket) -> Reply:
    """The answers as an Arrow stream: ``id``, what ``/predict`` tells, one column per class where there are several, and ``version``."""
    import polars as pl

    slot, found = ticket.slot, ticket.answers
    columns: dict[str, list[Any]] = {"id": list(ticket.ids), "prediction": [each.prediction for each in found]}
    if slot.manifest.task == "binary":
        columns["probability"] = [each.probability for each in found]
    elif slot.manifest.task == "multiclass":
        columns |= {f"probability_{name}": [(each.probabilities or {})[name] for each in found] for name in slot.manifest.classes}
    elif slot.manifest.intervals:
        columns |= {"lower": [each.lower for each in found], "upper": [each.upper for each in found]}
    columns["version"] = ticket.versions or [slot.version] * len(found)
    buffer = io.BytesIO()
    pl.DataFrame(columns).write_ipc_stream(buffer, compat_level=pl.CompatLevel.oldest())
    return Reply(200, buffer.getvalue(), ARROW)


def _plain(frame: pl.DataFrame, limits: Limits, ignored: tuple[str, ...]) -> pl.DataFrame:
    """The frame with texts for categories, and for times that are only logged."""
    import polars as pl

    nested = [name for name, kind in frame.schema.items() if kind.is_nested() or kind in (pl.Binary, pl.Object)]
    if nested:
        got, allowed = str(frame.schema[nested[0]]), "a column of numbers, texts, booleans or times"
        field: dict[str, object] = {"row": 0, "field": nested[0], "got": got, "allowed": allowed}
        raise RequestError("HS502", f"got {got}; allowed: {allowed}", status=422, fields=(field,), place=f"column {nested[0][:80]!r}")
    coded = pl.col(pl.Categorical, pl.Enum).cast(pl.String)
    times = [pl.col(name).cast(pl.String) for name in ignored if name in frame.columns and frame.schema[name].is_temporal()]
    frame = frame.with_columns(coded).with_columns(times)
    texts = sum(int(each.str.len_bytes().cast(pl.Int64).sum()) for each in frame.select(pl.col(pl.String)))
    _require_small(texts, limits)  # one text may stand in many rows
    return frame


def _require_small(size: int, limits: Limits) -> None:
    if size > limits.max_body_bytes:
        message = f"the table is {size} bytes when unpacked; allowed: {limits.max_body_bytes}"
        raise RequestError("HS503", message, status=413, next_step="send the rows in several requests")
