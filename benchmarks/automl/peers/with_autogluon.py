"""Fit one data set with AutoGluon within a budget and answer its test rows; run by an interpreter that has AutoGluon."""

import tempfile
import time

from measured import given, kept, timed


def main() -> None:
    task, train, test, about, budget = given()
    from autogluon.tabular import TabularPredictor

    metric = {"mae": "mean_absolute_error", "auc": "roc_auc", "log_loss": "log_loss"}[about["metric"]]
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        predictor = TabularPredictor(label=about["target"], eval_metric=metric, problem_type=task, path=f"{folder}/model", verbosity=0)
        predictor.fit(train, time_limit=budget, presets="best_quality", num_cpus=2, num_gpus=0)
        seconds = time.perf_counter() - started
        predictor.persist()
        if task == "regression":
            answer, classes = (lambda frame: predictor.predict(frame, as_pandas=False)), []
        else:
            answer, classes = (
                (lambda frame: predictor.predict_proba(frame, as_pandas=False)),
                [str(each) for each in predictor.class_labels],
            )
        scores = answer(test)
        how = {"best": predictor.model_best, "models": len(predictor.model_names())}
        kept(
            scores,
            classes,
            seconds,
            timed(answer, test),
            how,
            ("autogluon.tabular", "lightgbm", "catboost", "torch", "scikit-learn", "pandas"),
        )


if __name__ == "__main__":
    main()
