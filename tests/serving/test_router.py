"""The router: shares as asked, the same arm for the same entity everywhere and for good, and what grows keeps what it had."""

from __future__ import annotations

import math
import subprocess
import sys
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, chi2_contingency

from homeostat.core.traffic import Arm, Asked, Traffic, arrange, champion_alone
from homeostat.serving.router import Router

STICKY = ("customer",)
MANY = 20_000


def canary(share: float, version: int = 4, sticky: tuple[str, ...] = STICKY) -> Router:
    return Router(arrange(Asked(canary=(version, share)), 3, "promotion-1", sticky))


def split(*shares: float) -> Router:
    arms = tuple(Arm(name, at, share) for at, (name, share) in enumerate(zip("abcdefgh", shares, strict=False)))
    return Router(Traffic(arms, "promotion-1", STICKY, salt="one"))


def arms_of(router: Router, count: int = MANY) -> list[int]:
    return [router.arm({"customer": number}, "") for number in range(count)]


@pytest.mark.parametrize("shares", [(0.95, 0.05), (0.5, 0.5), (0.2, 0.3, 0.5), (0.125,) * 8, (0.999, 0.001)])
def test_each_arm_gets_its_share_of_entities_within_what_chance_allows(shares: tuple[float, ...]) -> None:
    found = Counter(arms_of(split(*shares)))
    assert sum(found.values()) == MANY
    for arm, share in enumerate(shares):
        assert binomtest(found[arm], MANY, share).pvalue > 1e-4, (arm, share, found[arm])


def test_without_sticky_columns_each_request_is_drawn_by_its_key() -> None:
    router = canary(0.3, sticky=())
    row = {"customer": 7}
    found = Counter(router.arm(row, f"rq-{number}") for number in range(MANY))
    assert binomtest(found[1], MANY, 0.3).pvalue > 1e-4
    assert len({router.arm(row, "rq-1") for _ in range(10)}) == 1


def test_an_entity_stays_where_it_is_however_its_key_is_written_and_whatever_the_request() -> None:
    router = canary(0.5)
    for number in range(200):
        ways = [{"customer": each} for each in (number, float(number), str(number))]
        assert len({router.arm({**row, "other": at}, f"rq-{at}") for at, row in enumerate(ways)}) == 1
    assert router.arm({"customer": True}, "") == router.arm({"customer": "true"}, "x")


def test_the_same_arm_in_every_process_and_release() -> None:
    router = canary(0.3)
    here = [router.arm({"customer": f"c{number}"}, "") for number in range(40)]
    assert "".join(map(str, here)) == GOLDEN
    code = (
        "from homeostat.core.traffic import Asked, arrange\n"
        "from homeostat.serving.router import Router\n"
        "router = Router(arrange(Asked(canary=(4, 0.3)), 3, 'promotion-1', ('customer',)))\n"
        "print(*(router.arm({'customer': f'c{number}'}, '') for number in range(40)), sep='')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": "1"} | _path())
    assert done.stdout.strip() == GOLDEN


GOLDEN = "1100001010100110010100000110110011000000"


def _path() -> dict[str, str]:
    import os

    return {name: os.environ[name] for name in ("PYTHONPATH", "PATH") if name in os.environ}


@given(st.floats(0.01, 0.5), st.floats(1.0, 2.0), st.lists(st.text(min_size=1), min_size=1, max_size=50))
def test_a_canary_that_grows_keeps_everyone_it_had(share: float, growth: float, entities: list[str]) -> None:
    small, large = canary(share), canary(min(share * growth, 0.99))
    for entity in entities:
        if small.arm({"customer": entity}, "") == 1:
            assert large.arm({"customer": entity}, "") == 1


PARTS = st.lists(st.integers(1, 100), min_size=4, max_size=4)


@given(PARTS, PARTS)
def test_keys_go_only_to_arms_that_grew_more(before: list[int], after: list[int]) -> None:
    old, new = split(*(part / sum(before) for part in before)), split(*(part / sum(after) for part in after))
    for was, now in zip(arms_of(old, 200), arms_of(new, 200), strict=True):
        assert was == now or after[now] / before[now] > after[was] / before[was]


def test_two_experiments_are_independent_of_each_other() -> None:
    first, second = arms_of(canary(0.5, version=4)), arms_of(canary(0.5, version=5))
    table = [[sum((a, b) == (i, j) for a, b in zip(first, second, strict=True)) for j in (0, 1)] for i in (0, 1)]
    assert chi2_contingency(table).pvalue > 1e-4
    assert first != second


@pytest.mark.parametrize("value", [None, math.nan, "", 10**5_000, "absent"], ids=["null", "nan", "empty", "endless", "absent"])
def test_an_entity_that_is_null_or_missing_is_drawn_by_the_request(value: object) -> None:
    router = canary(0.5)
    row = {} if value == "absent" else {"customer": value}
    found = Counter(router.arm(row, f"rq-{number}") for number in range(2_000))
    assert binomtest(found[1], 2_000, 0.5).pvalue > 1e-4


def test_an_entity_of_two_columns_is_both_of_them() -> None:
    router = canary(0.5, sticky=("shop", "till"))
    by_shop = [{router.arm({"shop": shop, "till": till}, "") for till in range(30)} for shop in range(10)]
    assert by_shop == [{0, 1}] * 10
    assert {router.arm({"shop": 1, "till": None}, f"rq-{number}") for number in range(50)} == {0, 1}
    assert len({router.arm({"shop": 1, "till": 2}, f"rq-{number}") for number in range(50)}) == 1


def test_a_segment_decides_before_chance_and_the_first_that_fits_counts() -> None:
    rules = (("region", "EU", 5), ("tier", "1", 6), ("region", "UK", 6))
    router = Router(arrange(Asked(canary=(4, 0.5), segments=rules), 3, "promotion-1", STICKY))
    names = [arm.name for arm in router.traffic.arms]
    assert names[router.arm({"region": "EU", "tier": 1}, "")] == "segment-5"
    assert names[router.arm({"region": "US", "tier": 1.0}, "")] == "segment-6"
    assert {names[router.arm({"region": None, "customer": number}, "")] for number in range(100)} == {"champion", "canary"}
    alone = Router(arrange(Asked(segments=rules), 3, "promotion-1"))
    assert (alone.plain, alone.arm({"region": "UK"}, ""), alone.arm({}, "")) == (False, 2, 0)


def test_a_champion_alone_or_with_a_shadow_needs_no_look_at_the_row() -> None:
    for traffic in (champion_alone(3, "p"), arrange(Asked(shadows=(4,)), 3, "p", STICKY)):
        router = Router(traffic)
        assert router.plain
        assert router.first == router.arm({}, "") == 0
    assert not canary(0.1).plain


@given(
    st.dictionaries(st.text(), st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.integers()), max_size=4),
    st.text(),
)
def test_no_row_is_too_odd_to_be_routed(row: dict[str, object], key: str) -> None:
    router = Router(arrange(Asked(canary=(4, 0.5), segments=(("a", "b", 5),)), 3, "p", ("", "0")))
    assert router.arm(row, key) == router.arm(dict(row), key)
    assert router.arm({"": "\ud800", "0": 1}, key) in {0, 1}
    for odd in (None, 7, "a", [row], [["a", "b"]]):
        assert router.arm(odd, key) == router.arm({}, key)
