"""Quarantined rows in one shape: whatever columns a delivery had, its bad rows fit one table, each whole as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

from homeostat.core.records import PROVENANCE, ContractReport

if TYPE_CHECKING:
    import polars as pl

_OWN = (*PROVENANCE, "_rules", "_reasons")


def quarantine_rows(report: ContractReport, delivery: str) -> pl.DataFrame:
    """The report's bad rows for the quarantine table.

    Columns: ``_source``, ``_line`` (null if the frame had none), ``_rules`` (list of texts), ``_reasons``, ``_row`` (the row as it came,
    a JSON object), ``_delivery``. No value is lost: dates are ISO 8601, NaN and infinity are the texts ``"NaN"`` and ``"inf"``, bytes are
    hexadecimal.
    """
    import polars as pl

    bad = report.quarantined
    columns = [name for name in bad.columns if name not in _OWN]
    plain = bad.select(_json_safe(bad[name]) for name in columns)
    row = plain.select(pl.struct(pl.all()).struct.json_encode()).to_series() if columns else pl.Series(["{}"] * bad.height, dtype=pl.String)
    return pl.DataFrame(
        {
            "_source": _own(bad, "_source", pl.String()),
            "_line": _own(bad, "_line", pl.Int64()),
            "_rules": _own(bad, "_rules", pl.List(pl.String)),
            "_reasons": _own(bad, "_reasons", pl.String()),
            "_row": row,
            "_delivery": pl.Series([delivery] * bad.height, dtype=pl.String),
        }
    )


def broken_lines(broken: pl.DataFrame, source: str, delivery: str) -> pl.DataFrame:
    """Lines no row could be read from, for the quarantine table: rule ``line``, the raw text under ``_text`` in ``_row``.

    Args:
        broken: columns ``_line``, ``_text``, ``_reason``.
        source: the file they are in.
        delivery: the delivery they came with.
    """
    import polars as pl

    return broken.select(
        pl.lit(source).alias("_source"),
        pl.col("_line").cast(pl.Int64),
        pl.lit(["line"], dtype=pl.List(pl.String)).alias("_rules"),
        pl.col("_reason").alias("_reasons"),
        pl.struct("_text").struct.json_encode().alias("_row"),
        pl.lit(delivery).alias("_delivery"),
    )


def _own(bad: pl.DataFrame, name: str, dtype: pl.DataType) -> pl.Series:
    import polars as pl

    return bad[name].cast(dtype) if name in bad.columns else pl.Series(name, [None] * bad.height, dtype=dtype)


def _json_safe(series: pl.Series) -> pl.Series:
    """The column with nothing in it that JSON cannot say."""
    import polars as pl

    dtype = series.dtype
    if dtype.is_float():
        return series if series.is_finite().all() else series.cast(pl.String)
    if dtype == pl.Binary:
        return series.bin.encode("hex")
    return series.cast(pl.String) if dtype.is_temporal() or dtype.is_decimal() or dtype in (pl.Categorical, pl.Enum) else series
