"""A preparation decision in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from homeostat.core.records import Decision

ENCODINGS = {
    "one_hot": "one column per value",
    "ordinal": "numbered",
    "frequency": "replaced by its frequency",
    "target": "replaced by the mean target of training rows",
    "tfidf": "TF-IDF of its terms",
}
TRANSFORMS = {"log": "log(1 + x)", "yeo_johnson": "Yeo-Johnson transform"}


def treatment(decision: Decision) -> str:
    """What preparation will do with the column.

    >>> from homeostat.core.records import Decision
    >>> treatment(Decision("x", "number", impute="median", indicator=True, clip=True))
    'number; null becomes the median; a feature says where it was null; clipped'
    >>> treatment(Decision("x", None, drop=True))
    'dropped'
    """
    if decision.drop or decision.kind is None:
        return "dropped"
    told = [str(decision.kind)]
    if decision.impute != "none":
        told.append(f"null becomes {'0' if decision.impute == 'zero' else f'the {decision.impute}'}")
    if decision.indicator:
        told.append("a feature says where it was null")
    if decision.clip:
        told.append("clipped")
    if decision.transform != "none":
        told.append(TRANSFORMS[decision.transform])
    if decision.encode:
        told.append(ENCODINGS[decision.encode])
    return "; ".join(told)
