"""The bundled bike-sharing data, cut into the monthly deliveries a team would get."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files

TARGET = "cnt"
UNKNOWN_BEFOREHAND = ("casual", "registered", TARGET)
ENTITY = ("dteday", "hr")
TEXTS = ("dteday",)

Row = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Month:
    """One calendar month: its name (``2011-07``) and its rows as the source writes them."""

    name: str
    rows: tuple[Row, ...]

    @property
    def closes(self) -> datetime:
        """The first moment after the month."""
        year, month = map(int, self.name.split("-"))
        return datetime(year + month // 12, month % 12 + 1, 1, tzinfo=UTC)

    def delivery(self) -> str:
        """The month as a CSV file with every column."""
        return to_csv(self.rows)

    def labels(self) -> str:
        """What became known after the month: the entity and the target."""
        return to_csv([{name: row[name] for name in (*ENTITY, TARGET)} for row in self.rows])

    def requests(self) -> Iterator[dict[str, float | int | str]]:
        """Each row as a caller would send it: without what is unknown beforehand."""
        for row in self.rows:
            yield {name: text if name in TEXTS else number(text) for name, text in row.items() if name not in UNKNOWN_BEFOREHAND}

    def broken(self) -> Month:
        """The month as a broken feed reports it: temperatures in degrees instead of the agreed 0 to 1 scale.

        The source documents the scale: temp is divided by 41 and atemp by 50 degrees Celsius.
        """
        scales = {"temp": 41.0, "atemp": 50.0}
        return Month(self.name, tuple({**row, **{c: f"{float(row[c]) * s:.2f}" for c, s in scales.items()}} for row in self.rows))


def bundled_months() -> list[Month]:
    """Capital Bikeshare 2011-2012, month by month, in time order (CC BY 4.0; see NOTICE in the package's data folder)."""
    text = files("homeostat").joinpath("data", "bike_hourly.csv").read_text(encoding="utf-8")
    grouped: dict[str, list[Row]] = {}
    for row in csv.DictReader(io.StringIO(text)):
        grouped.setdefault(row["dteday"][:7], []).append(row)
    return [Month(name, tuple(rows)) for name, rows in sorted(grouped.items())]


def to_csv(rows: list[Row] | tuple[Row, ...]) -> str:
    """Rows as CSV text with a header."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue()


def number(text: str) -> float | int:
    """A number as its text shows it: an integer without a decimal point."""
    return float(text) if "." in text else int(text)
