"""Our server with the benchmark's bundle, in each of its variants: ``python -m benchmarks.serving.ours VARIANT BUNDLE LOG_FOLDER PORT``.

A variant is one line of ``VARIANTS``. It imports what the server needs and nothing else, so that its memory and its start are the server's.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from contextlib import closing
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

from homeostat.app.rest import scoring
from homeostat.app.rest.server import ServeSettings, serve
from homeostat.app.rest.service import Current, Wanted, alone
from homeostat.core.traffic import CHAMPION, Arm, Shadow, Traffic
from homeostat.infra.predictions import PredictionLog
from homeostat.serving.bundle import unpack


class NoLog:
    """A log that keeps nothing and has no line written: what is left of the time without one."""

    strict, wait_s, failure, wake = False, 2.0, "", None

    def __init__(self, _: Path) -> None:
        scoring.encode_lines = lambda _: b""  # type: ignore[attr-defined]  # it is imported there
        self.kept = 0

    def hand_over(self, lines: bytes, records: int) -> int:
        """Forget them."""
        self.kept += 1
        return self.kept

    def close(self) -> None:
        """Nothing is open."""


def heard(current: Current) -> Wanted:
    """The same version once more in shadow, hearing every request whatever it costs."""
    shadow = Shadow(2, budget=1e6, queue=1_000_000)
    return Wanted(Traffic((Arm(CHAMPION, 1, 1.0),), shadows=(shadow,)), (current, Current(2, current.digest, current.load)))


def start(
    bundle: Path,
    folder: Path,
    port: int,
    *,
    log: Callable[[Path], Any] = PredictionLog,
    wanted: Callable[[Current], Wanted] = alone,
    **settings: Any,
) -> None:
    """Serve the bundle as version 1 until a signal; ``settings`` are those of ``ServeSettings``."""
    found = unpack(bundle.read_bytes())
    now = wanted(Current(1, found.manifest.graph_sha256, lambda: found))
    with closing(log(folder)) as opened:
        serve(ServeSettings(found.manifest.name, port=port, **settings), lambda: now, opened)


def swapping(bundle: Path, folder: Path, port: int) -> None:
    """Serve whatever number stands in the file ``version`` beside the log's folder, as if it were promoted."""
    found = unpack(bundle.read_bytes())
    named = folder.parent / "version"

    def resolve() -> Wanted:
        number = int(named.read_text())
        return alone(Current(number, f"{found.manifest.graph_sha256}-{number}", lambda: found))

    with closing(PredictionLog(folder)) as opened:
        serve(ServeSettings(found.manifest.name, port=port), resolve, opened)


STRICT = partial(PredictionLog, strict=True)
VARIANTS: Mapping[str, Callable[[Path, Path, int], None]] = MappingProxyType(
    {
        "fast": start,
        "fast-no-log": partial(start, log=NoLog),
        "fast-strict": partial(start, log=STRICT),
        "fast-swapping": swapping,
        "fast-shadow": partial(start, wanted=heard),
        "asgi": partial(start, fast=False),
        "asgi-no-log": partial(start, log=NoLog, fast=False),
    }
)


if __name__ == "__main__":
    VARIANTS[sys.argv[1]](Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]))
