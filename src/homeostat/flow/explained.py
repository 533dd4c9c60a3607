"""What an explanation of a model compares rows with, as `homeostat explain` kept it: for the server, which has no training rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from homeostat.flow.arrays import load_arrays

if TYPE_CHECKING:
    from homeostat.flow.project import Project
    from homeostat.graph.explain import Reference


def training_rows(project: Project, bundle: str) -> Reference | None:
    """The reference of training rows of a bundle, by its digest; None where the model was never explained."""
    from homeostat.graph.explain import Reference

    found = next((fact for fact in project.ledger.find("explanation") if fact.body["bundle"] == bundle), None)
    return None if found is None else Reference.of_arrays(load_arrays(project.blobs.get(str(found.body["arrays"]))))
