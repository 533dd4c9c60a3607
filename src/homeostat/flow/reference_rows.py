"""The rows that come with an adopted model, as a dataset version of their own: it is judged by them, and monitoring compares with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from homeostat.core.ids import digest
from homeostat.core.records import PROVENANCE

if TYPE_CHECKING:
    from pathlib import Path

    from homeostat.core.facts import Fact
    from homeostat.flow.project import Project

TABLE = "reference"


def take_reference(project: Project, path: Path) -> Fact:
    """Store the rows of a file and return the ``reference`` fact, whose body is a dataset version's. The same rows come in once.

    They are no delivery of the charter's source: nothing is trained on them, and the project's newest dataset version stays what it was.

    Raises:
        DataError: the file cannot be read; HS202, it has no rows.
    """
    from homeostat.dataops.versions import content_digest, schema_of
    from homeostat.errors import DataError
    from homeostat.flow.privacy import shield_frame
    from homeostat.flow.reading import read_whole

    path = path.resolve()
    rows = shield_frame(project, read_whole(path, project.charter.data, project.root))
    if rows.is_empty():
        raise DataError("HS202", "there are no reference rows", place=path.name)
    content = digest(path.read_bytes())
    own = content_digest(rows.drop(PROVENANCE))
    key = digest({"content": content, "rows": own})
    table = f"{TABLE}/{key[:12]}"  # tables have one schema, and two models' rows need not
    version = project.table(table).append(rows, {"reference": path.name}, f"reference:{key}")
    body: dict[str, object] = {
        "table": table,
        "version": version,
        "rows": rows.height,
        "quarantined": 0,
        "dropped": 0,
        "digest": own,
        "schema": schema_of(rows),
        "contract": {"path": "", "sha256": ""},
        "sources": [{"path": path.name, "sha256": content, "bytes": path.stat().st_size, "rows": rows.height}],
    }
    return project.record("reference", key, body, causes=(project.charter_fact().id,))
