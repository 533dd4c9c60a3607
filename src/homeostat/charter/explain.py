"""The schema's complaints in the words of errors: the clause, the value got, what is allowed, the nearest known clause."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from homeostat.charter.clauses import describe, meant, section_at, trim
from homeostat.charter.violations import Loc, Violation, clause, shown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import ValidationError

ALLOWED = {
    "string_type": "a text (put it in quotes)",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "tuple_type": "a list, such as [a, b]",
    "dict_type": "a mapping",
    "model_type": "a mapping of clauses",
    "string_too_short": "a text that is not empty",
    "string_pattern_mismatch": "lower-case letters, digits, '.', '_' and '-', starting with a letter or digit",
}
SPANS = {("preparation", "holdout"), ("preparation", "validation")}
SPAN = "a share between 0 and 1, or a duration such as 14d"


def explain(error: ValidationError) -> list[Violation]:
    """One violation per clause, in the order of the schema; the branches of a union are one clause with several allowed forms."""
    found: dict[tuple[Loc, str], list[Mapping[str, Any]]] = {}
    details = error.errors(include_url=False)
    for detail in details:
        loc = detail["loc"]
        if detail["type"] == "too_short" and any(other["loc"][: len(loc)] == loc != other["loc"] for other in details):
            continue  # the schema counts well-formed items only; those that are not are told themselves
        kind = {"missing": "HS104", "extra_forbidden": "HS103", "json_invalid": "HS102"}.get(detail["type"], "HS105")
        found.setdefault((loc if kind in {"HS103", "HS104"} else trim(loc), kind), []).append(detail)
    misspelt = {meant(loc) for loc, code in found if code == "HS103"}  # the missing clause is there, under another name: said once
    return [_violation(code, loc, same) for (loc, code), same in found.items() if code != "HS104" or clause(loc) not in misspelt]


def _violation(code: str, loc: Loc, details: list[Mapping[str, Any]]) -> Violation:
    if code == "HS102":
        return Violation(code, (), f"the text cannot be represented: {details[0]['msg']}")
    if code == "HS104":
        what = describe(loc)
        return Violation(code, loc, "this clause is required" + (f": {what}" if what else ""))
    if code == "HS103":
        section = section_at(loc[:-1])
        known = ", ".join(section.model_fields) if section else "none"
        near = meant(loc)
        return Violation(
            code, loc, f'got an unknown clause "{clause(loc[-1:])}"; allowed here: {known}', f"did you mean {near}?" if near else ""
        )
    allowed = [SPAN] if loc in SPANS else list(dict.fromkeys(_allowed(detail) for detail in details))
    return Violation(code, loc, f"got {shown(details[0]['input'])}; allowed: {' or '.join(allowed)}")


def _allowed(detail: Mapping[str, Any]) -> str:
    kind, message = str(detail["type"]), str(detail["msg"])
    if kind == "value_error":
        text = str(detail["ctx"]["error"])
        text = text.rpartition("; ")[2] if text.startswith("got ") else text
        return text.removeprefix("write ")
    if kind == "too_short":
        return f"a list of at least {detail['ctx']['min_length']}"
    if kind == "string_too_long":
        return f"a text of at most {detail['ctx']['max_length']} characters"
    message = message.removeprefix("Input should be ").removeprefix("a valid ")
    return ALLOWED.get(kind, message)
