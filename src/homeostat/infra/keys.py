"""Secret keys of projects, outside every project: 32 random bytes in a file that only its owner can read.

The folder is ``$HOMEOSTAT_KEYS``, or ``homeostat/keys`` in ``$XDG_CONFIG_HOME`` (by default ``~/.config``). A key's file is called after
the project and the key's fingerprint; the ledger holds the fingerprint, never the key.
"""

from __future__ import annotations

import hmac
import os
import secrets
import stat
from pathlib import Path

from homeostat.errors import DataError

VARIABLE = "HOMEOSTAT_KEYS"
LENGTH = 32


def keys_folder() -> Path:
    """Where keys are kept: ``$HOMEOSTAT_KEYS``, else ``homeostat/keys`` in the user's configuration folder."""
    given = os.environ.get(VARIABLE)
    if given:
        return Path(given).expanduser().absolute()
    configuration = os.environ.get("XDG_CONFIG_HOME", "")
    return (Path(configuration) if configuration.startswith("/") else Path.home() / ".config") / "homeostat" / "keys"


def fingerprint(key: bytes) -> str:
    """What tells a key without telling it: 64 hex characters of an HMAC under the key."""
    return hmac.digest(key, b"homeostat key fingerprint", "sha256").hex()


def make_key(folder: Path, name: str) -> bytes:
    """A new key, on the disk before it is returned; folder 0700, file 0600, whole or absent after a crash.

    Raises:
        DataError: HS229, the folder cannot be written.
    """
    key = secrets.token_bytes(LENGTH)
    try:
        write_secret(key_path(folder, name, fingerprint(key)), key)
    except OSError as error:
        reason = error.strerror or str(error)
        raise DataError(
            "HS229", f"a key cannot be made: {reason}", place=str(folder), next_step=f"make it writable, or set {VARIABLE}"
        ) from error
    return key


def write_secret(path: Path, content: bytes) -> None:
    """A file that only its owner can read, whole or absent after a crash; its folder is made, for its owner only.

    Raises:
        OSError: it cannot be written.
    """
    new = path.with_name(f".{path.name}.new")
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
    _sync(path.parent)


def read_key(folder: Path, name: str, expected: str) -> bytes:
    """The key with this fingerprint.

    Raises:
        DataError: HS229, it is missing, another one, or others may read it.
    """
    path = key_path(folder, name, expected)
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        reason = error.strerror or str(error)
        raise DataError(
            "HS229",
            f"the project's key cannot be read: {reason}; without it new values would get other pseudonyms",
            place=str(path),
            next_step=f"bring the file back from your copy, or set {VARIABLE} to its folder",
        ) from error
    with os.fdopen(handle, "rb") as file:
        mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
        key = file.read(LENGTH + 1)
    if mode & 0o077:
        raise DataError("HS229", f"got mode {mode:04o}; others may read the key", place=str(path), next_step=f"chmod 600 '{path}'")
    if fingerprint(key) != expected:
        raise DataError(
            "HS229",
            "this is not the key that the project's pseudonyms were made with",
            place=str(path),
            next_step="bring the right file back",
        )
    return key


def discard_key(folder: Path, name: str, key: bytes) -> None:
    """Remove a key that nothing was made with."""
    key_path(folder, name, fingerprint(key)).unlink(missing_ok=True)


def key_path(folder: Path, name: str, mark: str) -> Path:
    """The file of a key."""
    return folder / f"{name}-{mark[:12]}"


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)  # the new name survives a power cut too
    finally:
        os.close(handle)
