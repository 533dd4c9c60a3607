"""Charters for tests: one of them changed clause by clause, and the rules that it then breaks."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from homeostat.charter.load import validate
from homeostat.charter.schema import Charter


def revised(charter: Charter, changes: Mapping[str, Any]) -> Charter:
    """The charter with clauses set by their dotted names, not asked about its rules.

    >>> parts = {"problem": {"statement": "s", "objective": "o", "decision": "d", "business_metric": "b"}, "data": {"source": "x.csv"}}
    >>> charter = Charter(name="m", task={"type": "regression", "target": "y"}, success={"metric": "mae"}, **parts)
    >>> revised(charter, {"success.metric": "rmse", "preparation.columns": {"x": {"drop": True}}}).preparation.columns["x"].drop
    True
    """
    raw = copy.deepcopy(charter.model_dump(mode="json"))
    for clause, value in changes.items():
        *at, last = clause.split(".")
        inner = raw
        for part in at:
            inner[part] = inner[part] or {}
            inner = inner[part]
        inner[last] = value
    return Charter.model_validate(raw)


def broken_rules(charter: Charter, changes: Mapping[str, Any]) -> list[str]:
    """Codes of the rules that the revised charter breaks."""
    return [one.code for one in validate(revised(charter, changes).model_dump(mode="json"))[1]]
