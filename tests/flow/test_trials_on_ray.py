"""Trials on a Ray cluster of two nodes: the model of the local engine, whoever dies on the way."""

from __future__ import annotations

import importlib
import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest

from homeostat.core.ids import digest
from homeostat.core.records import Split
from homeostat.core.sections import Store
from homeostat.flow import preparing
from homeostat.flow.ingest import ingest
from homeostat.flow.project import Project, open_project
from homeostat.flow.registry import load_bundle
from homeostat.flow.reproduce import _made
from homeostat.flow.train import first_order, train
from homeostat.flow.trials import LedgerMemo
from homeostat.infra.engine import engine_of

if TYPE_CHECKING:
    from homeostat.learning.trials import Choice, Outcome, Stages

pytestmark = [
    pytest.mark.slow,
    # Ray lets go of the processes of a node that it has killed, or that did not start, without waiting for them.
    pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:Exception ignored in. <function Popen.__del__:pytest.PytestUnraisableExceptionWarning"),
]
CHARTER = """
name: plain
problem: {statement: s, objective: o, decision: d, business_metric: b}
task: {type: binary, target: y, positive: "yes"}
success: {metric: log_loss}
data: {source: data/}
learning: {learners: [naive, linear, lightgbm], budget: {trials: 8}, at_once: 2}
"""
Ended = tuple[str, str, list[tuple[Any, ...]]]
STARTS = 3


@pytest.fixture(scope="module")
def cluster(quick_ray: dict[str, str]) -> Iterator[Any]:
    """Two nodes with one CPU each, in a folder of their own. A machine too busy to start them fails the tests only with ``CI`` set."""
    Path("/tmp/ray").mkdir(exist_ok=True)  # noqa: S108 - where Ray writes which cluster is the latest, whatever folder a cluster has
    with pytest.MonkeyPatch.context() as patch:
        for name, value in quick_ray.items():
            patch.setenv(name, value)
        made, folder = _two_nodes()
        try:
            yield made
        finally:
            made.shutdown()
            shutil.rmtree(folder, ignore_errors=True)


def _two_nodes() -> tuple[Any, str]:
    """A cluster and its folder. Ray gives its processes a few seconds to start, which a busy machine may not have: it is tried again."""
    why: Exception | None = None
    for _ in range(STARTS):
        folder = tempfile.mkdtemp(prefix="hs-test-", dir="/tmp")
        made = importlib.import_module("ray.cluster_utils").Cluster()
        try:
            made.add_node(num_cpus=1, include_dashboard=False, include_log_monitor=False, temp_dir=folder)
            made.add_node(num_cpus=1)
        except Exception as error:  # noqa: BLE001 - whatever Ray raises, it is told when all attempts have failed
            why = error
            made.shutdown()
            shutil.rmtree(folder, ignore_errors=True)
        else:
            return made, folder
    if os.environ.get("CI"):
        raise RuntimeError(f"Ray did not start in {STARTS} attempts") from why
    pytest.skip(f"Ray does not start: {why}")


@pytest.fixture(scope="module")
def ingested(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ray") / "p"
    (folder / "data").mkdir(parents=True)
    rng = np.random.default_rng(0)
    x, z = rng.normal(size=(2, 600))
    came = np.where(2 * x + 2 * np.sign(np.sin(3 * z)) + rng.normal(size=600) > 1, "yes", "no")
    pl.DataFrame({"x": x, "z": z, "y": came}).write_csv(folder / "data" / "a.csv")
    (folder / "homeostat.yaml").write_text(CHARTER)
    with open_project(folder) as project:
        ingest(project)
    return folder


def trained(folder: Path, store: str = "") -> Ended:
    """The key of the order, the graph's digest, and what each trial came to."""
    (folder / "homeostat.yaml").write_text(f"{CHARTER}{store}")
    with open_project(folder) as project:
        candidate = train(project, first_order(project, project.ledger.find("dataset")[0]))
        bodies = sorted((fact.body for fact in project.ledger.find("trial")), key=lambda body: body["number"])
        told = [(b["number"], b["learner"], b["params"], b["value"], b.get("curve"), b["scores"], b["reason"]) for b in bodies]
        assert [row[0] for row in told] == list(range(8))
        return str(candidate.body["order"]), digest(load_bundle(project, str(candidate.body["bundle"])).graph), told


@pytest.fixture(scope="module")
def local(ingested: Path, tmp_path_factory: pytest.TempPathFactory) -> Ended:
    return trained(Path(shutil.copytree(ingested, tmp_path_factory.mktemp("local") / "p")))


def on(cluster: Any) -> str:
    return f"store: {{engine: ray, engine_address: '{cluster.address}'}}\n"


def killing(marker: Path, stages_of: Callable[..., Stages]) -> Callable[..., Stages]:
    """Stages whose first preparation for trees takes its process down, wherever that is."""

    def deadly(charter: Any, split: Split, *more: Any) -> Stages:
        made, own, here = stages_of(charter, split, *more), str(marker), os.getpid()

        def fit(frame: pl.DataFrame, flavour: Any, categories: str) -> Any:
            if flavour == "tree" and frame.height < split_rows and os.getpid() != here and not os.path.exists(own):  # noqa: PTH110
                open(own, "x").close()  # noqa: PTH123
                os.kill(os.getpid(), signal.SIGKILL)
            return made.fit_preparation(frame, flavour, categories)

        split_rows = split.development.height
        return replace(made, fit_preparation=fit)

    return deadly


def test_a_search_on_two_nodes_comes_to_the_local_model_though_a_worker_is_killed(
    cluster: Any, ingested: Path, local: Ended, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, marker = Path(shutil.copytree(ingested, tmp_path / "p")), tmp_path / "killed"
    with monkeypatch.context() as patch:
        patch.setattr(preparing, "stages_of", killing(marker, preparing.stages_of))
        there = trained(folder, on(cluster))
    assert marker.exists(), "a worker was killed in the middle of a trial"
    assert there[2] == local[2]
    assert there == local
    with open_project(folder) as project:  # what was made there is made again here
        candidate = project.ledger.find("candidate")[0]
        run = project.require(str(candidate.body["run"]))
        again, _ = _made(
            replace(project, charter=project.charter.model_copy(update={"store": Store()})), candidate, run, project.charter.learning
        )
    assert digest(again.graph) == local[1]


def test_a_node_that_goes_away_loses_no_finished_trial(
    cluster: Any, ingested: Path, local: Ended, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[int] = []
    plain = LedgerMemo.keep

    def keep(memo: LedgerMemo, choice: Choice, outcome: Outcome) -> None:
        plain(memo, choice, outcome)
        kept.append(outcome.trial.number)
        if len(kept) == 3:
            (gone,) = cluster.worker_nodes
            cluster.remove_node(gone, allow_graceful=False)

    monkeypatch.setattr(LedgerMemo, "keep", keep)
    there = trained(Path(shutil.copytree(ingested, tmp_path / "p")), on(cluster))
    cluster.add_node(num_cpus=1)
    assert sorted(kept) == list(range(8)), "each trial is kept, and none twice"
    assert there == local


def test_jobs_end_in_their_order_and_what_they_raise_is_raised(cluster: Any) -> None:
    told: list[tuple[int, int]] = []

    def work(number: int) -> int:
        if number == 3:
            raise ValueError("three")
        if number == 4:
            os._exit(1)
        return 10 * number

    store = Store(engine="ray", engine_address=cluster.address)
    with engine_of(store, 2) as engine:
        assert engine.together(work, [(n,) for n in (2, 0, 1)], done=lambda at, found: told.append((at, found))) == [20, 0, 10]
        assert sorted(told) == [(0, 20), (1, 0), (2, 10)]
        with pytest.raises(ValueError, match="three"):
            engine.together(work, [(3,), (1,)])
        found = engine.together(work, [(4,), (1,)], lost=lambda at, why: -1 if "died 4 times" in why else -2)
        assert found == [-1, 10]


def test_the_project_and_its_addresses_are_not_sent(ingested: Path) -> None:
    """What the stages of a search hold is data and clauses: neither the charter with its addresses nor the project."""
    import cloudpickle

    with open_project(ingested) as project:
        secret = Store(engine="ray", ledger="postgresql://me:hidden-word@host/db")
        charter = project.charter.model_copy(update={"store": secret})
        frame = pl.read_csv(ingested / "data" / "a.csv")
        split = Split(frame.head(300), frame.slice(300, 150), frame.tail(150))
        packed = cloudpickle.dumps(preparing.stages_of(charter, split))
    assert b"hidden-word" not in packed
    assert Project.__name__.encode() + b"\x94" not in packed
    assert len(packed) < 30_000, "and not the rows"
