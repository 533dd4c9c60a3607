"""Quarantined rows in one shape: whatever columns a delivery had, its bad rows fit one table, each whole as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

from homeostat.core.records import PROVENANCE, ContractReport

if TYPE_CHECKING:
    import polars as pl

_OWN = (*PROVENANCE, "_rules", "_reasons")


def quarantine_rows(report: ContractReport, delivery: str, table: str) -> pl.DataFrame:
    """The report's bad rows for the quarantine table.

    Columns: ``_table``, ``_source``, ``_line`` (null if the frame had none), ``_rules`` (list of texts), ``_reasons``, ``_row`` (the row as
    it came, a JSON object), ``_delivery``, ``_final`` (a rule rejects it for good: no repair can help). No value is lost: dates are ISO
    8601, NaN and infinity are the texts ``"NaN"`` and ``"inf"``, bytes are hexadecimal.
    """
    import polars as pl

    bad = report.quarantined
    columns = [name for name in bad.columns if name not in _OWN]
    plain = bad.select(_json_safe(bad[name]) for name in columns)
    row = plain.select(pl.struct(pl.all()).struct.json_encode()).to_series() if columns else pl.Series(["{}"] * bad.height, dtype=pl.String)
    return pl.DataFrame(
        {
            "_table": pl.Series([table] * bad.height, dtype=pl.String),
            "_source": _own(bad, "_source", pl.String()),
            "_line": _own(bad, "_line", pl.Int64()),
            "_rules": _own(bad, "_rules", pl.List(pl.String)),
            "_reasons": _own(bad, "_reasons", pl.String()),
            "_row": row,
            "_delivery": pl.Series([delivery] * bad.height, dtype=pl.String),
            "_final": report.rejected.cast(pl.Boolean),
        }
    )


def broken_lines(broken: pl.DataFrame, source: str, delivery: str, table: str) -> pl.DataFrame:
    """Lines no row could be read from, for the quarantine table: rule ``line``, the raw text under ``_text`` in ``_row``.

    Args:
        broken: columns ``_line``, ``_text``, ``_reason``.
        source: the part they are in.
        delivery: the delivery they came with.
        table: the table they were meant for.
    """
    import polars as pl

    return broken.select(
        pl.lit(table).alias("_table"),
        pl.lit(source).alias("_source"),
        pl.col("_line").cast(pl.Int64),
        pl.lit(["line"], dtype=pl.List(pl.String)).alias("_rules"),
        pl.col("_reason").alias("_reasons"),
        pl.struct("_text").struct.json_encode().alias("_row"),
        pl.lit(delivery).alias("_delivery"),
        pl.lit(value=False).alias("_final"),
    )


def unpacked(quarantined: pl.DataFrame) -> pl.DataFrame:
    """Rows of the quarantine table with the fields of ``_row`` as columns of texts: for a person to read and mend.

    The columns that say where a row came from and why it is here come first; fields in the order they are first met.
    """
    import json

    import polars as pl

    rows = [json.loads(text) for text in quarantined["_row"].to_list()]
    names = list(dict.fromkeys(name for row in rows for name in row))
    fields = [pl.Series(name, [_text(row.get(name)) for row in rows], dtype=pl.String) for name in names]
    about = quarantined.select("_table", "_source", "_line", pl.col("_rules").list.join(" ").alias("_rules"), "_reasons", "_final")
    return about.with_columns(fields)


def _text(value: object) -> str | None:
    import json

    if value is None or isinstance(value, str):
        return value
    return json.dumps(value)


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
