"""A feasibility verdict for people and for programs: the reasons, one by one, then what was measured, within 100 columns."""

from __future__ import annotations

import math
import textwrap
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from homeostat.charter.evidence import Evidence
    from homeostat.charter.feasibility import Feasibility
    from homeostat.charter.reasons import Reason

WIDTH = 100


def lines_of(name: str, told: Feasibility) -> list[str]:
    """The verdict on the goal of this name, a line or two per reason, and a table of what was measured."""
    lines = [f"{name}: {told.verdict}", *(line for reason in told.reasons for line in _argument(reason))]
    return lines if told.evidence is None else [*lines, "", "what was measured", *_measured(told.evidence)]


def data_of(told: Feasibility) -> dict[str, Any]:
    """Everything: verdict, reasons and evidence with the announced power, and null for what is no finite number."""
    data = asdict(told)
    if told.evidence is not None:
        data["evidence"]["announced_power"] = told.evidence.announced_power
    plain: dict[str, Any] = _plain(data)
    return plain


def _argument(reason: Reason) -> list[str]:
    """A reason: its weight, the sentence with the number, and the clause to change; long ones go on, indented."""
    head = f"  {reason.weight:<9}"
    return textwrap.wrap(f"{reason.message} -> {reason.clause}", WIDTH, initial_indent=head, subsequent_indent=" " * 13)


def _measured(evidence: Evidence) -> list[str]:
    lines = []
    for what, told in _rows(evidence):
        lines += textwrap.wrap(told, WIDTH, initial_indent=f"  {what:<17}", subsequent_indent=" " * 19)
    return lines


def _rows(evidence: Evidence) -> Iterator[tuple[str, str]]:
    """What was measured, and what came of it, in words."""
    naive, rule, curve, ceiling = evidence.naive, evidence.rule, evidence.curve, evidence.ceiling
    thinned = f", every {evidence.every}th used" if evidence.every > 1 else ""
    yield "rows", f"{evidence.rows}: {evidence.judged_rows} judged the quick model, {evidence.holdout_rows} stay sealed{thinned}"
    yield "quick model", f"{evidence.metric} {evidence.quick:.4g} ({evidence.low:.4g} to {evidence.high:.4g}), {evidence.learner}"
    for each in (naive, evidence.baseline, rule):
        if each is not None:
            words = f": {each.words}" if each is rule else ""
            saved = f"the quick model saves {each.saving:.1%} ({each.low:.1%} to {each.high:.1%})"
            yield each.name, f"{evidence.metric} {each.value:.4g}; {saved}{words}"
    if evidence.power is not None:
        power = evidence.power
        yield (
            "power",
            (
                f"the gate shows {power.smallest:.1%} less error ({power.low:.1%} to {power.high:.1%}) in {power.power:.0%} of cases; "
                f"a model like the quick one passes in {evidence.announced_power:.0%}"
            ),
        )
    if curve is not None:
        ahead = [f"{_times(f.rows / curve.sizes[-1])} {f.saving:.1%} ({f.saving_low:.1%} to {f.saving_high:.1%})" for f in curve.forecasts]
        shown = f"less error with more rows: {', '.join(ahead)}" if curve.trustworthy else "too uneven to look beyond it"
        yield "learning curve", f"{shown}; fit {max(curve.fit, 0):.2f} over {curve.sizes[0]} to {curve.sizes[-1]} rows"
    elif evidence.signal:
        yield "learning curve", "cannot be drawn: too few rows"
    if ceiling is not None:
        kind = "equal inputs" if ceiling.exact else "near inputs, an estimate"
        limit = f"{ceiling.metric} {ceiling.value:.4g} ({ceiling.low:.4g} to {ceiling.high:.4g})"
        perfect = ceiling.value == (1.0 if ceiling.greater_is_better else 0.0)
        yield "noise ceiling", f"{'no limit seen' if perfect else limit} from {ceiling.rows} rows of {kind}"
    elif evidence.signal:
        yield "noise ceiling", "cannot be estimated: too few rows with equal or near inputs"
    if evidence.cost is not None:
        cost = evidence.cost
        trials = f"{cost.trials:.0f} trials" if math.isfinite(cost.trials) else "the first round"
        yield "cost", f"{trials} in {cost.seconds:.3g} s, {cost.size_mb:.3g} MB, {cost.latency_p99_ms:.2g} ms for one row (p99)"
    if evidence.balance is not None:
        money = evidence.balance
        yield (
            "money",
            f"{money.per_month:,.0f} {money.currency} a month over the baseline ({money.low:,.0f} to {money.high:,.0f}), costs paid",
        )


def _times(factor: float) -> str:
    return f"{factor:.0f}x" if math.isfinite(factor) else "endless"


def _plain(value: Any) -> Any:
    """A value as JSON can hold it: what is no finite number is null."""
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
