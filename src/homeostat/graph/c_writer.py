"""Writes C99 statements one by one: tables, blocks, and numbers with arithmetic, so that a formula reads the same as in NumPy.

Names are made of running numbers, so the same plan gives the same text.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

PER_LINE = 8


@dataclass(slots=True)
class CWriter:
    """The tables and statements written so far.

    ``widths`` tells how wide each block of the plan is, ``known`` by which C array it is held; ``parts`` are the hand-written files whose
    functions the statements call.
    """

    widths: Mapping[str, int]
    known: dict[str, str] = field(default_factory=lambda: {"numbers": "numbers", "terms": "terms"})
    tables: list[str] = field(default_factory=list)
    statements: list[str] = field(default_factory=list)
    parts: list[str] = field(default_factory=list)
    written: int = 0
    indent: int = 1

    def name(self, stem: str) -> str:
        """A name that is not in use."""
        self.written += 1
        return f"{stem}_{self.written}"

    def say(self, *lines: str) -> None:
        """Append statements."""
        self.statements += [f"{'    ' * self.indent}{line}" for line in lines]

    def need(self, part: str) -> None:
        """Have a hand-written file of functions in the source."""
        if part not in self.parts:
            self.parts.append(part)

    def table(self, values: NDArray[np.generic] | Sequence[float], stem: str = "table", kind: str = "double") -> str:
        """A constant array of numbers; its name is returned."""
        written = double if kind == "double" else lambda value: str(int(value))
        return self.rows([written(value) for value in np.ravel(np.asarray(values)).tolist()], stem, kind)

    def rows(self, entries: Sequence[str], stem: str, kind: str, per_line: int = PER_LINE) -> str:
        """A constant array of whatever C type; its name is returned."""
        name = self.name(stem)
        self.tables.append(f"static const {kind} {name}[] = {{\n{lines(entries or ['0'], per_line)}\n}};")
        return name

    def block(self, out: str) -> str:
        """Declare the array of a block, at least one wide; its name is returned."""
        self.known[out] = self.name("block")
        self.say(f"double {self.known[out]}[{max(1, self.widths[out])}];")
        return self.known[out]

    def each(self, out: str, value: str) -> None:
        """Fill a block column by column: ``value`` is an expression of the column ``i``."""
        name = self.block(out)
        self.say(f"for (int i = 0; i < {self.widths[out]}; i++)", f"    {name}[i] = {value};")


@dataclass(frozen=True, slots=True)
class Number:
    """A double of the C program; arithmetic with it and with Python's numbers writes statements."""

    text: str
    writer: CWriter

    def _made(self, value: str) -> Number:
        name = self.writer.name("t")
        self.writer.say(f"const double {name} = {value};")
        return Number(name, self.writer)

    def __add__(self, other: Number | float) -> Number:
        return self._made(f"{self.text} + {_text(other)}")

    def __sub__(self, other: Number | float) -> Number:
        return self._made(f"{self.text} - {_text(other)}")

    def __mul__(self, other: Number | float) -> Number:
        return self._made(f"{self.text} * {_text(other)}")

    def __truediv__(self, other: Number | float) -> Number:
        return self._made(f"{self.text} / {_text(other)}")

    def floor(self) -> Number:
        """The largest whole number that is not larger."""
        return self._made(f"floor({self.text})")


def _text(value: Number | float) -> str:
    return value.text if isinstance(value, Number) else double(value)


def double(value: float) -> str:
    """A float64 as C writes it: read back it is the same.

    >>> double(0.1), double(-2.0), double(float("-inf"))
    ('0.1', '-2.0', '-INFINITY')
    """
    if math.isnan(value):
        return "NAN"
    if math.isinf(value):
        return "INFINITY" if value > 0 else "-INFINITY"
    return repr(float(value))


def quoted(text: str) -> str:
    r"""A text as a C string of its UTF-8 bytes; everything but plain characters is escaped.

    >>> print(quoted("1/2? é"))
    "1/2\? \303\251"
    """
    return '"' + "".join(_CHARACTERS[byte] for byte in text.encode("utf-8", "surrogatepass")) + '"'


_PLAIN = frozenset(range(0x20, 0x7F)) - frozenset(b'"\\?')
_CHARACTERS = [chr(byte) if byte in _PLAIN else f"\\{chr(byte)}" if byte in b'"\\?' else f"\\{byte:03o}" for byte in range(256)]


def lines(entries: Iterable[str], per_line: int) -> str:
    """Entries of an initialiser, so many to a line."""
    every = list(entries)
    return ",\n".join("    " + ", ".join(every[at : at + per_line]) for at in range(0, len(every), per_line))
