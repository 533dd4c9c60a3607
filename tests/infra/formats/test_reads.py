"""Column names that tables, SQL and the rows' own marks could not keep apart are refused where they come in."""

from __future__ import annotations

import pytest

from homeostat.errors import DataError
from homeostat.infra.formats.reads import check_names


def test_names_of_any_other_kind_are_taken() -> None:
    check_names(["at", "select", '"', "a.b", " ", "ключ", "🚲", "a\nb", "a,b", "x;--", "self", "a" * 5000, "ß", "ss"], "d.csv:1")


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        (["x", "y", "x"], "got the column 'x' twice"),
        (["x", "X"], "'x' and 'X', which differ by case only"),
        (["Ä", "ä", "Ä"], "'Ä' and 'ä', which differ by case only"),
        (["x\0y"], "without the character NUL"),
        (["_id"], "'_id'; names that begin with an underscore"),
        (["_rules"], "'_rules'; names that begin with an underscore"),
    ],
)
def test_names_that_would_be_mixed_up_are_refused(columns: list[str], says: str) -> None:
    with pytest.raises(DataError) as caught:
        check_names(columns, "d.csv:1")
    assert caught.value.code == "HS205"
    assert caught.value.place == "d.csv:1"
    assert says in caught.value.message
