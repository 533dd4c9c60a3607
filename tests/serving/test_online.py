"""A timeline against a loop over all its events: late ones, equal times, and after it let go of the old ones."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homeostat.core.features import FUNCTIONS, Event, Feature, exact, rounded
from homeostat.serving.online import Part, Past, Timeline, TooEarly, added_up, timeline_of

FEATURES = [Feature(f"{name}{window}", name, "" if name == "count" else "x", window) for name in FUNCTIONS for window in (None, 0, 3, 10)]
numbers = st.none() | st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from([0.1, 0.2, -0.0, 5e-324])
events = st.lists(st.tuples(st.integers(0, 30), numbers), max_size=25)


def brute(seen: list[tuple[int, int, Any]], feature: Feature, at: int) -> Any:
    there = sorted(one for one in seen if one[0] <= at and (feature.window_us is None or at - one[0] <= feature.window_us))
    values = [value + 0.0 for _, _, value in there if value is not None]
    if feature.function == "count":
        return len(there)
    if feature.function == "last":
        return there[-1][2] if there else None
    try:
        total = math.fsum(values)
    except OverflowError:
        total = rounded(sum(map(exact, values)))
    total = total if math.isfinite(total) else math.nan
    made = {"sum": total, **({"mean": total / len(values), "min": min(values), "max": max(values)} if values else {})}
    found = made.get(feature.function)
    return None if found is None or math.isnan(found) else found


@settings(max_examples=50)
@given(events, st.lists(st.integers(0, 45), min_size=1, max_size=6), st.lists(st.integers(0, 20), max_size=3))
def test_it_equals_the_loop_as_events_come_and_go(coming: list[tuple[int, Any]], asks: list[int], folds: list[int]) -> None:
    timeline, seen = Timeline(["x"]), list[tuple[int, int, Any]]()
    for place, (at, value) in enumerate(coming):
        timeline.add(at, place, [value])
        seen.append((at, place, value))
        for feature in FEATURES:
            assert timeline.value(feature, at) == brute(seen, feature, at)
    for before in sorted(folds):
        stored = msgspec.json.decode(msgspec.json.encode(timeline.fold(before)), type=Past)
        held = [Event("", at, place, "", [value]) for at, place, value in seen if at >= before]
        assert len(timeline) == len(held)
        for each in (timeline, timeline_of(["x"], stored, before, held)):
            for feature in FEATURES:
                for at in asks:
                    if at - (feature.window_us or 0) >= before:
                        assert each.value(feature, at) == brute(seen, feature, at)
                    else:
                        with pytest.raises(TooEarly):
                            each.value(feature, at)


def test_an_event_from_before_what_is_held_is_passed_over() -> None:
    timeline = Timeline(["x"], held_us=10)
    timeline.add(9, 0, [1.0])
    timeline.add(10, 1, [2.0])
    assert timeline.value(Feature("n", "count"), 20) == 1


def test_texts_that_were_let_go_have_a_last_value_and_no_sum() -> None:
    past = added_up(Past(), ["x", "s"], [[1.5, "open"], [None, "paid"]])
    assert past == Past(2, {"x": Part(1, hex(exact(1.5)), 1.5, 1.5, None), "s": Part(0, "0x0", None, None, "paid")})
    assert Timeline(["x", "s"], past, 5).value(Feature("last", "last", "s"), 5) == "paid"
