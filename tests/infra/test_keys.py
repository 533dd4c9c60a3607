"""Keys: made once, read only by their owner, and missed loudly."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from homeostat.errors import DataError
from homeostat.infra.keys import VARIABLE, fingerprint, key_path, keys_folder, make_key, read_key


def test_a_key_is_made_read_back_and_closed_to_others(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "keys"
    key = make_key(folder, "bike")
    assert len(key) == 32
    assert key != make_key(folder, "bike")
    assert read_key(folder, "bike", fingerprint(key)) == key
    path = key_path(folder, "bike", fingerprint(key))
    assert path.stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700
    assert [each.name for each in folder.iterdir() if each.name.startswith(".")] == []
    assert key.hex() not in fingerprint(key)


def test_a_missing_another_or_open_key_is_refused(tmp_path: Path) -> None:
    key = make_key(tmp_path, "bike")
    path = key_path(tmp_path, "bike", fingerprint(key))

    def said() -> str:
        with pytest.raises(DataError) as error:
            read_key(tmp_path, "bike", fingerprint(key))
        assert error.value.code == "HS229"
        assert key.hex() not in str(error.value)
        return str(error.value)

    path.chmod(0o640)
    assert "got mode 0640; others may read the key" in said()
    path.chmod(0o600)
    path.write_bytes(bytes(32))
    assert "not the key that the project's pseudonyms were made with" in said()
    path.unlink()
    assert "cannot be read: No such file or directory" in said()


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError) as error:
        make_key(tmp_path / "file" / "keys", "bike")
    assert "a key cannot be made: Not a directory" in str(error.value)


def test_the_folder_is_the_variable_or_the_users_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    assert keys_folder() == tmp_path
    monkeypatch.delenv(VARIABLE)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert keys_folder() == tmp_path / "home" / ".config" / "homeostat" / "keys"
    assert os.environ.get(VARIABLE) is None
