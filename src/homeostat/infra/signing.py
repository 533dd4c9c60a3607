"""Ed25519 key pairs: the private key in a file that only its owner can read, outside every project; what it signs anyone can check.

The file is the one ``$HOMEOSTAT_SIGNING_KEY`` names, else ``<name>-<key id>.pem`` (PKCS #8, not encrypted) in the folder of ``infra.keys``.
Source: RFC 8032 (Ed25519), by the library ``cryptography``.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from homeostat.core.ids import digest
from homeostat.errors import Refusal
from homeostat.infra.keys import keys_folder, write_secret

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

VARIABLE = "HOMEOSTAT_SIGNING_KEY"
ALGORITHM = "Ed25519"


@dataclass(frozen=True, slots=True)
class PublicKey:
    """The half of a pair that everybody may know: 32 bytes, and the id that names it."""

    raw: bytes

    @property
    def id(self) -> str:
        """Sixteen hex characters of the key's SHA-256."""
        return digest(self.raw)[:16]

    def fits(self, signature: bytes, content: bytes) -> bool:
        """Whether the private half of this pair signed exactly this content."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        try:
            Ed25519PublicKey.from_public_bytes(self.raw).verify(signature, content)
        except (InvalidSignature, ValueError):
            return False
        return True


def named_file() -> Path | None:
    """The file ``$HOMEOSTAT_SIGNING_KEY`` names, or None."""
    given = os.environ.get(VARIABLE)
    return Path(given).expanduser().absolute() if given else None


def private_path(name: str, key: str) -> Path:
    """Where the private key with this id of the project of this name is looked for."""
    return named_file() or keys_folder() / f"{name}-{key}.pem"


def make_pair(name: str) -> PublicKey:
    """A new pair, its private half on the disk before this returns; a file that ``$HOMEOSTAT_SIGNING_KEY`` names and is there is it.

    Raises:
        Refusal: HS710, the file cannot be written, or the one named is no key.
    """
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    named = named_file()
    if named is not None and named.exists():
        return _public(_load(named))
    private = Ed25519PrivateKey.generate()
    public = _public(private)
    path = private_path(name, public.id)
    content = private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    try:
        write_secret(path, content)
    except OSError as error:
        reason = error.strerror or str(error)
        step = f"make the folder writable, or set {VARIABLE} to a file elsewhere"
        raise Refusal("HS710", f"a signing key cannot be made: {reason}", place=str(path), next_step=step) from error
    return public


def sign(name: str, key: str, content: bytes) -> bytes:
    """The signature of the content by the private key with this id: 64 bytes.

    Raises:
        Refusal: HS710, the key is missing, another one, or others may read it.
    """
    path = private_path(name, key)
    private = _load(path)
    if _public(private).id != key:
        raise Refusal(
            "HS710",
            f"got the key {_public(private).id}; the project signs with {key}",
            place=str(path),
            next_step="bring the right file, or run `homeostat keys rotate`",
        )
    return private.sign(content)


def discard_pair(name: str, public: PublicKey) -> None:
    """Remove a private key that nothing was signed with; one that was brought along stays."""
    if named_file() is None:
        private_path(name, public.id).unlink(missing_ok=True)


def _public(private: Ed25519PrivateKey) -> PublicKey:
    return PublicKey(private.public_key().public_bytes_raw())


def _load(path: Path) -> Ed25519PrivateKey:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            content = file.read()
    except OSError as error:
        reason = error.strerror or str(error)
        step = f"bring the file back from your copy, set {VARIABLE} to it, or run `homeostat keys rotate` for a new one"
        raise Refusal("HS710", f"the project's signing key cannot be read: {reason}", place=str(path), next_step=step) from error
    if mode & 0o077:
        raise Refusal("HS710", f"got mode {mode:04o}; others may read the signing key", place=str(path), next_step=f"chmod 600 '{path}'")
    try:
        private = load_pem_private_key(content, password=None)
    except (ValueError, TypeError) as error:
        raise Refusal("HS710", "the file is no private key in PEM, or it is encrypted", place=str(path)) from error
    if not isinstance(private, Ed25519PrivateKey):
        raise Refusal("HS710", f"got a key that is not {ALGORITHM}", place=str(path))
    return private
