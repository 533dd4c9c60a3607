"""A ledger's address in either database, empty."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from homeostat.infra.database import make_engine

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def postgresql_schema(postgresql_url: str) -> Iterator[str]:
    """The address of a schema of its own in a PostgreSQL server of ours."""
    schema = f"homeostat_test_{uuid.uuid4().hex}"
    engine = make_engine(postgresql_url)
    with engine.begin() as connection:
        connection.execute(sa.text(f"CREATE SCHEMA {schema}"))
    try:
        inside = sa.make_url(postgresql_url).update_query_dict({"options": f"-csearch_path={schema}"})
        yield inside.render_as_string(hide_password=False)
    finally:
        with engine.begin() as connection:
            connection.execute(sa.text(f"DROP SCHEMA {schema} CASCADE"))
        engine.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def ledger_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty database of either kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'either.sqlite'}"
    return str(request.getfixturevalue("postgresql_schema"))
