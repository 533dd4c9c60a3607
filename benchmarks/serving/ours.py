"""Our server with the benchmark's bundle, in each of its variants: ``python -m benchmarks.serving.ours VARIANT BUNDLE LOG_FOLDER PORT``.

A variant is one line of ``VARIANTS``. It imports what the server needs and nothing else, so that its memory and its start are the server's.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from types import MappingProxyType
from typing import Any

from homeostat.app.rest.server import ServeSettings, serve
from homeostat.app.rest.service import Current
from homeostat.infra.predictions import Prediction, PredictionLog
from homeostat.serving.bundle import unpack


class NoLog:
    """A log that keeps nothing: what is left of the time without one."""

    crowded, failure = False, ""

    def append(self, records: Sequence[Prediction]) -> None:
        """Forget them."""

    def close(self) -> None:
        """Nothing is open."""


def asgi(bundle: Path, folder: Path, port: int, *, log: Callable[[Path], Any] = PredictionLog, **settings: Any) -> None:
    """The ASGI application on uvicorn; version 1 serves."""
    found = unpack(bundle.read_bytes())
    now = Current(1, found.manifest.graph_sha256, lambda: found)
    with closing(log(folder)) as opened:
        serve(ServeSettings(found.manifest.name, port=port, **settings), lambda: now, opened)


VARIANTS: Mapping[str, Callable[[Path, Path, int], None]] = MappingProxyType(
    {
        "asgi": asgi,
        "asgi-no-log": lambda bundle, folder, port: asgi(bundle, folder, port, log=lambda _: NoLog()),
    }
)


if __name__ == "__main__":
    VARIANTS[sys.argv[1]](Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]))
