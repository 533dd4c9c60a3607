"""From findings to the most likely cause.

The order is the order of trust. Broken data comes first: nothing else can be judged on it (it is only found when enough rows came in).
Then too few rows. Then the labels speak, when there are any:
a model that is not measurably worse has no concept change to repair.

Limits, by nature. Without labels a concept change is invisible. A window names one cause, though two can be at work. Covariate
shift and concept change are told apart by the error where the reference is dense column by column; a shift in how columns go together
only can pass for a concept change. Label shift is claimed only when the error at the reference's class shares has held.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from homeostat.core.records import Diagnosis

if TYPE_CHECKING:
    from collections.abc import Sequence

    from homeostat.core.records import Finding

BIAS = 0.5  # a mean residual that moved by this many usual errors is taken for a concept change when nothing better is known
SHOWN = 3  # findings quoted in a reason


@dataclass(frozen=True, slots=True)
class Context:
    """What is known of the window beside its findings.

    Errors are those of the success metric (``stats.metrics.error_of``): smaller is better, None when not known.

    Attributes:
        rows: usable rows: what the contract let through.
        min_rows: fewer are not judged.
        labelled: rows whose label has arrived and on which performance was judged; 0 when it was not.
        degradation: the share by which the error may grow.
        expected_error: when the champion was accepted.
        error: in this window.
        error_in_known_region: in this window, where the reference is dense (``performance.error_in_known_region``).
        error_at_class_shares: in this window, at the reference's class shares (``performance.error_at_class_shares``).
        bias_shift: how far the mean residual moved, in usual errors (``performance.bias_shift``).
    """

    rows: int
    min_rows: int
    labelled: int = 0
    degradation: float = 0.2
    expected_error: float | None = None
    error: float | None = None
    error_in_known_region: float | None = None
    error_at_class_shares: float | None = None
    bias_shift: float | None = None

    @property
    def limit(self) -> float | None:
        """The largest error that is still accepted."""
        return None if self.expected_error is None else (1 + self.degradation) * self.expected_error


def diagnose(findings: Sequence[Finding], context: Context) -> Diagnosis:
    """The most likely cause of one window's findings, with the numbers that led to it and the columns it names."""
    broken = [finding for finding in findings if finding.kind in {"broken_rows", "null_rate"}]
    if broken:
        return Diagnosis("broken_data", _quote(broken), _columns(broken))
    if context.rows < context.min_rows:
        return Diagnosis("too_few_rows", f"{context.rows:,} usable rows; {context.min_rows:,} are needed to judge a window")
    worse = [finding for finding in findings if finding.kind == "performance"]
    inputs = [finding for finding in findings if finding.kind == "input_drift"]
    target = [finding for finding in findings if finding.kind == "target_drift"]
    if worse:
        return _worse(worse, inputs, target, context)
    return _bearable(inputs + [finding for finding in findings if finding.kind == "prediction_drift"], target, context)


def _bearable(moved: list[Finding], target: list[Finding], context: Context) -> Diagnosis:
    """The cause when no loss of performance was measured: because there is none, or because the labels are not there yet."""
    if moved:
        inputs = [finding for finding in moved if finding.kind == "input_drift"]
        return Diagnosis("covariate_shift", f"{_standing(context)}; {_quote(moved)}", _columns(inputs))
    if not target:
        return Diagnosis("healthy", f"{context.rows:,} rows show nothing that the reference does not; {_standing(context)}")
    stable = f"{_standing(context)}; {_quote(target)}; the inputs did not move"
    return Diagnosis("healthy", stable) if context.labelled else Diagnosis("label_shift", stable, _columns(target))


def _worse(worse: list[Finding], inputs: list[Finding], target: list[Finding], context: Context) -> Diagnosis:
    """The cause of a measured loss of performance."""
    facts, limit = _quote(worse), context.limit
    balanced, known, bias = context.error_at_class_shares, context.error_in_known_region, context.bias_shift
    if target and balanced is not None and limit is not None and balanced <= limit:
        held = f"at the reference's class shares the error is {balanced:.4g}, within {limit:.4g}"
        return Diagnosis("label_shift", f"{facts}; {_quote(target)}; {held}", _columns(target))
    if not inputs:
        return Diagnosis("concept_change", f"{facts}; no input moved, so the relation to the target did")
    drift = _quote(inputs)
    if known is not None and limit is not None:
        if known > limit:
            reason = f"{facts}; even on rows like the reference's the error is {known:.4g}, above {limit:.4g}; also {drift}"
            return Diagnosis("concept_change", reason, _columns(inputs))
        reason = f"{facts}; on rows like the reference's the error is {known:.4g}, within {limit:.4g}; {drift}"
        return Diagnosis("covariate_shift", reason, _columns(inputs))
    if bias is not None:
        reason = f"{facts}; the mean residual moved by {bias:+.2f} usual errors (concept change from {BIAS:g}); {drift}"
        return Diagnosis("concept_change" if abs(bias) >= BIAS else "covariate_shift", reason, _columns(inputs))
    reason = (
        f"{facts}; {drift}; too few rows like the reference's to tell a covariate shift from a concept change, so the graver is assumed"
    )
    return Diagnosis("concept_change", reason, _columns(inputs))


def _standing(context: Context) -> str:
    """What the labels say when they raised no alarm."""
    if not context.labelled:
        return "performance is not known yet"
    if context.error is None or context.expected_error is None:
        return f"performance held on {context.labelled:,} labelled rows"
    return f"performance held on {context.labelled:,} labelled rows (error {context.error:.4g}, {context.expected_error:.4g} when accepted)"


def _quote(findings: Sequence[Finding]) -> str:
    """The strongest findings in words, and how many more there are."""
    strongest = sorted(findings, key=lambda finding: -finding.effect)
    more = f"; and {len(findings) - SHOWN} more" if len(findings) > SHOWN else ""
    return "; ".join(finding.detail for finding in strongest[:SHOWN]) + more


def _columns(findings: Sequence[Finding]) -> tuple[str, ...]:
    """The columns named, by falling effect, each once."""
    ordered = sorted(findings, key=lambda finding: -finding.effect)
    return tuple(dict.fromkeys(finding.column for finding in ordered if finding.column))
