"""What of an address is told, kept and hidden."""

from __future__ import annotations

import pytest

from homeostat.core.addresses import HIDDEN, message_without_secrets, without_password, without_secrets


@pytest.mark.parametrize(
    ("address", "hidden"),
    [
        ("postgresql://me:hush@db/x", "postgresql://me:***@db/x"),
        ("postgresql+psycopg://me:hush@db:5432/x", "postgresql+psycopg://me:***@db:5432/x"),
        ("postgresql://me:hu@sh/hush@db/x", "postgresql://me:***@db/x"),
        ("https://:hush@host/a.csv", "https://:***@host/a.csv"),
        ("https://host/a.csv?sv=1&sig=hush&a=b", "https://host/a.csv?sv=1&sig=***&a=b"),
        ("https://host/a.csv?significant=1", "https://host/a.csv?significant=1"),
        ("https://host/a.csv?X-Amz-Signature=hush&a=b", "https://host/a.csv?X-Amz-Signature=***&a=b"),
        ("https://host/a.csv?access_token=hush#x", "https://host/a.csv?access_token=***#x"),
        ("postgresql://db/x?user=me&password=hush", "postgresql://db/x?user=me&password=***"),
        ("sqlite:////data/a.db", "sqlite:////data/a.db"),
        ("s3://bucket/a/*.parquet", "s3://bucket/a/*.parquet"),
        ("s3://bucket/a b?.csv", "s3://bucket/a b?.csv"),
        ("data/a@b.csv", "data/a@b.csv"),
        ("https://host:8080/a.csv", "https://host:8080/a.csv"),
        ("https://host/a.csv?design=1&X-Amz-Signature=hush&a=b", "https://host/a.csv?design=1&X-Amz-Signature=***&a=b"),
        ("postgresql:/me:hush@db/x", "postgresql:***@db/x"),
        ("me:hush@db/x", "me:***@db/x"),
        ("at noon: write to ann@shop.example", "at noon: write to ann@shop.example"),
    ],
)
def test_passwords_are_hidden_and_nothing_else(address: str, hidden: str) -> None:
    assert without_secrets(address) == hidden
    assert without_secrets(hidden) == hidden


@pytest.mark.parametrize(
    ("address", "written"),
    [
        ("https://ann:hush@host/x.csv?month=5", "https://ann@host/x.csv?month=5"),
        ("https://:hush@host/x.csv", "https://@host/x.csv"),
        ("postgresql://db/x?user=me&password=hush", "postgresql://db/x?user=me"),
        ("postgresql://db/x?password=hush&user=me", "postgresql://db/x?user=me"),
        ("postgresql://me:hu/sh@db/x?sslpassword=hush", "postgresql://me@db/x"),
        ("https://host/x?pwd=hush#top", "https://host/x#top"),
        ("https://host/x?a=1&&b=%20", "https://host/x?a=1&&b=%20"),
        ("https://host/x?", "https://host/x?"),
        ("data/a@b.csv", "data/a@b.csv"),
        ("s3://bucket/a b?.csv", "s3://bucket/a b?.csv"),
        ("sqlite:////data/x.db", "sqlite:////data/x.db"),
    ],
)
def test_a_charter_is_written_without_the_password(address: str, written: str) -> None:
    assert without_password(address) == written


@pytest.mark.parametrize(
    "address",
    ["https://ann:pa%3Ass@host:8443/x.csv?sig=abc#f", "postgresql://ann@host/shop?password=secret", "data/*.csv", "s3://bucket/a b?.csv"],
)
def test_a_library_that_tells_an_address_does_not_tell_its_secrets(address: str) -> None:
    told = message_without_secrets(f"cannot reach {address}\nas ann", address)
    assert told.startswith("cannot reach ")
    assert not any(secret in told for secret in ("pa%3Ass", "pa:ss", "abc", "=secret", "\n"))


def test_a_library_that_decodes_a_password_does_not_tell_it() -> None:
    told = message_without_secrets("fatal: pa:ss is wrong, secret too", "postgresql://ann:pa%3Ass@host/shop?password=secret")
    assert told == f"fatal: {HIDDEN} is wrong, {HIDDEN} too"
