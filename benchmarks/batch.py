"""Measure batch scoring, Parquet to Parquet: ``benchmarks/results/batch.json`` and ``.md``.

Run: ``.venv/bin/python -m benchmarks.batch [--rows 5000000] [--rounds 3] [--folder FOLDER]``. It takes about ten minutes with three rounds.
Each side is a process of its own on the same two cores; in each round they run one after the other, and ratios are of the same round.

- ours: ``homeostat score``'s journey, partitions kept and joined, all columns of the input in the output
- ONNX Runtime: the same graph and runs of the same rows, the arrays decoded beforehand, nothing read and nothing written
- scikit-learn: the whole file as one pandas frame through the fitted pipeline (ColumnTransformer, LGBMClassifier)
- MLflow: the same pipeline as a pyfunc model, in a loop over batches of Arrow
"""

from __future__ import annotations

import argparse
import json
import os
import pickle
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from benchmarks import batch_model

RESULTS = Path(__file__).parent / "results"
LIBRARIES = ("homeostat", "polars", "onnxruntime", "lightgbm", "scikit-learn", "pandas", "pyarrow", "mlflow")
GIVEN = "rows.parquet"
CORES = 2
PEER_BATCH = 100_000
ASKED = {"scikit-learn": 3.5, "mlflow": 2.3, "onnxruntime": 0.9}
MOST_MB = 1_200


def main() -> None:
    """Make the rows and the model, measure each side, write."""
    given = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    given.add_argument("--rows", type=int, default=5_000_000)
    given.add_argument("--rounds", type=int, default=3)
    given.add_argument("--folder", type=Path, help="for rows, model and outputs; kept")
    given.add_argument("--side", choices=list(SIDES), help=argparse.SUPPRESS)
    asked = given.parse_args()
    if asked.side:
        print(json.dumps(SIDES[asked.side](asked.folder)))
        return
    with tempfile.TemporaryDirectory() as place:
        folder = asked.folder or Path(place)
        prepare(folder, asked.rows)
        rounds = []
        for number in range(asked.rounds):
            names = list(SIDES) if number % 2 == 0 else list(reversed(SIDES))
            rounds.append({name: measured(folder, name) for name in names})
            print(number, {name: round(found["rows_per_s"]) for name, found in rounds[-1].items()}, flush=True)
        difference = compared(folder)
    write(asked.rows, rounds, difference)


def prepare(folder: Path, count: int) -> None:
    """The rows, the fitted pipeline, the same as a bundle and as an MLflow model; what is there is taken."""
    import mlflow.sklearn

    from homeostat.serving.bundle import pack

    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "mlflow").exists():
        fitted = batch_model.pipeline()
        (folder / "pipeline.pkl").write_bytes(pickle.dumps(fitted))
        (folder / "model.bundle").write_bytes(pack(batch_model.bundle(fitted)))
        how = {
            "pyfunc_predict_fn": "predict_proba",
            "serialization_format": "cloudpickle",
            "pip_requirements": ["scikit-learn", "lightgbm"],
        }
        mlflow.sklearn.save_model(fitted, folder / "mlflow", **how)
    path = folder / GIVEN
    if not path.exists() or pl.scan_parquet(path).select(pl.len()).collect().item() != count:
        batch_model.write(path, count)


def measured(folder: Path, name: str) -> dict[str, float]:
    """What a side tells of itself, in a process of its own on two cores."""
    cores = ",".join(map(str, sorted(os.sched_getaffinity(0))[:CORES]))
    command = ["taskset", "-c", cores, sys.executable, "-W", "ignore", "-m", "benchmarks.batch", "--side", name, "--folder", str(folder)]
    kept = {key: value for key, value in os.environ.items() if key != "OMP_NUM_THREADS"} | {"MLFLOW_DISABLE_TELEMETRY": "true"}
    done = subprocess.run(command, env=kept, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def timed(work: Callable[[], int]) -> dict[str, float]:
    """Rows, wall and processor seconds, and the most memory that this process ever had."""
    wall, cpu = time.perf_counter(), time.process_time()
    count = work()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"rows": count, "seconds": wall, "cpu_seconds": cpu, "rows_per_s": count / wall, "peak_mb": peak}


def ours(folder: Path) -> dict[str, float]:
    """The journey of ``homeostat score``, from the opened bundle on."""
    from homeostat.core import sections
    from homeostat.flow.score import Batch, run_batch
    from homeostat.infra.batch_output import output_of
    from homeostat.serving.bundle import unpack

    bundle = unpack((folder / "model.bundle").read_bytes())
    output = output_of("ours.parquet", folder, folder)
    batch = Batch(GIVEN, output, folder, bundle, 1, "run", lambda frame: frame, sections.Source(source=GIVEN), sections.Store())
    return timed(lambda: int(run_batch(batch, "now")["rows"]))


def runtime(folder: Path) -> dict[str, float]:
    """The graph alone on the same runs of rows, on as many threads; the rows are decoded before the clock starts."""
    from homeostat.graph.decode import decode_frame
    from homeostat.infra.formats.parquet_pages import read_footer
    from homeostat.serving.batch import RUN_ROWS
    from homeostat.serving.bundle import unpack
    from homeostat.serving.partitions import partitions
    from homeostat.serving.predictor import Predictor

    bundle = unpack((folder / "model.bundle").read_bytes())
    predictor = Predictor(bundle)
    cut = partitions([read_footer(folder / GIVEN).group_rows])
    lazy = pl.scan_parquet(folder / GIVEN)
    decoded = [decode_frame(bundle.inputs(), lazy.slice(each.start, each.rows).collect()) for each in cut]

    def run() -> int:
        with ThreadPoolExecutor(CORES) as pool:
            return sum(len(said.scores) for said in pool.map(lambda rows: predictor.say_decoded(rows, RUN_ROWS), decoded))

    return timed(run)


def sklearn(folder: Path) -> dict[str, float]:
    """pandas and the pipeline, the whole file at once."""
    import pandas as pd

    fitted = pickle.loads((folder / "pipeline.pkl").read_bytes())  # noqa: S301 - written by this program

    def run() -> int:
        frame = pd.read_parquet(folder / GIVEN)
        said = fitted.predict_proba(_as_fitted(frame))[:, 1]
        frame["prediction"], frame["probability"] = np.where(said >= 0.5, "1", "0"), said
        frame.to_parquet(folder / "sklearn.parquet")
        return len(frame)

    return timed(run)


def mlflow(folder: Path) -> dict[str, float]:
    """MLflow's pyfunc in a loop over batches."""
    import mlflow.pyfunc
    import pyarrow as pa
    from pyarrow import parquet

    model = mlflow.pyfunc.load_model(str(folder / "mlflow"))

    def run() -> int:
        count, writer = 0, None
        for batch in parquet.ParquetFile(folder / GIVEN).iter_batches(PEER_BATCH):
            frame = batch.to_pandas()
            said = model.predict(_as_fitted(frame))[:, 1]
            frame["prediction"], frame["probability"] = np.where(said >= 0.5, "1", "0"), said
            table = pa.Table.from_pandas(frame, preserve_index=False)
            writer = writer or parquet.ParquetWriter(folder / "mlflow.parquet", table.schema)
            writer.write_table(table)
            count += len(frame)
        if writer is not None:
            writer.close()
        return count

    return timed(run)


def _as_fitted(frame: Any) -> Any:
    """Texts as the objects the encoder was fitted on."""
    return frame.astype(dict.fromkeys(batch_model.CATEGORIES, object))


SIDES: Mapping[str, Callable[[Path], dict[str, float]]] = {
    "ours": ours,
    "onnxruntime": runtime,
    "scikit-learn": sklearn,
    "mlflow": mlflow,
}


def compared(folder: Path) -> dict[str, float]:
    """Whether the outputs say the same: the largest difference of a probability, rows decided otherwise, columns that came out changed."""
    found = pl.scan_parquet(folder / "ours.parquet").select("prediction", "probability").collect()
    theirs = pl.scan_parquet(folder / "sklearn.parquet").select("prediction", "probability").collect()
    given, made = pl.scan_parquet(folder / GIVEN), pl.scan_parquet(folder / "ours.parquet")
    names = given.collect_schema().names()
    altered = sum(not given.select(name).collect().equals(made.select(name).collect()) for name in names)
    return {
        "max_difference": float((found["probability"] - theirs["probability"]).abs().max() or 0.0),  # type: ignore[arg-type]
        "flips": int((found["prediction"] != theirs["prediction"]).sum()),
        "altered_columns": altered,
    }


def write(count: int, rounds: Sequence[Mapping[str, Mapping[str, float]]], difference: Mapping[str, float]) -> None:
    """The figures as JSON and as a page."""
    ratios = {name: [each["ours"]["rows_per_s"] / each[name]["rows_per_s"] for each in rounds] for name in SIDES if name != "ours"}
    cpu = {name: statistics.median(each[name]["cpu_seconds"] / each[name]["rows"] for each in rounds) * 1e6 for name in SIDES}
    told = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": f"{platform.system()} {platform.machine()}, {CORES} cores, Python {platform.python_version()}",
        "versions": {name: version(name) for name in LIBRARIES},
        "rows": count,
        "median_ratio": {name: statistics.median(each) for name, each in ratios.items()},
        "ratios": ratios,
        "cpu_us_per_row": cpu,
        "rounds": rounds,
        **difference,
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "batch.json").write_text(json.dumps(told, indent=1) + "\n")
    (RESULTS / "batch.md").write_text(page(told))
    print(page(told))


def page(told: Mapping[str, Any]) -> str:
    """The figures against what was asked."""
    rounds = told["rounds"]

    def line(name: str) -> str:
        speed = statistics.median(each[name]["rows_per_s"] for each in rounds)
        peak = max(each[name]["peak_mb"] for each in rounds)
        spread = "" if name == "ours" else f"{min(told['ratios'][name]):.2f} to {max(told['ratios'][name]):.2f}"
        ratio = "" if name == "ours" else f"{told['median_ratio'][name]:.2f}"
        asked = f"{ASKED[name]}" if name in ASKED else ""
        return f"| {name} | {speed:,.0f} | {told['cpu_us_per_row'][name]:.2f} | {peak:,.0f} | {ratio} | {spread} | {asked} |"

    versions = ", ".join(f"{name} {number}" for name, number in told["versions"].items())
    peak = max(each["ours"]["peak_mb"] for each in rounds)
    return "\n".join(
        [
            "# Batch scoring, Parquet to Parquet",
            "",
            f"{told['at']}, {told['machine']}; {versions}.",
            f"{told['rows']:,} rows of 20 columns, {batch_model.TREES} trees of {batch_model.LEAVES} leaves; {len(rounds)} rounds.",
            "Again: `.venv/bin/python -m benchmarks.batch`; what each side does stands there.",
            "",
            "Medians; a ratio is our rows a second over theirs, in the same round; peak memory is the most of any round.",
            "",
            "| side | rows/s | processor us a row | peak MB | ours over it | from, to | asked |",
            "|---|---:|---:|---:|---:|---:|---:|",
            *(line(name) for name in SIDES),
            "",
            f"Peak memory of ours: {peak:,.0f} MB, asked at most {MOST_MB:,}.",
            f"Largest difference between our probabilities and scikit-learn's: {told['max_difference']:.1e}; rows decided otherwise: "
            f"{told['flips']}; columns of the input that came out changed: {told['altered_columns']}.",
            "",
        ]
    )


if __name__ == "__main__":
    main()
