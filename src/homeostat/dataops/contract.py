"""Data contracts: their records, their text form (Open Data Contract Standard), and a first one inferred from data."""

from __future__ import annotations

from homeostat.dataops.inference import infer_contract
from homeostat.dataops.odcs import dump_contract
from homeostat.dataops.odcs_read import parse_contract
from homeostat.dataops.rules import (
    ColumnRule,
    Contract,
    ForeignKey,
    Freshness,
    Limits,
    QueryRule,
    RowRule,
    Statistic,
    UniqueKey,
)

__all__ = [
    "ColumnRule",
    "Contract",
    "ForeignKey",
    "Freshness",
    "Limits",
    "QueryRule",
    "RowRule",
    "Statistic",
    "UniqueKey",
    "dump_contract",
    "infer_contract",
    "parse_contract",
]
