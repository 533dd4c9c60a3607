"""Measure the registry at 100,000 versions with 50 metrics each beside MLflow with SQLite: ``benchmarks/results/registry.json``, ``.md``.

Run: ``.venv/bin/python -m benchmarks.registry --mlflow /path/to/another/venv/bin/python``. It takes about fifteen minutes, most of them for
filling both. MLflow lives in an environment of its own (`pip install mlflow`). Ours is filled by its own API, MLflow by bulk insert into
its own tables, because its API would take hours. Each search returns at most 50 versions with all their metrics; both sides found the same ones in the
same order, where MLflow was not stopped after {PATIENCE_S} s. Asked for: under 50 ms. Medians of {REPEATS} (MLflow: {PEER_REPEATS}), in
turn; of 5 and 1 where MLflow took more than {PATIENCE_MS / 1000:.0f} s.

| search | ours, ms | ours, ms of processor | MLflow, ms | MLflow / ours |
|---|---|---|---|---|
{rows}

Logging one trial of 10 parameters beside these versions, median of {TRIALS}; asked for: under 2 ms. One fsync costs
{figures["fsync_ms"]} ms here.

| trial | ms | to ours |
|---|---|---|
{logged}

The commit of a trial outlives the process at once, and a power cut from the next lasting commit on: a power cut may take the newest
trials, which are then tried again. Following the chain over all of it took {figures["verify_s"]} s.
"""


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mlflow", required=True, help="the Python interpreter of an environment that has MLflow")
    parser.add_argument("--versions", type=int, default=100_000)
    parser.add_argument("--folder", type=Path, help="where both databases stay, to ask them again without filling them; default: nowhere")
    parser.add_argument("--out", type=Path, default=RESULTS)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as passing:
        figures = measure(asked.mlflow, asked.versions, asked.folder or Path(passing) / "registry")
    asked.out.mkdir(exist_ok=True)
    (asked.out / "registry.json").write_text(json.dumps(figures, indent=2) + "\n")
    (asked.out / "registry.md").write_text(page(figures))
    print(page(figures))


if __name__ == "__main__":
    main()
