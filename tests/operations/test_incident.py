"""The paragraph holds the facts, and nothing when there are none."""

from __future__ import annotations

from homeostat.core.records import Action, Diagnosis, Finding
from homeostat.operations.incident import summary


def test_the_whole_story_in_one_paragraph() -> None:
    findings = [
        Finding("input_drift", "temp", "ks", 0.4, 0.0, "temp moved"),
        Finding("input_drift", "hum", "ks", 0.2, 0.0, "hum moved"),
        Finding("performance", "", "mae", 0.5, None, "mae 60 against 40"),
    ]
    text = summary(
        findings, Diagnosis("concept_change", "mae 60 against 40", ("temp", "hum")), Action("retrain", "the policy says so"), "v2 promoted."
    )
    assert text == (
        "3 findings (2 input drift, 1 performance). The relation between inputs and target changed: mae 60 against 40. Columns: temp, hum."
        " Action: retrain, because the policy says so. Outcome: v2 promoted."
    )


def test_nothing_found_and_nothing_allowed() -> None:
    text = summary([], Diagnosis("healthy", "720 rows"), Action("none", "nothing to repair", allowed=False))
    assert text == ("0 findings. No fault was found: 720 rows. Action named and not taken: none, because nothing to repair. Outcome: open.")
