"""The pieces of Vega-Lite specifications that every plot is made of: plain dicts, no colours, no field named after the data.

Colours, fonts and the dark variant come from the page (``report.js``), so a specification is legible wherever it is drawn.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

Spec = dict[str, Any]
SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
HEIGHT = 160
STEP = 20  # pixels of a bar, or of a cell of the heat map
LONGEST_LABEL = 150


def shown(text: str) -> str:
    """A value as a label; an empty or blank one is said to be so."""
    return text if text.strip() else f"(blank, {len(text)} characters)" if text else "(empty text)"


def spec(title: str, description: str, rows: list[dict[str, Any]], drawn: Spec, note: str = "") -> Spec:
    """A whole specification of rows; ``drawn`` is its mark and encoding, or its layers, and ``note`` stands below the title."""
    named: Spec = {"text": title, "anchor": "start"}
    if note:
        named["subtitle"] = note
    head = {"$schema": SCHEMA, "title": named, "description": description.strip(), "width": "container", "height": HEIGHT}
    return {**head, "data": {"values": rows}, **drawn}


def mark(kind: str, **more: Any) -> Spec:
    """A mark that tells its values under the pointer; a rule has none of its own."""
    return {"type": kind, "tooltip": True, **more} if kind != "rule" else {"type": kind, **more}


def names(field: str, title: str) -> Spec:
    """An axis of names, in the order of the rows."""
    return {"field": field, "type": "nominal", "sort": None, "title": title, "axis": {"labelLimit": LONGEST_LABEL}}


def told(field: str, title: str, *, kind: str = "quantitative") -> Spec:
    """A line of the tooltip."""
    return {"field": field, "type": kind, "title": title, **({"format": ",.5~g"} if kind == "quantitative" else {})}


def time(unit: str) -> Spec:
    """An axis of times, which rows hold in ``at`` as ``ms`` gives them."""
    return {"field": "at", "type": "temporal", "title": unit, "scale": {"type": "utc"}}


def ms(start: str) -> float:
    """Milliseconds since 1970 of wall time, drawn on a UTC scale so that no reader's zone moves it."""
    return datetime.fromisoformat(start).replace(tzinfo=UTC).timestamp() * 1000
