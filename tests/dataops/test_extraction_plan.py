"""Each content is taken in once; a correction replaces; going back to an old content is a correction too."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from homeostat.core.records import SourceFile
from homeostat.dataops.plan import plan_extraction


def _files(**content: str) -> list[SourceFile]:
    return [SourceFile(path, sha, 1, 0) for path, sha in content.items()]


def _paths(files: tuple[SourceFile, ...]) -> list[str]:
    return [file.path for file in files]


def test_new_corrected_skipped() -> None:
    plan = plan_extraction(_files(a="1", b="2x", c="3", d="1"), _files(a="1", b="2"))
    assert (_paths(plan.new), _paths(plan.corrected), _paths(plan.skipped)) == (["c"], ["b"], ["a", "d"])
    assert _paths(plan.files) == ["b", "c"]


def test_back_to_an_older_content_is_taken_in_again() -> None:
    plan = plan_extraction(_files(a="1"), [*_files(a="1"), *_files(a="2")])
    assert _paths(plan.corrected) == ["a"]


def test_a_copy_is_taken_in_when_the_original_changes_in_the_same_delivery() -> None:
    plan = plan_extraction(_files(a="2", b="1"), _files(a="1"))
    assert (_paths(plan.new), _paths(plan.corrected)) == (["b"], ["a"])


def test_two_new_copies_come_once_and_a_missing_file_changes_nothing() -> None:
    assert _paths(plan_extraction(_files(a="1", b="1"), []).files) == ["a"]
    assert plan_extraction([], _files(a="1")).files == ()


STATE = st.dictionaries(st.sampled_from("abcd"), st.sampled_from("123"), max_size=4)


@given(st.lists(STATE, max_size=5))
def test_the_table_ends_with_every_content_that_lies_there_and_a_second_run_does_nothing(days: list[dict[str, str]]) -> None:
    table: dict[str, str] = {}
    known: list[SourceFile] = []
    for day in days:
        files = _files(**day)
        plan = plan_extraction(files, known)
        for file in plan.files:
            table[file.path] = file.sha256
            known.append(file)
        assert set(day.values()) <= set(table.values())
        assert all(table[path] == day[path] for path in day if path in table)
        assert plan_extraction(files, known).files == ()
