"""Numbers over a whole delivery, gathered batch by batch: the same to the last digit however the delivery is cut."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from homeostat.core.records import Breach
from homeostat.dataops.flags import equal_to

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

    from homeostat.dataops.rules import Contract, Freshness, Statistic

BLOCK = 65_536
"""Rows summed at a time. Blocks are cut by row number, not by batch, so the sums do not depend on the batches."""


class Measures:
    """What freshness and statistics rules must know of the rows so far. Memory: a few numbers per rule, and at most one block of rows."""

    def __init__(self, contract: Contract, now: datetime | None) -> None:
        self._contract = contract
        self._columns = {column.name: column for column in contract.columns}
        self._now = now
        self._rows = 0
        self._newest: dict[str, datetime] = {}
        self._counts: dict[str, int] = {}
        pairs = [rule.columns for rule in contract.statistics if rule.measure in ("mean", "std", "correlation")]
        self._moments = {pair: _Moments() for pair in pairs}
        self._waiting: list[pl.DataFrame] = []

    def add(self, good: pl.DataFrame) -> None:
        """Take in the good rows of one batch."""
        self._rows += good.height
        for rule in self._contract.freshness:
            newest = good[rule.column].max()
            if newest is not None:
                told = datetime.fromisoformat(newest.isoformat())  # type: ignore[union-attr]
                self._newest[rule.column] = max(told, self._newest.get(rule.column, told))
        counts = {name: count for rule in self._contract.statistics for name, count in self._counted(rule).items()}
        if counts:
            for name, count in good.select(count.alias(name) for name, count in counts.items()).row(0, named=True).items():
                self._counts[name] = self._counts.get(name, 0) + int(count or 0)
        if self._moments:
            self._sum(good.select(sorted({name for pair in self._moments for name in pair})))

    def breaches(self) -> Iterator[Breach]:
        """The rules that do not hold on all rows taken in."""
        if self._waiting:
            self._sum_block(_joined(self._waiting))
            self._waiting = []
        for fresh in self._contract.freshness:
            breach = self._stale(fresh)
            if breach:
                yield breach
        for rule in self._contract.statistics:
            value, words = self._quantile(rule) if rule.measure == "quantile" else (self._value(rule), rule.limits.words())
            if rule.measure == "quantile" and not words:
                continue
            if value is None or rule.measure == "quantile" or not rule.limits.hold(value):
                got = "nothing to measure" if value is None else f"{value:.6g}"
                yield Breach(rule.name, rule.severity, f"{rule.name}: {_what(rule)}: got {got}, allowed: {words}", value, words)

    def _stale(self, rule: Freshness) -> Breach | None:
        newest = self._newest.get(rule.column)
        if self._now is not None and newest is not None and self._now - newest <= rule.within:
            return None
        told = None if newest is None else newest.isoformat()
        limit = f"{rule.words()} at {self._now.isoformat() if self._now else 'no time'}"
        message = f"{rule.name}: newest {rule.column}: got {told or 'nothing to measure'}, allowed: {limit}"
        return Breach(rule.name, rule.severity, message, told, limit)

    def _counted(self, rule: Statistic) -> dict[str, pl.Expr]:
        """Counts a rule needs, by a name of their own."""
        import polars as pl

        if not rule.columns:
            return {}
        value = pl.col(rule.columns[0])
        found = {f"{rule.name}:n": value.count()}
        if rule.measure == "value_percent":
            found[f"{rule.name}:is"] = equal_to(self._columns[rule.columns[0]], (rule.value or "",)).sum()
        if rule.measure == "quantile":
            limits = rule.limits
            found |= {f"{rule.name}:<{bound}": (value < bound).sum() for bound in (limits.minimum, limits.below) if bound is not None}
            found |= {f"{rule.name}:<={bound}": (value <= bound).sum() for bound in (limits.maximum, limits.above) if bound is not None}
        return found

    def _value(self, rule: Statistic) -> float | None:
        if rule.measure == "rows":
            return float(self._rows)
        if rule.measure in ("mean", "std", "correlation"):
            return _finite(getattr(self._moments[rule.columns], rule.measure)())
        there = self._counts.get(f"{rule.name}:n", 0)
        if rule.measure == "nulls":
            return float(self._rows - there)
        if rule.measure == "null_percent":
            return 100.0 * (self._rows - there) / self._rows if self._rows else None
        return 100.0 * self._counts[f"{rule.name}:is"] / there if there else None

    def _quantile(self, rule: Statistic) -> tuple[float | None, str]:
        """Whether a quantile lies within limits follows from how many values lie below them, so no value has to be kept.

        With F(x) the share of values <= x, the quantile Q is the smallest x with F(x) >= at. So Q >= x exactly when the share of values
        < x is smaller than at, and Q <= x exactly when F(x) >= at.

        Returns:
            The share of values on the far side of the first limit that does not hold and what it should be; empty words when all hold.

        Source: Hyndman and Fan, Sample quantiles in statistical packages (1996), definition 1.
        """
        there, at = self._counts.get(f"{rule.name}:n", 0), rule.at or 0.0
        if not there:
            return None, rule.limits.words()
        limits = rule.limits
        tests = (
            ("<", limits.minimum, False),
            ("<=", limits.above, False),
            ("<=", limits.maximum, True),
            ("<", limits.below, True),
        )
        for sign, bound, many in tests:
            if bound is None:
                continue
            share = self._counts[f"{rule.name}:{sign}{bound}"] / there
            if (share >= at) is not many:
                return share, f"{'at least' if many else 'below'} {at} of the values {sign} {bound}"
        return 0.0, ""

    def _sum(self, rows: pl.DataFrame) -> None:
        self._waiting.append(rows)
        if sum(part.height for part in self._waiting) < BLOCK:
            return
        whole = _joined(self._waiting)
        full = whole.height - whole.height % BLOCK
        for start in range(0, full, BLOCK):
            self._sum_block(whole.slice(start, BLOCK))
        self._waiting = [whole.slice(full)]

    def _sum_block(self, block: pl.DataFrame) -> None:
        import polars as pl

        for pair, moments in self._moments.items():
            filled = block.select(pl.col(name).cast(pl.Float64) for name in pair).drop_nulls()
            moments.add(filled.to_series(0).to_numpy(), filled.to_series(-1).to_numpy())


def _joined(parts: list[pl.DataFrame]) -> pl.DataFrame:
    import polars as pl

    return pl.concat(parts, rechunk=True)


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _what(rule: Statistic) -> str:
    of = f" of {' and '.join(rule.columns)}" if rule.columns else ""
    name = {"quantile": f"share below the {rule.at} quantile's limit", "value_percent": f"percent of {rule.value!r}"}.get(rule.measure)
    return f"{name or rule.measure.replace('_', ' ')}{of}"


@dataclass(slots=True)
class _Moments:
    """Mean and sums of squared differences of one column, or of two and their product.

    Source: Chan, Golub and LeVeque, Updating formulae and a pairwise algorithm for computing sample variances (1979), equation 1.5.
    """

    n: int = 0
    mean_x: float = 0.0
    mean_y: float = 0.0
    xx: float = 0.0
    yy: float = 0.0
    xy: float = 0.0

    def add(self, x: NDArray[Any], y: NDArray[Any]) -> None:
        n = x.size
        if not n:
            return
        mean_x, mean_y = float(x.mean()), float(y.mean())
        x, y = x - mean_x, y - mean_y
        whole = self.n + n
        dx, dy = mean_x - self.mean_x, mean_y - self.mean_y
        between = self.n * n / whole
        self.xx += float(np.sum(x * x)) + dx * dx * between
        self.yy += float(np.sum(y * y)) + dy * dy * between
        self.xy += float(np.sum(x * y)) + dx * dy * between
        self.mean_x += dx * n / whole
        self.mean_y += dy * n / whole
        self.n = whole

    def mean(self) -> float | None:
        return self.mean_x if self.n else None

    def std(self) -> float | None:
        return math.sqrt(self.xx / (self.n - 1)) if self.n > 1 else None

    def correlation(self) -> float | None:
        if not (self._varies(self.xx, self.mean_x) and self._varies(self.yy, self.mean_y)):
            return None
        return self.xy / (math.sqrt(self.xx) * math.sqrt(self.yy))

    def _varies(self, squares: float, mean: float) -> bool:
        """Whether there is more to the differences than the rounding of the mean."""
        return bool(squares > self.n * (4 * np.finfo(np.float64).eps * mean) ** 2)
