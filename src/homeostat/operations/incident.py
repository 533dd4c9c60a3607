"""What happened, in a paragraph a person can read and check. Facts only."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from homeostat.core.records import Action, Diagnosis, Finding

_CAUSES = {
    "healthy": "No fault was found",
    "too_few_rows": "The window was not judged",
    "broken_data": "The data is broken",
    "covariate_shift": "The inputs shifted",
    "label_shift": "The mix of the target shifted",
    "concept_change": "The relation between inputs and target changed",
}


def summary(findings: Sequence[Finding], diagnosis: Diagnosis, action: Action, outcome: str = "") -> str:
    """One paragraph: how many findings, the cause and why, the action and why, and how it ended.

    ``outcome`` is a sentence on what came of the action; empty while it is open.
    """
    kinds: dict[str, int] = {}
    for finding in findings:
        kinds[finding.kind] = kinds.get(finding.kind, 0) + 1
    counted = ", ".join(f"{count} {kind.replace('_', ' ')}" for kind, count in kinds.items())
    seen = f"{len(findings)} finding{'s' if len(findings) != 1 else ''}" + (f" ({counted})" if counted else "")
    sentences = [seen, f"{_CAUSES[diagnosis.cause]}: {diagnosis.reason}"]
    if diagnosis.columns:
        sentences.append(f"Columns: {', '.join(diagnosis.columns)}")
    taken = "Action" if action.allowed else "Action named and not taken"
    sentences.append(f"{taken}: {action.name}, because {action.reason}")
    sentences.append(f"Outcome: {outcome.strip()}" if outcome.strip() else "Outcome: open")
    return " ".join(sentence.rstrip(".") + "." for sentence in sentences)
