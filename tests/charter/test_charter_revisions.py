"""What changed between two charters, clause by clause, and that no password is part of what is kept or shown."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from homeostat.charter.load import load_charter, parse_charter
from homeostat.charter.revisions import changes, content_of, text_of_value
from homeostat.charter.violations import shown
from homeostat.errors import CharterError

BIKE = Path(__file__).resolve().parents[2] / "examples" / "bike-demand" / "homeostat.yaml"


def test_each_changed_clause_is_told_with_its_old_and_new_value() -> None:
    text = BIKE.read_text()
    new = text.replace("threshold: 60", "threshold: 55").replace("    - {kind: recent, length: 180d}\n", "")
    new = new.replace("segments: [workingday]", "segments: [workingday, hr]") + "\nprivacy: {never_use: [hum]}\n"
    found = changes(content_of(load_charter(BIKE)), content_of(parse_charter(new, "x")))
    assert [one.line() for one in found] == [
        "success.threshold: 60 -> 55",
        "success.segments: [workingday] -> [workingday, hr]",
        "privacy.never_use: - -> [hum]",
        "policy.windows[2].kind: recent -> decay",
        "policy.windows[2].length: 180d -> 45d",
        "policy.windows[3].kind: decay -> -",
        "policy.windows[3].length: 45d -> -",
    ]
    assert changes(content_of(load_charter(BIKE)), content_of(load_charter(BIKE))) == ()


def test_a_changed_password_is_no_revision_and_is_in_no_content() -> None:
    text = BIKE.read_text() + "\nstore: {ledger: 'postgresql://me:PASSWORD@db/x'}\n"
    one, two = (content_of(parse_charter(text.replace("PASSWORD", password), "x")) for password in ("hush", "quiet"))
    assert one == two
    assert "hush" not in json.dumps(one)
    assert one["store"]["ledger"] == "postgresql://me:***@db/x"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("source: data/ ", "source: postgresql://me:hush@db/x "),
        ("  contract: contract.yaml", "  contract: contract.yaml\n  tables: {w: {source: 'postgresql://me:hush@db/x'}}"),
        ("  contract: contract.yaml", "  contract: contract.yaml\n  slice: postgresql://me:hush@db/x"),
        ("monitor:", "store: {engine: 'postgresql://me:hush@db/x'}\nmonitor:"),
    ],
)
def test_an_error_about_an_address_does_not_repeat_its_password(old: str, new: str) -> None:
    text = BIKE.read_text()
    assert old in text
    with pytest.raises(CharterError) as caught:
        parse_charter(text.replace(old, new), "x")
    for error in (caught.value, *caught.value.others):
        assert "hush" not in error.line()
    assert shown("postgresql://me:hush@db/x") == '"postgresql://me:***@db/x"'


def test_values_on_one_line() -> None:
    assert text_of_value("a\n  b") == "a b"
    assert text_of_value(1e-3) == "0.001"
    assert text_of_value({}) == "-"
