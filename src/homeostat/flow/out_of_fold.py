"""What a candidate said of the rows it was chosen by, before it was fitted on these too: kept with the place of each row in its source."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from homeostat.core.records import PROVENANCE
from homeostat.flow.arrays import dump_arrays, load_arrays

if TYPE_CHECKING:
    from homeostat.core.facts import Fact
    from homeostat.core.records import Split
    from homeostat.flow.project import Project
    from homeostat.graph.plan import Floats
    from homeostat.learning.candidate import Candidate


def keep_out_of_fold(project: Project, found: Candidate, split: Split) -> dict[str, object]:
    """Store targets and scores of the validation rows by the winning params, fitted on train alone; what the candidate's fact says of it.

    ``sources`` are the files; in the blob each row has the number of its file among them and its line there, where rows have these.
    Of trials that were judged on folds, each trial's own fact has the scores of every fold.
    """
    from homeostat.core.targets import coded, encode_target

    rows, (source, line) = split.validation, PROVENANCE
    arrays = {"y": encode_target(rows[project.charter.task.target], found.plan.classes), "scores": found.judged}
    sources: tuple[str, ...] = ()
    if source in rows.columns and line in rows.columns:
        sources, codes = coded(rows[source])
        arrays |= {"source": codes.astype(np.float64), "line": rows[line].to_numpy().astype(np.float64)}
    return {"rows": rows.height, "sources": list(sources), "arrays": project.blobs.put(dump_arrays(arrays))}


def out_of_fold(project: Project, candidate: Fact) -> tuple[Floats, Floats] | None:
    """Targets (n,) and scores (n, k) of the rows a candidate was chosen by; None for one of a program that did not keep them."""
    kept = candidate.body.get("out_of_fold")
    if kept is None:
        return None
    arrays = load_arrays(project.blobs.get(str(kept["arrays"])))
    return arrays["y"], arrays["scores"]
