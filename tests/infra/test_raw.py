"""The raw zone: whole or nothing, immutable, named by content; a full disk is one clear line."""

from __future__ import annotations

import hashlib
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from homeostat.errors import DataError, ProjectError
from homeostat.infra.raw import RawZone


def files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(st.lists(st.binary(max_size=20), max_size=5))
def test_the_name_is_the_digest_of_the_bytes(tmp_path: Path, chunks: list[bytes]) -> None:
    zone = RawZone(tmp_path / "raw")
    content = b"".join(chunks)
    stored = zone.put_stream(chunks, "csv")
    assert stored.sha256 == hashlib.sha256(content).hexdigest()
    assert stored.path.read_bytes() == content
    assert stored.bytes == len(content)
    assert zone.get(stored.sha256, verify=True) == stored
    assert zone.has(stored.sha256)


def test_a_stored_file_is_read_only_and_stored_once(tmp_path: Path) -> None:
    zone = RawZone(tmp_path)
    stored = zone.put_stream([b"a,b\n"], "csv")
    assert stored.path.stat().st_mode & 0o777 == 0o444
    before = stored.path.stat().st_mtime_ns
    assert zone.put_stream([b"a,", b"b\n"], "csv") == stored
    assert stored.path.stat().st_mtime_ns == before
    assert len(files(tmp_path)) == 1


def test_an_altered_file_is_told_and_healed_by_storing_it_again(tmp_path: Path) -> None:
    zone = RawZone(tmp_path)
    stored = zone.put_stream([b"a,b\n"], "csv")
    stored.path.chmod(0o644)
    stored.path.write_bytes(b"a,c\n")
    assert zone.get(stored.sha256).path == stored.path
    with pytest.raises(DataError, match=r"HS218.*altered"):
        zone.get(stored.sha256, verify=True)
    assert zone.put_stream([b"a,b\n"], "csv") == zone.get(stored.sha256, verify=True)
    with pytest.raises(DataError, match=r"HS218.*not there"):
        zone.get("0" * 64)
    assert not zone.has("0" * 64)


def test_a_stream_that_breaks_off_leaves_nothing(tmp_path: Path) -> None:
    def chunks() -> Iterator[bytes]:
        yield b"a" * 1_000_000
        raise ConnectionResetError("gone")

    with pytest.raises(ConnectionResetError):
        RawZone(tmp_path).put_stream(chunks(), "csv")
    assert files(tmp_path) == []


def frames(count: int) -> Iterator[pl.DataFrame]:
    for i in range(count):
        yield pl.DataFrame({"a": [f"{i * j * 7919 % 1_000_003} and more text" for j in range(50_000)]})


def test_a_full_disk_is_one_line_and_leaves_no_half_file(tmp_path: Path) -> None:
    zone = RawZone(tmp_path)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, limits[1]))
    try:
        for store in (lambda: zone.put_stream([b"x" * 50_000] * 10, "csv"), lambda: zone.put_frames(frames(10))):
            with pytest.raises(ProjectError, match=r"HS602.*a raw file cannot be stored, and nothing of it was: File too large") as caught:
                store()
            assert "free some space" in caught.value.line()
            assert files(tmp_path) == []
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert zone.put_frames(frames(1)).bytes > 0


FULL = """
import sys
from pathlib import Path
from homeostat.errors import ProjectError
from homeostat.infra.raw import RawZone
folder = Path(sys.argv[1])
try:
    RawZone(folder).put_stream([b"x" * 100_000] * 100, "csv")
except ProjectError as error:
    print(error.line())
print([p for p in folder.rglob("*") if p.is_file()])
"""


def test_a_file_system_that_is_full(tmp_path: Path) -> None:
    script = 'mount -t tmpfs -o size=1m none "$0" && exec "$1" -c "$2" "$0"'
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script, str(tmp_path), sys.executable, FULL], capture_output=True, text=True, check=False
    )
    if "Operation not permitted" in done.stderr or "permission denied" in done.stderr:
        pytest.skip("a file system cannot be mounted here")
    told, left = done.stdout.splitlines()
    assert "HS602" in told
    assert "nothing of it was: No space left on device; free some space" in told
    assert left == "[]"


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ProjectError, match="HS602"):
        RawZone(tmp_path / "file" / "raw").put_stream([b"x"], "csv")


KILLED = """
import os, sys, signal
from pathlib import Path
from homeostat.infra.raw import RawZone
def chunks():
    yield b"x" * 1_000_000
    os.kill(os.getpid(), signal.SIGKILL)
RawZone(Path(sys.argv[1])).put_stream(chunks(), "csv")
"""


def test_what_a_killed_writer_left_is_swept_away_and_a_living_one_is_left_alone(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False)
    assert len(files(tmp_path)) == 1
    zone = RawZone(tmp_path)

    def chunks() -> Iterator[bytes]:
        yield b"outer"
        assert zone.put_stream([b"inner"], "csv").path.read_bytes() == b"inner"

    assert zone.put_stream(chunks(), "csv").path.read_bytes() == b"outer"
    assert len(files(tmp_path)) == 2


def test_frames_are_stored_as_they_come_with_one_digest_for_one_content(tmp_path: Path) -> None:
    zone = RawZone(tmp_path)
    stored = zone.put_frames(frames(5))
    whole = pl.concat(list(frames(5)))
    assert stored.format == "parquet"
    assert pl.read_parquet(stored.path).equals(whole)
    assert zone.put_frames(whole.iter_slices(33_333)) == stored
    assert stored.sha256 == hashlib.sha256(stored.path.read_bytes()).hexdigest()
