"""From the charter's section to the source it names."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from homeostat.core.addresses import scheme_of, without_secrets
from homeostat.errors import DataError
from homeostat.infra.sources.address import refuse_misplaced_secrets
from homeostat.infra.sources.bucket import Bucket
from homeostat.infra.sources.files import Files
from homeostat.infra.sources.postgres import Postgres
from homeostat.infra.sources.retry import Patience
from homeostat.infra.sources.slices import NOTHING_TAKEN
from homeostat.infra.sources.sqlite import Sqlite
from homeostat.infra.sources.table import Table
from homeostat.infra.sources.web import HttpDocument

if TYPE_CHECKING:
    from homeostat.core import sections
    from homeostat.infra.sources.part import Source, Transform
    from homeostat.infra.sources.retry import Sleep
    from homeostat.infra.sources.slices import Taken

DATABASES = {"postgresql", "postgres", "sqlite"}
_READABLE = "a path, http(s)://..., s3://BUCKET/..., postgresql://USER@HOST/NAME, or sqlite:///FILE"


def open_source(
    section: sections.Source,
    root: Path,
    *,
    retries: int = 3,
    sleep: Sleep = time.sleep,
    taken: Taken = NOTHING_TAKEN,
    transform: Transform | None = None,
) -> Source:
    """The source that a section names by its address. Nothing is asked yet.

    Args:
        section: ``data`` of the charter, or one of ``data.tables``.
        root: the project's folder, which paths are relative to.
        retries: how often a source that does not answer is asked again.
        sleep: waits so many seconds.
        taken: tables with a watermark: what was taken in before. Slices older than the newest of them less ``late`` are not asked
            again, except those of a backfill.
        transform: what is done to rows before anything is stored. With it, files are parsed and stored as Parquet instead of their
            bytes, and the text of lines that cannot be parsed is not kept.

    Raises:
        DataError: HS219, an address of no kind that can be read, or with a secret in a wrong place; HS215, a database without a table or
            query, or with both.
    """
    refuse_misplaced_secrets(section.source)
    scheme, patience = scheme_of(section.source), Patience(retries, sleep)
    if not scheme:
        return Files(section, root, transform, patience)
    if scheme in {"http", "https"}:
        return HttpDocument(section, transform, patience)
    if scheme == "s3":
        return Bucket(section, transform, patience)
    if scheme not in DATABASES:
        raise DataError("HS219", f"got an address that starts with {scheme}://; readable are {_READABLE}", place="data.source")
    if (section.table is None) == (section.query is None):
        got = "neither" if section.table is None else "both"
        place = without_secrets(section.source)
        raise DataError("HS215", f"a database needs data.table or data.query; got {got}", place=place, next_step="write one of them")
    database = Sqlite(section, root) if scheme == "sqlite" else Postgres(section)
    return Table(section, database, transform, taken, patience)
