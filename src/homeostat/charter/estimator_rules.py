"""Rules about the team's own estimators: names that learners know, and parameters that can be searched."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from typing import get_args

from homeostat.charter.violations import Loc, Violation, shown
from homeostat.core.sections import LearnerName, Learning, Span

BUILT_IN: tuple[str, ...] = get_args(LearnerName)
TAKEN = ("categories", "members", "window")
"""Names that a trial's params have for other things."""


def learners_are_known(learning: Learning) -> Iterator[Violation]:
    """A learner is one of ours or one of the team's own, and each of these is tried."""
    known = (*BUILT_IN, *learning.estimators)
    for index, name in enumerate(learning.learners):
        if name not in known:
            near = get_close_matches(name, known, n=1)
            step = f"did you mean {near[0]}?" if near else "describe an estimator of your own in learning.estimators"
            yield Violation("HS105", ("learning", "learners", index), f"got {shown(name)}; allowed: {', '.join(known)}", step)
    for name in learning.estimators:
        at: Loc = ("learning", "estimators", name)
        if name in BUILT_IN:
            yield Violation("HS106", at, "is the name of a learner that comes with this program", "call it otherwise")
        elif name not in learning.learners:
            yield Violation("HS106", at, "is not named in learning.learners, so it is never tried", "name it there, or drop it")


def estimators_can_be_searched(learning: Learning) -> Iterator[Violation]:
    """Each parameter of an estimator is searched or fixed, under a name of its own, among values that there are."""
    for name, each in learning.estimators.items():
        at: Loc = ("learning", "estimators", name)
        for parameter in (*each.space, *each.params):
            clause = "space" if parameter in each.space else "params"
            if parameter in TAKEN:
                message = f"is a word that a trial has for itself, as are {', '.join(TAKEN)}"
                yield Violation("HS106", (*at, clause, parameter), message, "let the callable take it under another name")
        for parameter in each.space:
            if parameter in each.params:
                yield Violation("HS106", (*at, "params", parameter), "is searched in space too", "keep one of them")
            yield from _span(each.space[parameter], (*at, "space", parameter))


def _span(span: Span, at: Loc) -> Iterator[Violation]:
    bounds = {name: getattr(span, name) for name in ("low", "high") if getattr(span, name) is not None}
    if span.choices:
        beside = [*bounds, *(["start"] if span.start is not None else []), *(["log"] if span.log else [])]
        if beside:
            yield Violation("HS106", (*at, beside[0]), "is about numbers between two bounds, and there are choices", "drop one of them")
        if len(span.choices) < 2:
            yield Violation(
                "HS105", (*at, "choices"), "got one choice; allowed: two or more", "put a value that is always the same in params"
            )
        return
    if len(bounds) < 2:
        got = "neither bounds nor choices" if not bounds else f"only {next(iter(bounds))}"
        yield Violation("HS104", at, f"got {got}", "give low and high, or choices")
        return
    low, high = bounds["low"], bounds["high"]
    if low >= high:
        yield Violation("HS105", (*at, "high"), f"got {high:g}; allowed: more than low, which is {low:g}")
    if span.log and low <= 0:
        yield Violation("HS105", (*at, "low"), f"got {low:g} for a logarithmic search; allowed: more than 0")
    if span.start is None:
        return
    if not low <= span.start <= high:
        yield Violation("HS105", (*at, "start"), f"got {span.start:g}; allowed: from {low:g} to {high:g}")
    elif span.whole and not isinstance(span.start, int):
        yield Violation("HS105", (*at, "start"), f"got {span.start:g}; allowed: a whole number, as low and high are")
