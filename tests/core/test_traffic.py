"""Traffic as values: what adds up, what is refused in words, and that it survives being written down."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeostat.core.ids import canonical
from homeostat.core.traffic import Arm, Asked, Segment, Shadow, Traffic, arrange, champion_alone, read_traffic, told

PARTS = st.integers(min_value=1, max_value=1_000)


@st.composite
def asked(draw: st.DrawFn) -> Asked:
    versions = st.integers(min_value=4, max_value=50)
    canary = draw(st.none() | st.tuples(versions, st.floats(min_value=0.001, max_value=0.999)))
    parts = draw(st.lists(PARTS, min_size=2, max_size=8))
    test = () if canary else tuple((draw(versions), part / sum(parts)) for part in parts)
    columns = st.text(min_size=1, max_size=3)
    segments = draw(st.lists(st.tuples(columns, columns, versions), max_size=4, unique_by=lambda each: each[:2]))
    shadows = draw(st.lists(versions, max_size=3, unique=True))
    return Asked(canary, test, tuple(segments), tuple(shadows), budget=0.25, queue=7)


@given(asked(), st.lists(st.text(min_size=1, max_size=4), max_size=2))
def test_a_traffic_is_read_back_as_it_was_written_and_its_shares_sum_to_one(words: Asked, sticky: list[str]) -> None:
    traffic = arrange(words, 3, "promotion-1", tuple(sticky))
    assert read_traffic(json.loads(canonical(traffic.body()))) == traffic
    assert math.fsum(arm.share for arm in traffic.arms) == pytest.approx(1.0, abs=1e-9)
    assert {version for _, _, version in words.segments} <= set(traffic.answering)
    assert traffic.versions[: len(traffic.answering)] == traffic.answering
    assert all(f"version {number}" in told(traffic) for number in traffic.versions)


def test_arms_are_called_what_people_call_them() -> None:
    canary = arrange(Asked(canary=(4, 0.1), segments=(("region", "EU", 5), ("region", "UK", 5), ("tier", "1", 3))), 3, "promotion-1")
    assert [(arm.name, arm.version, arm.share) for arm in canary.arms] == [
        ("champion", 3, 0.9),
        ("canary", 4, 0.1),
        ("segment-5", 5, 0.0),
        ("segment-3", 3, 0.0),
    ]
    assert canary.segments[2] == Segment("tier", "1", "segment-3")  # not among the drawn rows of the champion's arm
    test = arrange(Asked(test=((3, 0.2), (4, 0.3), (4, 0.5))), 3, "promotion-1")
    assert [(arm.name, arm.version) for arm in test.arms] == [("a", 3), ("b", 4), ("c", 4)]
    shadow = arrange(Asked(shadows=(4, 5), budget=0.1, queue=9), 3, "promotion-1", ("customer",))
    assert shadow.arms == champion_alone(3, "promotion-1").arms
    assert shadow.shadows == (Shadow(4, 0.1, 9), Shadow(5, 0.1, 9))
    assert (shadow.sticky, shadow.salt, shadow.plain) == ((), "", False)
    assert champion_alone(3, "promotion-1").plain


def test_one_experiment_has_one_salt_whatever_its_shares_and_shadows_and_another_has_another() -> None:
    def salt(words: Asked, beside: str = "p", sticky: tuple[str, ...] = ("c",)) -> str:
        return arrange(words, 3, beside, sticky).salt

    first = salt(Asked(canary=(4, 0.05)))
    assert first == salt(Asked(canary=(4, 0.1), shadows=(9,), segments=(("region", "EU", 5),)))
    others = {salt(Asked(canary=(5, 0.05))), salt(Asked(canary=(4, 0.05)), "q"), salt(Asked(canary=(4, 0.05)), sticky=("d",))}
    assert len({first, *others}) == 4


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (Asked(), "nothing to route"),
        (Asked(canary=(4, 0.0)), "got 0% for the canary"),
        (Asked(canary=(4, 1.0)), "which is a promotion"),
        (Asked(canary=(4, math.nan)), "for the canary"),
        (Asked(canary=(3, 0.1)), "version 3 as the canary, which is the champion"),
        (Asked(canary=(4, 0.1), test=((3, 0.5), (4, 0.5))), "one of them at a time"),
        (Asked(test=((4, 1.0),)), "a test has 2 to 8"),
        (Asked(test=((3, 0.5), (4, 0.4))), "got the shares 50%, 40%; each is above 0%, and they add up to 100%"),
        (Asked(test=((3, 1.5), (4, -0.5))), "each is above 0%"),
        (Asked(test=tuple((each, 1 / 9) for each in range(9))), "got 9 arm"),
        (Asked(segments=(("r", "EU", 4), ("r", "EU", 5))), "the segment r=EU more than once"),
        (Asked(shadows=(4, 4)), "in shadow more than once"),
    ],
)
def test_what_does_not_add_up_is_refused(words: Asked, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        arrange(words, 3, "promotion-1")


def test_a_record_that_is_no_traffic_is_refused() -> None:
    arm = Arm("champion", 3, 1.0)
    for wrong in (
        {"arms": ()},
        {"arms": (Arm("a", 1, 0.5), Arm("a", 2, 0.5))},
        {"arms": (Arm("a", 1, 2.0), Arm("b", 2, -1.0))},
        {"arms": (Arm("shadow", 1, 1.0),)},
        {"arms": (arm,), "segments": (Segment("r", "EU", "canary"),)},
        {"arms": tuple(Arm(f"n{n}", n, 1 / 9) for n in range(9))},
    ):
        with pytest.raises(ValueError, match="got"):
            Traffic(**wrong)  # type: ignore[arg-type]
    for body in ({}, {"arms": [{"name": "a"}], "segments": [], "shadows": []}, {"arms": 1, "segments": [], "shadows": []}):
        with pytest.raises(ValueError, match="no traffic"):
            read_traffic(body)
