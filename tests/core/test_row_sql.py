"""An expression over one row says the same of the same row, wherever and whenever."""

from __future__ import annotations

import pytest

from homeostat.core.row_sql import row_expression


def test_an_expression_is_read() -> None:
    assert row_expression("a > 1 AND b = 'now()'").meta.root_names() == ["a", "b"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("t < NOW()", r"reads the clock \(NOW\)"),
        ("t < current_date -- the day", r"reads the clock \(current_date\)"),
        ("x > avg(x)", r"reads other rows than its own \(Agg\)"),
        ("x > ANY(SELECT 1)", "reads other rows than its own"),
        ("x >", "is no SQL expression over a row"),
        ("x > INTERVAL '1 foo'", "is no SQL expression over a row"),
        ("x" + " AND x" * 3000, "nested too deeply"),
    ],
)
def test_anything_else_is_told(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        row_expression(text)
