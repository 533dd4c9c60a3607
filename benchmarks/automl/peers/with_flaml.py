"""Fit one data set with FLAML within a budget and answer its test rows; run by an interpreter that has FLAML."""

import time

from measured import given, kept, timed


def main() -> None:
    task, train, test, about, budget = given()
    from flaml import AutoML

    target = about["target"]
    started = time.perf_counter()
    model = AutoML()
    model.fit(
        dataframe=train,
        label=target,
        task="regression" if task == "regression" else "classification",
        metric={"mae": "mae", "auc": "roc_auc", "log_loss": "log_loss"}[about["metric"]],
        time_budget=budget,
        n_jobs=2,
        seed=0,
        verbose=0,
    )
    seconds = time.perf_counter() - started
    answer = model.predict if task == "regression" else model.predict_proba
    scores = answer(test)
    classes = [] if task == "regression" else [str(each) for each in model.classes_]
    kept(
        scores,
        classes,
        seconds,
        timed(answer, test),
        {"best": str(model.best_estimator)},
        ("flaml", "lightgbm", "xgboost", "scikit-learn", "pandas"),
    )


if __name__ == "__main__":
    main()
