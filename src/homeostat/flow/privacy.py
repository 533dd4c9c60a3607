"""The project's shield: every row goes through it on its way into ``.homeostat/``, whatever the door."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from homeostat.charter.columns import check_columns
from homeostat.core.addresses import without_secrets
from homeostat.dataops.privacy import RowShield, row_shield, shield, withhold
from homeostat.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable

    import polars as pl

    from homeostat.flow.project import Project
    from homeostat.infra.sources import SourceRead


def project_key(project: Project) -> bytes:
    """The key of the project's pseudonyms, made at the first use; the ledger knows its fingerprint.

    Raises:
        DataError: HS229, the key is missing, another one, readable by others, or would lie in the project.
    """
    from homeostat.infra.keys import VARIABLE, discard_key, fingerprint, keys_folder, make_key, read_key

    folder, name = keys_folder(), project.charter.name
    if folder.is_relative_to(project.root):
        step = f"set {VARIABLE} to a folder elsewhere"
        raise DataError("HS229", "the key would lie in the project, beside what it protects", place=str(folder), next_step=step)
    facts = project.ledger.find("key", limit=1)
    if not facts:
        made = make_key(folder, name)
        first = project.record("key", "pseudonyms", {"name": name, "fingerprint": fingerprint(made)})
        if first.body["fingerprint"] == fingerprint(made):
            return made
        discard_key(folder, name, made)  # another process was first
        facts = [first]
    return read_key(folder, str(facts[0].body["name"]), str(facts[0].body["fingerprint"]))


def shield_frame(project: Project, frame: pl.DataFrame) -> pl.DataFrame:
    """Rows as they may be stored; unchanged where the charter's privacy asks for nothing.

    Raises:
        DataError: see ``project_key``.
    """
    privacy = project.charter.privacy
    if not privacy.pseudonymise:
        return frame.drop(privacy.never_store, strict=False)
    return shield(frame, privacy, project_key(project))


def stored_as(project: Project) -> Callable[[pl.DataFrame], pl.DataFrame] | None:
    """What is done to rows before anything of them is stored; None where the charter's privacy asks for nothing."""
    privacy = project.charter.privacy
    return partial(shield_frame, project) if privacy.never_store or privacy.pseudonymise else None


def stored_main(project: Project) -> Callable[[pl.DataFrame], pl.DataFrame] | None:
    """The same for rows of the main table, which must have the columns to hide: a misspelt one would be stored in clear.

    Raises:
        DataError: HS203 (when it is called), a column that the charter hides is not in the data.
    """
    shield_rows = stored_as(project)
    if shield_rows is None:
        return None

    def store(frame: pl.DataFrame) -> pl.DataFrame:
        check_columns(project.charter, frame.columns, place=without_secrets(project.charter.data.source), raw=True)
        return shield_rows(frame)

    return store


def shielded(project: Project, read: SourceRead) -> tuple[pl.DataFrame, pl.DataFrame]:
    """What was read of a source as it may be stored: rows, and lines no row could be read from.

    Raises:
        DataError: see ``project_key``.
    """
    privacy, broken = project.charter.privacy, read.broken
    if not broken.is_empty() and (privacy.never_store or privacy.pseudonymise):
        broken = withhold(broken, privacy, project_key(project))
    return shield_frame(project, read.frame), broken


def batch_shield(project: Project) -> Callable[[pl.DataFrame], pl.DataFrame]:
    """``shield_frame`` as a function that can be sent to another process.

    Raises:
        DataError: see ``project_key``.
    """
    privacy = project.charter.privacy
    return partial(shield, privacy=privacy, key=project_key(project) if privacy.pseudonymise else b"")


def served_shield(project: Project) -> RowShield | None:
    """The shield of served rows, None when there is nothing to hide.

    Raises:
        DataError: see ``project_key``.
    """
    privacy = project.charter.privacy
    return row_shield(privacy, project_key(project) if privacy.pseudonymise else b"")
