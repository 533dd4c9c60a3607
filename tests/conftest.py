"""What several test rooms share: a real project on real data, trained once a session and copied for each test."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import settings

from homeostat.app.demo.months import Month, bundled_months
from homeostat.app.demo.story import found_project
from homeostat.flow.lifecycle import run
from homeostat.flow.project import Project, open_project
from homeostat.infra.predictions import Ids, Prediction, PredictionLog, utc_text
from homeostat.testing import servers

# A busy machine is no failure; continuous integration tries the same examples each time, people's runs look for new ones.
settings.register_profile("homeostat", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("homeostat")


@pytest.fixture(scope="session", autouse=True)
def _keys_of_tests(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Private keys of test projects lie in a folder of the tests, not in the user's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOMEOSTAT_KEYS", str(tmp_path_factory.mktemp("keys")))
        patch.delenv("HOMEOSTAT_SIGNING_KEY", raising=False)
        yield


_T = TypeVar("_T")


def _started(server: AbstractContextManager[_T]) -> Iterator[_T]:
    """The server while tests use it. One that cannot start is a failure in continuous integration; elsewhere its tests are skipped."""
    try:
        with server as running:
            yield running
    except servers.CannotStart as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"{error}")


def _installed(program: str) -> str:
    """The path of a program. A missing one is a failure in continuous integration; elsewhere its tests are skipped."""
    found = shutil.which(program)
    if found is None:
        if os.environ.get("CI"):
            raise servers.CannotStart(f"{program} is not installed")
        pytest.skip(f"{program} is not installed")
    return found


@pytest.fixture(scope="session")
def gcc() -> str:
    """The C compiler."""
    return _installed("gcc")


@pytest.fixture(scope="session")
def node() -> str:
    """JavaScript outside of a browser."""
    return _installed("node")


@pytest.fixture(scope="session")
def chromium() -> str:
    """A browser."""
    return _installed("chromium")


@pytest.fixture(scope="session")
def postgresql_url() -> Iterator[str]:
    """The address of an empty database of a PostgreSQL server of our own."""
    yield from _started(servers.postgresql())


@pytest.fixture(scope="session")
def s3_variables() -> Iterator[dict[str, str]]:
    """The ``AWS_*`` variables of an S3 server of our own."""
    yield from _started(servers.s3())


@pytest.fixture
def web() -> Iterator[servers.Web]:
    """An HTTP server that fails as it is told."""
    yield from _started(servers.web())


@pytest.fixture(scope="session")
def quick_ray(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Variables with which Ray's processes start sooner: none of them needs the grammar of addresses, which takes seconds to build."""
    folder = tmp_path_factory.mktemp("without")
    (folder / "rfc3987_syntax.py").write_text("raise ImportError('left out')\n")
    path = os.pathsep.join(each for each in (str(folder), os.environ.get("PYTHONPATH", "")) if each)
    return {"PYTHONPATH": path, "RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0", "RAY_AUTH_MODE": "disabled"}


def quicken(folder: Path) -> None:
    """Give the demo's charter budgets for tests."""
    path = folder / "homeostat.yaml"
    text = path.read_text()
    assert "  budget:\n    seconds: 20\n" in text
    text = text.replace("  budget:\n    seconds: 20\n", "  budget: {seconds: null, trials: 4}\n")
    text = text.replace("    trials: 12 ", "    trials: 6 ")
    assert "latency_p99_ms: 20\n" in text
    text = text.replace("latency_p99_ms: 20\n", "latency_p99_ms: 2000\n")  # how fast a busy machine is says nothing about the code
    path.write_text(text)


@pytest.fixture(scope="session")
def months() -> list[Month]:
    """The bundled bike data, month by month from January 2011."""
    return bundled_months()


@pytest.fixture(scope="session")
def _trained(tmp_path_factory: pytest.TempPathFactory, months: list[Month]) -> Path:
    folder = tmp_path_factory.mktemp("trained") / "bike"
    found_project(folder, months[:6])
    quicken(folder)
    with open_project(folder) as project:
        assert run(project).promotion is not None
    return folder


@pytest.fixture(scope="session")
def _founded(tmp_path_factory: pytest.TempPathFactory, months: list[Month]) -> Path:
    folder = tmp_path_factory.mktemp("founded") / "bike"
    found_project(folder, months[:6])
    quicken(folder)
    return folder


@pytest.fixture
def founded(_founded: Path, tmp_path: Path) -> Path:
    """A project folder with charter, contract and six months of data; nothing has run in it."""
    return Path(shutil.copytree(_founded, tmp_path / "bike"))


@pytest.fixture
def trained(_trained: Path, tmp_path: Path) -> Path:
    """A project folder whose first version is promoted."""
    return Path(shutil.copytree(_trained, tmp_path / "bike"))


@pytest.fixture
def project(trained: Path) -> Iterator[Project]:
    """The opened project of ``trained``."""
    with open_project(trained) as opened:
        yield opened


Serve = Callable[[Project, Month], list[str]]


@pytest.fixture
def serve_month() -> Serve:
    """Answers a month's rows with the champion and logs them as the server does; returns the prediction ids."""

    def serve(project: Project, month: Month) -> list[str]:
        from homeostat.flow.serving import serving
        from homeostat.serving.predictor import Predictor

        now = serving(project)
        predictor = Predictor(now.bundle)
        rows = list(month.requests())
        scores, _ = predictor.score_rows(rows)
        ids = Ids().take(len(rows))
        at = utc_text(datetime.now(UTC))
        with PredictionLog(project.predictions) as log:
            log.append(
                [
                    Prediction(
                        ids[n], "rq-test", n, at, now.bundle.manifest.name, now.version.number, "champion", row, [float(s)], float(s), 0.1
                    )
                    for n, (row, s) in enumerate(zip(rows, scores[:, 0], strict=True))
                ]
            )
        return ids

    return serve
