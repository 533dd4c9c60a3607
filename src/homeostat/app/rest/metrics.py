"""Counts of the server as Prometheus text. All of them are changed in the event loop's thread only."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

BUCKETS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
PREDICTING = frozenset(("predict", "infer", "invocations"))
_COUNTERS = ("requests", "predictions", "dropped")
CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"


@dataclass(slots=True)
class Metrics:
    """Requests by route and status, predictions by version and arm, rows kept from a shadow, and how long predicting requests took."""

    requests: Counter[tuple[str, int]] = field(default_factory=Counter)
    predictions: Counter[tuple[int, str]] = field(default_factory=Counter)
    dropped: Counter[int] = field(default_factory=Counter)
    buckets: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS_S) + 1))
    seconds: float = 0.0

    def observe(self, route: str, status: int, seconds: float) -> None:
        """Count one answered request; only requests that predict go into the histogram."""
        self.requests[route, status] += 1
        if route in PREDICTING:
            self.buckets[bisect_left(BUCKETS_S, seconds)] += 1
            self.seconds += seconds

    def plain(self) -> dict[str, Any]:
        """The counts as plain values, which ``of_plain`` reads."""
        counters = {name: [[key, count] for key, count in getattr(self, name).items()] for name in _COUNTERS}
        return {**counters, "buckets": self.buckets, "seconds": self.seconds}

    @classmethod
    def of_plain(cls, plain: Mapping[str, Any]) -> Metrics:
        """The counts behind ``plain``."""
        counters = {name: Counter({_key(key): count for key, count in plain[name]}) for name in _COUNTERS}
        return cls(**counters, buckets=list(plain["buckets"]), seconds=float(plain["seconds"]))

    def plus(self, others: Iterable[Metrics]) -> Metrics:
        """These counts and those of other workers."""
        whole = Metrics.of_plain(self.plain())
        for other in others:
            for name in _COUNTERS:
                getattr(whole, name).update(getattr(other, name))
            whole.buckets = [one + more for one, more in zip(whole.buckets, other.buckets, strict=True)]
            whole.seconds += other.seconds
        return whole

    def text(self, *, version: int | None, swaps: int, healthy: bool) -> bytes:
        """All metrics in the Prometheus exposition format."""
        lines = ["# HELP homeostat_requests_total Answered requests.", "# TYPE homeostat_requests_total counter"]
        for (route, status), count in sorted(self.requests.items()):
            lines.append(f'homeostat_requests_total{{route="{route}",status="{status}"}} {count}')
        lines += ["# HELP homeostat_predictions_total Answered rows.", "# TYPE homeostat_predictions_total counter"]
        lines += [
            f'homeostat_predictions_total{{version="{number}",arm="{arm}"}} {count}'
            for (number, arm), count in sorted(self.predictions.items())
        ]
        lines += ["# HELP homeostat_shadow_dropped_total Rows that a version in shadow was too busy for, or could not read."]
        lines += ["# TYPE homeostat_shadow_dropped_total counter"]
        lines += [f'homeostat_shadow_dropped_total{{version="{number}"}} {count}' for number, count in sorted(self.dropped.items())]
        lines += self._histogram()
        lines += ["# HELP homeostat_model_version Version that serves; 0: none.", "# TYPE homeostat_model_version gauge"]
        lines += [f"homeostat_model_version {version or 0}"]
        lines += ["# HELP homeostat_model_swaps_total Versions put in place while serving.", "# TYPE homeostat_model_swaps_total counter"]
        lines += [f"homeostat_model_swaps_total {swaps}"]
        lines += ["# HELP homeostat_healthy 1 when the registry and the prediction log are reachable.", "# TYPE homeostat_healthy gauge"]
        lines += [f"homeostat_healthy {int(healthy)}", ""]
        return "\n".join(lines).encode()

    def _histogram(self) -> list[str]:
        name = "homeostat_request_seconds"
        lines = [f"# HELP {name} Time to answer requests that predict.", f"# TYPE {name} histogram"]
        total = 0
        for edge, count in zip((*BUCKETS_S, "+Inf"), self.buckets, strict=True):
            total += count
            lines.append(f'{name}_bucket{{le="{edge}"}} {total}')
        return [*lines, f"{name}_sum {self.seconds:.6f}", f"{name}_count {total}"]


def _key(plain: Any) -> Any:
    return tuple(plain) if isinstance(plain, list) else plain
