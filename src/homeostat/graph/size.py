"""How large a model is before it is packed: the numbers its nodes hold."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from homeostat.graph.plan import Node

COPIES = 2
"""A bundle holds each number in its graph and in its plan."""


def bundle_mb(nodes: Iterable[Node]) -> float:
    """About how many MB a bundle of these nodes will have; its manifest and names not counted."""
    values = (getattr(node, each.name) for node in nodes for each in fields(node))
    return COPIES * sum(value.nbytes for value in values if isinstance(value, np.ndarray)) / 1e6
