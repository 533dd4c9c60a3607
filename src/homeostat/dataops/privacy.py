"""What privacy clauses do to rows: columns that are never stored are dropped, personal ones become keyed pseudonyms.

A pseudonym is ``p_`` and 26 characters: the first 130 bits of HMAC-SHA256 over the value's text, in base32. Equal values have equal
pseudonyms in every column, table, file and request of one project, so that they still join; without the key they lead nowhere.
A pseudonym is its own pseudonym: rows that were shielded and exported come back unchanged.

Source: RFC 2104 (HMAC), RFC 4648 section 6 (base32).
"""

from __future__ import annotations

import base64
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

LENGTH = 26
FORM = r"^p_[a-z2-7]{26}$"
_PSEUDONYM = re.compile(FORM)


def pseudonym(text: str, key: bytes) -> str:
    """The pseudonym of one value's text (see ``core.targets.text_of``).

    >>> pseudonym("7", b"key") == pseudonym(pseudonym("7", b"key"), b"key")
    True
    """
    if _PSEUDONYM.match(text):
        return text
    return "p_" + base64.b32encode(hmac.digest(key, text.encode(), "sha256"))[:LENGTH].decode().lower()


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
        hide, drop, key = self.pseudonymise, self.never_store, self.key
        return [
            {
                name: pseudonym(text_of(value), key) if name in hide and isinstance(value, str | int | float) else value
                for name, value in row.items()
                if name not in drop
            }
            for row in rows
        ]

    def logged(self, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Rows that ``taken`` gave, without the fields that are never logged."""
        return [{name: value for name, value in row.items() if name not in self.never_log} for row in rows]


def row_shield(privacy: sections.Privacy, key: bytes) -> RowShield | None:
    """The shield of served rows; None when the clauses ask for nothing."""
    if not (privacy.never_store or privacy.never_log or privacy.pseudonymise):
        return None
    return RowShield(frozenset(privacy.never_store), frozenset(privacy.pseudonymise), frozenset(privacy.never_log), key)
