"""What is wrong with a charter, as values: found by the parser, the schema or a rule, turned into one error at the end."""

from __future__ import annotations

from dataclasses import dataclass

from homeostat.core.addresses import without_secrets

Loc = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing wrong: a code of ``homeostat.errors.CODES``, the clause as keys and list indices, what was got and is allowed."""

    code: str
    loc: Loc
    message: str
    next_step: str = ""


def clause(loc: Loc) -> str:
    """The clause as people write it; an address in place of a name is shown without its password.

    >>> clause(("learning", "windows", 1, "length"))
    'learning.windows[1].length'
    """
    text = ""
    for part in loc:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return without_secrets(text)


def shown(value: object, limit: int = 60) -> str:
    """A value as an error shows it: in double quotes when it is text, cut when it is long, without the passwords of addresses.

    >>> shown("auc"), shown(3), shown(None), shown([1, 2])
    ('"auc"', '3', 'nothing', 'a list')
    """
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict | list | tuple):
        return "a mapping" if isinstance(value, dict) else "a list"
    text = f'"{without_secrets(value)}"' if isinstance(value, str) else str(value)
    return text if len(text) <= limit else f"{text[: limit - 4]}...{text[-1]}"
