"""How durable workflows are written down: JSON, never pickle, so that reading a database runs no code.

Values are texts, numbers, lists and mappings; an error is written with its class, code and fields and comes back whole.
"""

from __future__ import annotations

import json
import traceback
from pathlib import Path
from typing import Any

import homeostat.errors
from homeostat.errors import HomeostatError

ERROR = "$error"


def encode(value: Any) -> str:
    """The value as JSON text.

    Raises:
        TypeError: it holds something that is neither plain nor an exception.
    """
    return json.dumps(value, default=_plain, ensure_ascii=False)


def decode(text: str) -> Any:
    """What ``encode`` wrote. Tuples come back as lists, errors that are not ours as HS001."""
    return json.loads(text, object_hook=_rebuild)


def _plain(value: Any) -> Any:
    if isinstance(value, HomeostatError):
        fields = {name: part for name, part in vars(value).items() if name not in {"code", "message", "place", "next_step"}}
        return {ERROR: type(value).__name__, "words": [value.code, value.message, value.place, value.next_step], "fields": fields}
    if isinstance(value, BaseException):
        return _plain(_unexpected(value))
    raise TypeError(f"a durable workflow cannot hold a {type(value).__name__}; give it texts")


def _unexpected(error: BaseException) -> HomeostatError:
    # The traceback cannot be written down; where it ended is what a report of the fault needs.
    frames = traceback.extract_tb(error.__traceback__)
    place = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return HomeostatError("HS001", f"{type(error).__name__}: {error}", place=place, next_step="please report it")


def _rebuild(value: dict[str, Any]) -> Any:
    if ERROR not in value:
        return value
    found = getattr(homeostat.errors, value[ERROR], None)
    kind = found if isinstance(found, type) and issubclass(found, HomeostatError) else HomeostatError
    code, message, place, next_step = value["words"]
    error = kind(code, message, place=place, next_step=next_step)
    for name, part in value["fields"].items():
        setattr(error, name, tuple(part) if isinstance(part, list) else part)
    return error
