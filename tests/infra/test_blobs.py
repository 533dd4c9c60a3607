"""Content-addressed files."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homeostat.errors import BundleError, ProjectError
from homeostat.infra.blobs import FileBlobs

if TYPE_CHECKING:
    from pathlib import Path


def files(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if path.is_file()]


def test_what_is_put_comes_back_under_its_digest(tmp_path: Path) -> None:
    blobs = FileBlobs(tmp_path / "blobs")

    @settings(max_examples=40, deadline=None)
    @given(st.binary(max_size=5_000))
    def law(content: bytes) -> None:
        name = blobs.put(content)
        assert name == hashlib.sha256(content).hexdigest()
        assert blobs.get(name) == content

    law()


def test_putting_again_changes_nothing(tmp_path: Path) -> None:
    blobs = FileBlobs(tmp_path)
    name = blobs.put(b"model")
    (path,) = files(tmp_path)
    assert path == tmp_path / name[:2] / name[2:4] / name
    before = path.stat().st_mtime_ns, path.stat().st_ino
    assert blobs.put(b"model") == name
    assert files(tmp_path) == [path]
    assert (path.stat().st_mtime_ns, path.stat().st_ino) == before


@pytest.mark.parametrize("damaged", [b"", b"mode", b"model!", b"nodel"])
def test_an_altered_file_is_refused_and_healed_by_putting_it_again(tmp_path: Path, damaged: bytes) -> None:
    blobs = FileBlobs(tmp_path)
    name = blobs.put(b"model")
    files(tmp_path)[0].write_bytes(damaged)
    with pytest.raises(BundleError, match="HS401"):
        blobs.get(name)
    assert blobs.put(b"model") == name
    assert blobs.get(name) == b"model"


@pytest.mark.parametrize("name", ["0" * 64, "", "../../etc/passwd", "A" * 64, "0" * 63])
def test_a_name_that_is_not_there_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(BundleError, match="HS401"):
        FileBlobs(tmp_path).get(name)


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ProjectError, match="HS602"):
        FileBlobs(tmp_path / "file").put(b"model")


def test_racing_writers_leave_one_whole_file(tmp_path: Path) -> None:
    blobs = FileBlobs(tmp_path)
    content = bytes(range(256)) * 4_000
    with ThreadPoolExecutor(8) as pool:
        names = set(pool.map(lambda _: blobs.put(content), range(16)))
    assert len(names) == 1
    assert len(files(tmp_path)) == 1
    assert blobs.get(names.pop()) == content
