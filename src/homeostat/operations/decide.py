"""From a diagnosis to an action, within what the policy allows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from homeostat.core.durations import format_duration
from homeostat.core.records import Action

if TYPE_CHECKING:
    from datetime import datetime

    from homeostat.core.records import Diagnosis
    from homeostat.core.sections import Policy

MAX_REJECTIONS = 5  # challengers rejected in a row after which retraining once more is not the answer, and a person is asked


@dataclass(frozen=True, slots=True)
class History:
    """What happened before. ``now`` and ``last_retrain`` are both with a time zone or both without.

    ``consecutive_rejections`` counts challengers rejected since the last promotion or the last answer of a person.
    """

    now: datetime
    last_retrain: datetime | None = None
    consecutive_rejections: int = 0


def decide(policy: Policy, diagnosis: Diagnosis, history: History) -> Action:
    """The one action that answers a diagnosis.

    The policy's response, except that: a model is never retrained on broken data, whatever the policy says; two
    retrainings keep the cooldown; after five rejections in a row a person is asked. In the modes observe and recommend the
    action is named and not allowed.
    """
    if diagnosis.cause in {"healthy", "too_few_rows"}:
        return Action("none", f"{diagnosis.cause}: nothing to repair")
    name = getattr(policy.responses, diagnosis.cause)
    where = f" ({', '.join(diagnosis.columns[:5])})" if diagnosis.columns else ""
    because = f"the policy answers {diagnosis.cause}{where} with {name}"
    if name == "none":
        return Action("none", because)
    if name == "retrain":
        held = _held_back(policy, diagnosis, history, because)
        if held is not None:
            return held
    if policy.mode != "act":
        return Action(name, f"{because}; mode {policy.mode} does nothing by itself", allowed=False)
    return Action(name, because)


def _held_back(policy: Policy, diagnosis: Diagnosis, history: History, because: str) -> Action | None:
    """Why a retraining must not happen now; None when it may."""
    if diagnosis.cause == "broken_data":
        return Action("none", f"{because}; refused: a model is never retrained on broken data", allowed=False)
    if history.last_retrain is not None and history.now < history.last_retrain + policy.cooldown:
        until = (history.last_retrain + policy.cooldown).isoformat(timespec="minutes")
        return Action("none", f"{because}; held back until {until}: the cooldown is {format_duration(policy.cooldown)}")
    if history.consecutive_rejections >= MAX_REJECTIONS:
        asked = f"{because}; {history.consecutive_rejections} challengers in a row were rejected, so a person is asked"
        return Action("ask", asked, allowed=policy.mode == "act")
    return None
