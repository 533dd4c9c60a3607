"""Optional packages: a missing one is told with the extra that brings it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from homeostat.errors import DataError


@contextmanager
def needs(extra: str, package: str, *, place: str) -> Iterator[None]:
    """Around an import.

    Raises:
        DataError: HS217, the package is not installed.
    """
    try:
        yield
    except ImportError as error:
        step = f"install it: pip install 'homeostat[{extra}]'"
        raise DataError(
            "HS217", f"the package {package} is needed for this source and not installed", place=place, next_step=step
        ) from error
