"""From a charter file to a ``Charter``, or to one error that says everything that is wrong with it, line by line.

The text is read by the rules of YAML 1.2 (see ``yaml_nodes``): ``positive: yes`` is the class "yes", not a truth value.
A section written without clauses (``monitor:`` and nothing below) counts as one with its defaults.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from homeostat.charter.clauses import section_at
from homeostat.charter.effective import with_forecast
from homeostat.charter.explain import explain
from homeostat.charter.rules import violations
from homeostat.charter.schema import Charter
from homeostat.charter.upgrade import upgrade
from homeostat.charter.violations import Violation, clause
from homeostat.charter.yaml_nodes import compose, dump, line_of, malformed_keys, plain
from homeostat.errors import CharterError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

LARGEST = 1_000_000  # bytes; a charter is a page or two


def load_charter(path: Path) -> Charter:
    """The charter in a file (UTF-8, at most 1 MB).

    Raises:
        CharterError: HS101, the file cannot be read; otherwise as ``parse_charter``.
    """
    step = "`homeostat init --from DATA --target COLUMN` writes one"
    try:
        with path.open("rb") as file:
            raw = file.read(LARGEST + 1)
    except OSError as error:
        raise CharterError("HS101", f"cannot be read: {error.strerror or error}", place=str(path), next_step=step) from error
    if len(raw) > LARGEST:
        raise CharterError("HS101", f"got more than {LARGEST // 1_000_000} MB; a charter is a page or two", place=str(path), next_step=step)
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise CharterError(
            "HS101", "cannot be read: the bytes are not UTF-8", place=f"{path}:{line}", next_step="save it as UTF-8"
        ) from error
    return parse_charter(text, path.name)


def parse_charter(text: str, name: str) -> Charter:
    """The charter in a text. ``name`` is how errors call the file.

    Raises:
        CharterError: the first thing wrong in full, with its clause and line; the rest of them in ``others``.
    """
    root = compose(text, name)
    found = [(violation, line) for violation, line in malformed_keys(root)]
    raw = _with_empty_sections(plain(root))
    try:
        raw = upgrade(raw)
    except CharterError as error:
        error = CharterError(error.code, error.message, place=f"version ({name}:{line_of(root, ('version',))})", next_step=error.next_step)
        raise error from None
    charter, wrong = validate(raw)
    found += [(violation, line_of(root, violation.loc)) for violation in wrong]
    if charter is None or found:
        raise _error(sorted(found, key=lambda pair: pair[1]), name)
    return charter


def validate(raw: dict[str, Any]) -> tuple[Charter | None, list[Violation]]:
    """Plain values against the schema, strictly (no number in a text, no truth value for a number), and against the rules.

    The charter is None when the schema refuses it; the rules are then asked about the sections that are well-formed.
    """
    try:
        charter = Charter.model_validate_json(json.dumps(raw), strict=True)
    except ValidationError as error:
        return None, [*explain(error), *violations(_well_formed(raw))]
    charter = with_forecast(charter)
    return charter, violations(dict(charter))


def dump_charter(charter: Charter) -> str:
    """The charter as YAML, every clause written out; ``parse_charter`` reads it back as an equal charter."""
    return dump(charter.model_dump(mode="json"))


def _with_empty_sections(raw: dict[str, Any]) -> dict[str, Any]:
    return {key: {} if value is None and section_at((key,)) is not None else value for key, value in raw.items()}


def _well_formed(raw: dict[str, Any]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, info in Charter.model_fields.items():
        try:
            if name in raw and info.annotation is not None:
                values[name] = TypeAdapter[Any](info.annotation).validate_json(json.dumps(raw[name]), strict=True)
            elif not info.is_required():
                values[name] = info.get_default()
        except ValidationError:
            continue  # already explained, as part of the whole
    return values


def _error(found: Sequence[tuple[Violation, int]], name: str) -> CharterError:
    lines = []
    for violation, line in found:
        where = clause(violation.loc)
        place = f"{where} ({name}:{line})" if where else f"{name}:{line}"
        lines.append(CharterError(violation.code, violation.message, place=place, next_step=violation.next_step))
    first, others = lines[0], tuple(lines[1:])
    if not others:
        return first
    places = ", ".join(one.place for one in others[:3]) + (", ..." if len(others) > 3 else "")
    more = f"and {len(others)} more: {places}"
    return CharterError(
        first.code, first.message, place=first.place, next_step="; ".join(filter(None, (first.next_step, more))), others=others
    )
