"""Reading values of a contract document: each refusal says the file, the clause, what was got and what is allowed."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any, NoReturn, cast

from homeostat.dataops.odcs import SEVERITY
from homeostat.dataops.verify import SEVERITIES, shown
from homeostat.errors import DataError

if TYPE_CHECKING:
    from homeostat.core.records import Severity

_OTHER_WORDS = {"info": "warn", "warning": "warn", "critical": "stop", "fatal": "stop"}


class Reader:
    """Knows the text's name, so that every refusal can say where."""

    def __init__(self, name: str) -> None:
        self.name = name

    def refuse(self, clause: str, message: str) -> NoReturn:
        """Raise.

        Raises:
            DataError: HS206, always.
        """
        raise DataError("HS206", message, place=f"{self.name}: {clause}", next_step="mend the contract; `homeostat init` shows one")

    def known(self, value: Any, clauses: Collection[str], place: str) -> Mapping[str, Any]:
        """A mapping with no other clauses than these."""
        found = self.mapping(value, place)
        unknown = [str(key) for key in found if key not in clauses]
        if unknown:
            self.refuse(place, f"got the clause {unknown[0]!r}; allowed are {', '.join(sorted(clauses))}")
        return found

    def mapping(self, value: Any, place: str) -> Mapping[str, Any]:
        """A mapping."""
        if not isinstance(value, Mapping):
            self.refuse(place, f"got {shown(value)}; a mapping is allowed")
        return value

    def one_of(self, value: Any, allowed: Collection[str], clause: str) -> str:
        """One of these texts."""
        if not isinstance(value, str) or value not in allowed:
            self.refuse(clause, f"got {shown(value)}; allowed: {', '.join(allowed)}")
        return value

    def text(self, value: Any, clause: str) -> str:
        """A text that is not empty."""
        if not isinstance(value, str) or not value:
            self.refuse(clause, f"got {shown(value)}; a text is allowed (put it in quotes)")
        return value

    def flag(self, value: Any, clause: str) -> bool:
        """True or false."""
        if not isinstance(value, bool):
            self.refuse(clause, f"got {shown(value)}; true or false is allowed")
        return value

    def items(self, value: Any, clause: str, of: str) -> list[Any]:
        """A list; nothing is an empty one."""
        if value is not None and not isinstance(value, list):
            self.refuse(clause, f"got {shown(value)}; a list of {of} is allowed")
        return value or []

    def names(self, value: Any, clause: str) -> tuple[str, ...]:
        """A list of texts, or one."""
        values = value if isinstance(value, list) else [value]
        return tuple(self.text(name, clause) for name in values)

    def number(self, value: Any, clause: str) -> int | float:
        """A number."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            self.refuse(clause, f"got {shown(value)}; a number is allowed")
        return value

    def whole(self, value: Any, clause: str) -> int | None:
        """A whole number of 0 or more, or nothing."""
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**32):
            self.refuse(clause, f"got {shown(value)}; a whole number of 0 or more is allowed")
        return value

    def custom(self, entries: Any, clause: str) -> dict[str, Any]:
        """Custom properties by name, the last of each."""
        listed = self.items(entries, clause, "property and value")
        return {str(entry.get("property")): entry.get("value") for entry in listed if isinstance(entry, Mapping)}

    def severity(self, value: Any, default: Severity, clause: str) -> Severity:
        """A severity by one of our words, or one of those that other tools write."""
        if value is None or value == "error":
            return default
        word = _OTHER_WORDS.get(str(value).lower(), value)
        if word not in SEVERITIES:
            self.refuse(clause, f"got {shown(value)}; allowed: {', '.join((*SEVERITIES, *_OTHER_WORDS, 'error'))}")
        return cast("Severity", word)

    def severities(self, custom: Mapping[str, Any], default: Severity, clause: str) -> dict[str, Severity]:
        """The severities a custom property tells, by name."""
        told = self.mapping(custom.get(SEVERITY, {}), f"{clause}.{SEVERITY}")
        return {str(name): self.severity(word, default, f"{clause}.{SEVERITY}.{name}") for name, word in told.items()}
