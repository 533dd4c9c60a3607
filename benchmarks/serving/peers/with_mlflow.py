"""Save the model for MLflow: ``python -m benchmarks.serving.peers.with_mlflow``; ``mlflow models serve`` then serves the folders.

The pipeline in the scikit-learn flavour, answering probabilities; the graph in the ONNX flavour, with the tensors it takes.
"""

from __future__ import annotations

import shutil
import warnings

import joblib
import mlflow
import numpy as np
import onnx
from mlflow.models import ModelSignature
from mlflow.types import Schema, TensorSpec

from benchmarks.serving.peers.answering import folder
from benchmarks.serving.rows import CATEGORIES, NUMBERS


def main() -> None:
    warnings.simplefilter("ignore")
    home = folder()
    for name in ("mlflow-pipeline", "mlflow-graph"):
        shutil.rmtree(home / name, ignore_errors=True)
    fitted = joblib.load(home / "pipeline.joblib")
    mlflow.sklearn.save_model(
        fitted,
        home / "mlflow-pipeline",
        pyfunc_predict_fn="predict_proba",
        serialization_format="cloudpickle",
        pip_requirements=["scikit-learn", "lightgbm"],
    )
    numbers = TensorSpec(np.dtype("float64"), (-1, len(NUMBERS)), "numbers")
    texts = TensorSpec(np.dtype("str"), (-1, len(CATEGORIES)), "texts")
    signature = ModelSignature(Schema([numbers, texts]), Schema([TensorSpec(np.dtype("float64"), (-1,), "probability")]))
    threads = {"execution_mode": "sequential", "intra_op_num_threads": 1, "inter_op_num_threads": 1}
    mlflow.onnx.save_model(
        onnx.load(home / "texts.onnx"),
        home / "mlflow-graph",
        signature=signature,
        onnx_session_options=threads,
        onnx_execution_providers=["CPUExecutionProvider"],
        pip_requirements=["onnxruntime"],
    )


if __name__ == "__main__":
    main()
