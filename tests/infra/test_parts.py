"""Parts of an output: finished ones stay, those of anything else go, nobody else works on them meanwhile."""

from __future__ import annotations

from pathlib import Path

import pytest

from homeostat.errors import DataError, ProjectError
from homeostat.infra.parts import opened, put_file, put_part

SAME = {"input": [["a.csv", "1"]], "version": 2}


def put(folder: Path, number: int, bad: int = 0) -> None:
    put_part(folder, ".csv", number, bad, lambda file: file.write(b"1\n"))


def test_finished_parts_are_found_again(tmp_path: Path) -> None:
    folder = tmp_path / "out.parts"
    with opened(folder, ".csv", SAME, {"key": "first"}) as parts:
        put(folder, 0)
        put(folder, 12, bad=3)
        (folder / ".part-000001-0.csv.partial").write_bytes(b"half")
    with opened(folder, ".csv", SAME, {"key": "second"}) as parts:
        assert {number: part.bad for number, part in parts.done().items()} == {0: 0, 12: 3}
        assert parts.done()[12].path.read_bytes() == b"1\n"
        assert (parts.changed, parts.state["key"]) == ((), "first")
        parts.close()
    assert not folder.exists()


def test_parts_of_anything_else_go(tmp_path: Path) -> None:
    folder = tmp_path / "out.parts"
    with opened(folder, ".csv", SAME, {"key": "first"}):
        put(folder, 0)
        (folder / "input").mkdir()
    with opened(folder, ".csv", SAME | {"version": 3}, {"key": "second"}) as parts:
        assert not parts.done()
        assert (parts.changed, parts.state["key"]) == (("version",), "second")
        assert not (folder / "input").exists()
    (folder / "state.json").write_bytes(b"{ half")
    with opened(folder, ".csv", SAME, {}) as parts:
        assert parts.changed == ()


def test_one_at_a_time(tmp_path: Path) -> None:
    with opened(tmp_path / "p", ".csv", SAME, {}):
        put(tmp_path / "p", 0)
        with pytest.raises(ProjectError, match="HS422"), opened(tmp_path / "p", ".csv", SAME, {}):
            raise AssertionError
        assert (tmp_path / "p" / "part-000000-0.csv").exists()


def test_after_an_error_a_folder_without_parts_is_gone(tmp_path: Path) -> None:
    def failing(number: int) -> None:
        with opened(tmp_path / "p", ".csv", SAME, {}):
            if number:
                put(tmp_path / "p", 0)
            raise DataError("HS202", "nothing")

    for number in range(2):
        with pytest.raises(DataError):
            failing(number)
        assert (tmp_path / "p").exists() == bool(number)


def test_a_file_is_whole_or_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "x"
    put_file(path, lambda file: file.write(b"old"))
    with pytest.raises(KeyboardInterrupt):
        put_file(path, lambda file: (file.write(b"new"), (_ for _ in ()).throw(KeyboardInterrupt))[0])
    assert path.read_bytes() == b"old"
    assert [each.name for each in tmp_path.iterdir()] == ["x"]


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(ProjectError, match="HS602"), opened(tmp_path / "file" / "p", ".csv", SAME, {}):
        raise AssertionError
