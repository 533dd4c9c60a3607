"""Fit the model the usual way, as a scikit-learn pipeline: ``python -m benchmarks.serving.peers.fit FOLDER``, in a peer's environment.

Writes ``pipeline.joblib`` for the peers; ``fitted.json`` and ``trees.txt``, what the pipeline learned, for our plan; and
``answers.json``, the pipeline's own answers to the rows that are asked.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from benchmarks.serving.rows import CATEGORIES, NAMES, NUMBERS, asked_rows, training_rows

NULL = "(null)"
"""What a null becomes among the categories."""


def pipeline() -> Any:
    """Imputation with indicators, scaling, one-hot encoding, 300 trees of 31 leaves."""
    import pandas as pd
    from lightgbm import LGBMClassifier
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    numbers = make_pipeline(SimpleImputer(strategy="median", add_indicator=True), StandardScaler())
    texts = make_pipeline(
        SimpleImputer(missing_values=pd.NA, strategy="constant", fill_value=NULL),
        OneHotEncoder(handle_unknown="ignore", sparse_output=False),
    )
    front = ColumnTransformer([("numbers", numbers, list(NUMBERS)), ("texts", texts, list(CATEGORIES))])
    trees = LGBMClassifier(n_estimators=300, num_leaves=31, learning_rate=0.05, n_jobs=1, random_state=1, verbose=-1, deterministic=True)
    return make_pipeline(front, trees)


def main() -> None:
    import joblib
    import pandas as pd

    folder = Path(sys.argv[1])
    rows, positive = training_rows()
    fitted = pipeline().fit(pd.DataFrame(rows, columns=list(NAMES)), positive)
    front, model = fitted[0], fitted[1]
    imputer, scaler = front.named_transformers_["numbers"]
    encoder = front.named_transformers_["texts"][1]
    told = {
        "null": NULL,
        "medians": imputer.statistics_.tolist(),
        "indicated": imputer.indicator_.features_.tolist(),
        "means": scaler.mean_.tolist(),
        "spreads": scaler.scale_.tolist(),
        "categories": [each.tolist() for each in encoder.categories_],
    }
    joblib.dump(fitted, folder / "pipeline.joblib")
    (folder / "fitted.json").write_text(json.dumps(told))
    model.booster_.save_model(folder / "trees.txt")
    answers = fitted.predict_proba(pd.DataFrame(asked_rows(), columns=list(NAMES)))[:, 1]
    (folder / "answers.json").write_text(json.dumps(answers.tolist()))


if __name__ == "__main__":
    main()
