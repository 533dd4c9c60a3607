"""Partitions: each row group is in exactly one, in order, and none but a file's last is small."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from homeostat.serving.partitions import partitions, seconds_left

FILES = st.lists(st.lists(st.integers(1, 60), min_size=1, max_size=12), max_size=5)


@given(FILES, st.integers(1, 100))
def test_each_row_group_is_in_one_partition(files: list[list[int]], least: int) -> None:
    cut = partitions(files, least)
    assert [each.number for each in cut] == list(range(len(cut)))
    assert [(each.file, group) for each in cut for group in each.groups] == [
        (f, g) for f, sizes in enumerate(files) for g in range(len(sizes))
    ]
    for each in cut:
        sizes = files[each.file]
        assert list(each.group_rows) == sizes[each.groups.start : each.groups.stop]
        assert each.start == sum(sizes[: each.first])
        last = each.groups.stop == len(sizes)
        assert last or each.rows >= least
        assert each.rows - each.group_rows[-1] < least, "no larger than it must be"


def test_the_rest_takes_as_long_as_the_pace_says() -> None:
    assert seconds_left(0, 10, 5.0) is None
    assert seconds_left(10, 10, 5.0) == 0
