"""What privacy clauses do to rows: columns that are never stored are dropped, personal ones become keyed pseudonyms.

A pseudonym is ``p_`` and 32 hex characters: the first 128 bits of HMAC-SHA256 over the value's text. Equal values have equal
pseudonyms in every column, table, file and request of one project, so that they still join; without the key they lead nowhere.
A pseudonym is its own pseudonym: rows that were shielded and exported come back unchanged.

Source: RFC 2104 (HMAC; section 5 on truncated output).
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from homeostat.core.targets import text_of, texts

if TYPE_CHECKING:
    import polars as pl

    from homeostat.core import sections
    from homeostat.dataops.rules import Contract

_PSEUDONYM = re.compile(r"p_[0-9a-f]{32}")


def pseudonym(text: str, key: bytes) -> str:
    """The pseudonym of one value's text (see ``core.targets.text_of``).

    >>> pseudonym("7", b"key") == pseudonym(pseudonym("7", b"key"), b"key")
    True
    """
    if _PSEUDONYM.fullmatch(text):
        return text
    return "p_" + hmac.digest(key, text.encode(), "sha256").hex()[:32]


def pseudonyms(values: pl.Series, key: bytes) -> pl.Series:
    """The column as pseudonyms; nulls and NaN are null. 7, 7.0 and "7" have one pseudonym. Each distinct value is hashed once."""
    import polars as pl

    given = texts(values)
    known = given.unique().drop_nulls()
    made = pl.Series([pseudonym(text, key) for text in known.to_list()], dtype=pl.String)
    return given.replace_strict(known, made, default=None, return_dtype=pl.String)


def shield(frame: pl.DataFrame, privacy: sections.Privacy, key: bytes) -> pl.DataFrame:
    """The rows as they may be stored: without ``never_store`` columns, with ``pseudonymise`` columns as pseudonyms.

    Columns that are not there are passed over. Shielding twice is shielding once. Rows that came in may be taken batch by batch.
    """
    kept = frame.drop(privacy.never_store, strict=False)
    return kept.with_columns(pseudonyms(kept[name], key).alias(name) for name in privacy.pseudonymise if name in kept.columns)


def withhold(broken: pl.DataFrame, privacy: sections.Privacy, key: bytes) -> pl.DataFrame:
    """Lines no row could be read from (``_line``, ``_text``, ``_reason``) as they may be stored.

    Which column a piece of such a line belongs to is unknown, so where any column must not be stored in clear the text is replaced
    by its keyed hash, by which the line can be recognised, and the reason says so.
    """
    import polars as pl

    if not (privacy.never_store or privacy.pseudonymise) or broken.is_empty():
        return broken
    hashed = [None if text is None else f"hmac-sha256 {hmac.digest(key, text.encode(), 'sha256').hex()}" for text in broken["_text"]]
    because = "; its text is withheld: the line may hold a column that must not be stored in clear"
    return broken.with_columns(pl.Series("_text", hashed, dtype=pl.String), pl.col("_reason") + because)


def shield_contract(contract: Contract, privacy: sections.Privacy) -> Contract:
    """The contract that shielded rows are held against: pseudonyms are texts that may be required and unique, and no more."""
    hidden = set(privacy.pseudonymise)
    columns = [column for column in contract.columns if column.name not in privacy.never_store]
    plain = [
        replace(column, kind="string", minimum=None, maximum=None, allowed=None) if column.name in hidden else column for column in columns
    ]
    return replace(contract, columns=tuple(plain))


@dataclass(frozen=True, slots=True)
class RowShield:
    """The same for rows of named fields as they are served: ``taken`` is what the model sees, ``logged`` what the log keeps."""

    never_store: frozenset[str]
    pseudonymise: frozenset[str]
    never_log: frozenset[str]
    key: bytes

    def taken(self, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """The rows without fields that are never stored, with pseudonyms as in training. Lists and objects are left for the decoder."""
        taken = [_without(row, self.never_store) for row in rows]
        for row in taken:
            for name in self.pseudonymise:
                value = row.get(name)
                if isinstance(value, str | int | float):
                    row[name] = pseudonym(text_of(value), self.key)
        return taken

    def logged(self, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Rows that ``taken`` gave, without the fields that are never logged."""
        return [_without(row, self.never_log) for row in rows]


def _without(row: Mapping[str, Any], names: frozenset[str]) -> dict[str, Any]:
    kept = dict(row)
    for name in names:
        kept.pop(name, None)
    return kept


def row_shield(privacy: sections.Privacy, key: bytes) -> RowShield | None:
    """The shield of served rows; None when the clauses ask for nothing."""
    if not (privacy.never_store or privacy.never_log or privacy.pseudonymise):
        return None
    return RowShield(frozenset(privacy.never_store), frozenset(privacy.pseudonymise), frozenset(privacy.never_log), key)
