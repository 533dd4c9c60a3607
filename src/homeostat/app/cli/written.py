"""Pages and cards that commands write to files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from homeostat.errors import ProjectError

if TYPE_CHECKING:
    from pathlib import Path


def write_page(path: Path, text: str, option: str) -> None:
    """Write a file, with the folders it needs.

    Raises:
        ProjectError: HS602, it cannot be written; ``option`` names another place.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ProjectError(
            "HS602", f"the report cannot be written: {error.strerror}", place=str(path), next_step=f"name another file with {option}"
        ) from error
