"""Ed25519 keys on disk: made once, read only by their owner, missed loudly; and the vectors of RFC 8032."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from homeostat.errors import Refusal
from homeostat.infra.signing import VARIABLE, PublicKey, discard_pair, make_pair, private_path, sign

# RFC 8032, section 7.1, tests 1 and 2: secret key, public key, message, signature
VECTORS = [
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
]


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOMEOSTAT_KEYS", str(tmp_path / "keys"))
    monkeypatch.delenv(VARIABLE, raising=False)


def pem(private: Ed25519PrivateKey, password: bytes | None = None) -> bytes:
    how = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    return private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, how)


@pytest.mark.parametrize(("secret", "public", "message", "signature"), VECTORS)
def test_signatures_are_those_of_the_standard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, secret: str, public: str, message: str, signature: str
) -> None:
    path = tmp_path / "own.pem"
    path.write_bytes(pem(Ed25519PrivateKey.from_private_bytes(bytes.fromhex(secret))))
    path.chmod(0o600)
    monkeypatch.setenv(VARIABLE, str(path))
    key = make_pair("bike")
    assert key.raw.hex() == public
    assert sign("bike", key.id, bytes.fromhex(message)).hex() == signature
    assert key.fits(bytes.fromhex(signature), bytes.fromhex(message))
    assert not key.fits(bytes.fromhex(signature), bytes.fromhex(message) + b"x")


def test_a_pair_is_made_outside_and_closed_to_others() -> None:
    key = make_pair("bike")
    path = private_path("bike", key.id)
    assert path.name == f"bike-{key.id}.pem"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert make_pair("bike").id != key.id
    signature = sign("bike", key.id, b"what")
    assert key.fits(signature, b"what")
    assert not key.fits(signature[:-1] + b"x", b"what")
    assert not PublicKey(b"short").fits(signature, b"what")
    discard_pair("bike", key)
    assert not path.exists()


def said(name: str, key: str) -> str:
    with pytest.raises(Refusal) as error:
        sign(name, key, b"what")
    assert error.value.code == "HS710"
    return str(error.value)


def test_a_missing_another_or_open_key_is_refused() -> None:
    key, other = make_pair("bike"), make_pair("bike")
    path = private_path("bike", key.id)
    path.chmod(0o644)
    assert "got mode 0644; others may read the signing key" in said("bike", key.id)
    path.write_bytes(private_path("bike", other.id).read_bytes())
    path.chmod(0o600)
    assert f"got the key {other.id}; the project signs with {key.id}" in said("bike", key.id)
    path.write_text("nonsense")
    assert "no private key in PEM" in said("bike", key.id)
    path.write_bytes(pem(Ed25519PrivateKey.generate(), b"secret"))
    assert "or it is encrypted" in said("bike", key.id)
    curve = generate_private_key(SECP256R1())
    path.write_bytes(curve.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    assert "not Ed25519" in said("bike", key.id)
    path.unlink()
    assert "cannot be read: No such file or directory" in said("bike", key.id)


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("HOMEOSTAT_KEYS", str(tmp_path / "file" / "keys"))
    with pytest.raises(Refusal, match="a signing key cannot be made: Not a directory") as error:
        make_pair("bike")
    assert error.value.code == "HS710"


def test_where_keys_lie_by_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOMEOSTAT_KEYS")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    assert private_path("bike", "ab") == tmp_path / "config" / "homeostat" / "keys" / "bike-ab.pem"
    monkeypatch.setenv("XDG_CONFIG_HOME", "not/absolute")  # such a value means nothing, by the standard
    monkeypatch.setenv("HOME", str(tmp_path))
    assert private_path("bike", "ab") == tmp_path / ".config" / "homeostat" / "keys" / "bike-ab.pem"
