"""JSON objects straight into what a plan reads, for rows that are right: the fast twin of ``RowDecoder``.

A typed structure is made from the inputs once, so that parsing and checking are one pass. Whatever does not fit it is not judged here:
``RowDecoder`` reads such a row again and says what is wrong.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from homeostat.graph.decode import Read
from homeostat.graph.fields import reader
from homeostat.graph.plan import category_inputs, number_inputs, text_inputs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from homeostat.graph.plan import Input

_STRANGE = -1
_PLAIN = str | int | float | bool | None
_TYPES: dict[str, Any] = {
    "number": float | None,
    "boolean": bool | int | float | None,
    "timestamp": str | int | float | None,
    "category": _PLAIN,
    "text": str | None,
}


class JsonRows:
    """Reads one JSON object per row; build it once, call it from any thread.

    Args:
        inputs: the plan's inputs.
        ignore: further names that may be there and are not read; their values must be plain.
    """

    def __init__(self, inputs: Sequence[Input], ignore: Iterable[str] = ()) -> None:
        numbers, categories, texts = number_inputs(inputs), category_inputs(inputs), text_inputs(inputs)
        needed = (*numbers, *categories, *texts)
        taken = {each.name for each in needed}
        others = [name for name in dict.fromkeys(ignore) if name not in taken]
        fields: list[Any] = [(f"f{at}", _TYPES[each.kind]) for at, each in enumerate(needed)]
        fields += [(f"g{at}", _PLAIN, msgspec.UNSET) for at in range(len(others))]
        names = dict(zip((field[0] for field in fields), [*(each.name for each in needed), *others], strict=True))
        row = msgspec.defstruct("Row", fields, rename=names, forbid_unknown_fields=True, gc=False)
        self._decode = msgspec.json.Decoder(row).decode
        self._wide, self._coded, self._all = len(numbers), len(numbers) + len(categories), len(needed)
        self._odd: tuple[tuple[int, Callable[[Any], Any]], ...] = tuple(
            (at, reader(each)) for at, each in enumerate(numbers) if each.kind != "number"
        )
        self._known = tuple(_known(each) for each in categories)
        self._codes = tuple(reader(each) for each in categories)
        self._counts = tuple(reader(each) for each in texts)
        self._colons = self._all + sum(name.count(":") for name in taken)
        self._others = tuple(name.count(":") for name in others)
        self._named_with_colons = any(":" in name for name in (*taken, *others))

    def read(self, body: bytes | msgspec.Raw) -> Read | None:
        """What the plan reads of the object in ``body``; None where it is not a right row, or may name a field twice."""
        try:
            values = msgspec.structs.astuple(self._decode(body))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
        if not self._once(body, values):
            return None
        numbers: Sequence[float | None] = values[: self._wide]
        try:
            if self._odd:
                numbers = list(numbers)
                for at, read in self._odd:
                    numbers[at] = read(numbers[at])
            coded = values[self._wide : self._coded]
            codes = [known.get(value, _STRANGE) for known, value in zip(self._known, coded, strict=True)]
            if _STRANGE in codes:
                codes = [read(value) for read, value in zip(self._codes, coded, strict=True)]
            counts = (
                [read(value) for read, value in zip(self._counts, values[self._coded : self._all], strict=True)] if self._counts else []
            )
        except ValueError:
            return None
        return Read(numbers, codes, counts)

    def _once(self, body: bytes | msgspec.Raw, values: tuple[Any, ...]) -> bool:
        """Whether no field is named twice: each name comes with a colon, so the fields and their texts must explain all colons."""
        content = bytes(body)
        colons = content.count(b":")
        if colons == self._colons and not self._named_with_colons:  # each field that must be there has its own
            return True
        explained = self._colons + sum(value.count(":") for value in values[: self._all] if type(value) is str)
        for value, in_name in zip(values[self._all :], self._others, strict=True):
            if value is not msgspec.UNSET:
                explained += 1 + in_name + (value.count(":") if type(value) is str else 0)
        return colons == explained and b"\\u003" not in content


def _known(category: Input) -> dict[str | None, int]:
    """The codes of null and of the vocabulary; any other value is for the field's reader to judge."""
    return {None: 0, **{text: code for code, text in enumerate(category.vocabulary, start=1)}}
