"""Other weights for the objectives of a trained candidate: the same models, compiled and proved anew. Nothing is trained."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np

from homeostat.errors import ProjectError
from homeostat.flow.arrays import load_arrays
from homeostat.flow.develop import told_interval, weights_of
from homeostat.flow.out_of_fold import keep_out_of_fold
from homeostat.flow.packing import pack_candidate
from homeostat.flow.registry import load_bundle

if TYPE_CHECKING:
    import polars as pl

    from homeostat.charter.schema import Charter
    from homeostat.core import sections
    from homeostat.core.facts import Fact
    from homeostat.core.records import Split
    from homeostat.flow.project import Project
    from homeostat.flow.train import Order
    from homeostat.graph.plan import Floats
    from homeostat.learning.candidate import Candidate


def trained_alike(project: Project, order: str) -> Fact | None:
    """The candidate that this order trained, whatever its weights; the first one, from which all others are made."""
    found = [fact for fact in project.ledger.find("candidate") if fact.body.get("order") == order]
    return min(found, key=lambda fact: fact.seq, default=None)


def require_weights(charter: Charter, candidate: Fact) -> None:
    """Return when a candidate adds its objectives up as the charter does.

    Raises:
        ProjectError: HS608, the weights are others.
    """
    have = candidate.body.get("weights", {})
    if have != weights_of(charter):
        raise ProjectError(
            "HS608",
            f"the candidate adds its objectives up by {have or 'no weights'}, the charter by {weights_of(charter) or 'none'}",
            place="objectives",
            next_step="run `homeostat train` again; where only weights changed, nothing is trained",
        )


def reweigh(project: Project, order: Order, trained: Fact, split: Split, key: str) -> Fact:
    """A ``candidate`` fact of the trained one's models with the charter's weights, on the same split."""
    started = time.perf_counter()
    found = _reweighted(project, trained, split, order.learning)
    body = {
        **trained.body,
        **pack_candidate(project, found, split, project.require(str(trained.body["run"])), order.learning),
        "validation_value": found.value,
        "weights": weights_of(project.charter),
        **told_interval(found.plan, order.learning),
        "out_of_fold": keep_out_of_fold(project, found, split),
        "reweighted_from": trained.id,
        "seconds": round(time.perf_counter() - started, 3),
        "trials": 0,
    }
    return project.record("candidate", key, body, causes=(trained.id, project.charter_fact().id))


def _judged(project: Project, candidate: Fact) -> Floats:
    """What each member said of the validation rows before the refit: (n, k), in the order of the objectives."""
    return load_arrays(project.blobs.get(str(candidate.body["judged"])))["members"]


def _reweighted(project: Project, trained: Fact, split: Split, learning: sections.Learning) -> Candidate:
    from homeostat.core.targets import encode_target
    from homeostat.graph.decode import decode_frame
    from homeostat.graph.encode import load_plan
    from homeostat.graph.interpret import run
    from homeostat.graph.merge import reweighted
    from homeostat.learning.candidate import Candidate, bounded
    from homeostat.stats.metrics import metric

    charter, body = project.charter, trained.body
    weights = list(weights_of(charter).values())
    plan = reweighted(load_plan(load_bundle(project, str(body["bundle"])).plan), weights)
    judged = _judged(project, trained) @ np.array(weights)[:, None]
    y = encode_target(split.validation[charter.task.target], ())
    value = metric(charter.success.metric).score(y, judged)

    def said(frame: pl.DataFrame) -> Floats:
        """The plan's own meaning as the oracle: what its members say was proved against their libraries when they were trained."""
        return run(plan, *decode_frame(plan.inputs, frame))

    found = Candidate(plan, str(body["learner"]), str(body["window"]), dict(body["params"]), value, judged, (), said)
    return bounded(found, split.validation, y, learning)
