"""Homeostat keeps a machine-learning model inside its goals.

Public names are loaded when they are first used, so that importing the package costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from homeostat.errors import HomeostatError
    from homeostat.flow.project import Project, open_project

__version__ = "0.1.0"
__all__ = ["HomeostatError", "Project", "__version__", "open_project"]

_HOMES = {"HomeostatError": "homeostat.errors", "Project": "homeostat.flow.project", "open_project": "homeostat.flow.project"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'homeostat' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
