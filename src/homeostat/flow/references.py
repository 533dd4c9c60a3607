"""Reference profiles: what a model learned from, as monitoring compares windows with it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    from numpy.typing import NDArray

    from homeostat.charter.schema import Charter
    from homeostat.flow.project import Project
    from homeostat.monitoring.profile import Profile
    from homeostat.serving.bundle import Bundle


def scored_profile(charter: Charter, bundle: Bundle, frame: pl.DataFrame) -> Profile:
    """The reference profile of rows: inputs, the model's predictions, and the targets where there are any."""
    from homeostat.monitoring.profile import reference_profile
    from homeostat.serving.predictor import Predictor

    prediction = told_prediction(bundle, Predictor(bundle).predict_frame(frame))
    target = told_target(bundle, frame[charter.task.target]) if charter.task.target in frame.columns else None
    return reference_profile(frame, bundle.inputs(), prediction=prediction, target=target)


def told_prediction(bundle: Bundle, scores: NDArray[np.float64]) -> NDArray[np.float64] | list[str]:
    """What is profiled of the answers: the value, the probability of the positive class, or the class of several."""
    from homeostat.serving.answers import decide

    if len(bundle.manifest.classes) > 2:
        return [bundle.manifest.classes[place] for place in decide(bundle.manifest, scores)]
    return scores[:, -1]


def told_target(bundle: Bundle, target: pl.Series) -> pl.Series:
    """What is profiled of the truth: numbers, or class texts."""
    import polars as pl

    from homeostat.core.targets import texts

    return texts(target) if bundle.manifest.classes else target.cast(pl.Float64, strict=False)


def load_profile(project: Project, blob: str) -> Profile:
    """A stored profile."""
    from homeostat.monitoring.profile import Profile

    return Profile.from_dict(json.loads(project.blobs.get(blob)))
