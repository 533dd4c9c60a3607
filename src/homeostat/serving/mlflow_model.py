"""How MLflow loads a bundle that was exported: by its bytes, without a pickle. MLflow names this module in the exported model.

``mlflow.pyfunc.load_model(uri).predict(frame)`` takes a pandas frame with the raw columns and gives our predictor's answers as one.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from homeostat.serving.bundle import unpack
from homeostat.serving.predictor import Predictor

BUNDLE_FILE = "bundle.homeostat"


class Served:
    """A bundle as MLflow asks it."""

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor

    def predict(self, model_input: Any, params: dict[str, Any] | None = None) -> Any:
        """The answers to the rows of a pandas frame, as a frame with its index.

        ``prediction``, and for classes ``probability`` or one ``probability_<class>`` each. Columns that are no inputs are passed over.

        Raises:
            RequestError: HS502, a missing column, or a value that its kind does not allow.
        """
        names = [name for name in self._predictor.manifest.required() if name in model_input.columns]
        columns = {name: _values(model_input[name]) for name in names}
        scores, _ = self._predictor.score_columns(columns)
        return type(model_input)(self._predictor.answers(scores), index=model_input.index)


def _values(column: Any) -> list[Any]:
    """A pandas column as plain values; whatever it has for nothing (NaN, NaT, NA) is None."""
    return [None if lost else value for value, lost in zip(column.tolist(), column.isna().tolist(), strict=True)]


def _load_pyfunc(path: str) -> Served:
    """The name and the signature are MLflow's: it calls this with the file or folder of the model's data."""
    found = Path(path)
    return Served(Predictor(unpack((found / BUNDLE_FILE if found.is_dir() else found).read_bytes())))
