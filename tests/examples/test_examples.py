"""The examples as a user has them: their README's statements run word for word, and what they measure is asserted."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import roc_auc_score

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # where `homeostat` is after ./do


@dataclass(frozen=True)
class Example:
    """An example in a folder of its own, in which its README's statements have run."""

    name: str
    folder: Path  # holds examples/, as a checkout does
    printed: dict[str, str]  # by command

    @property
    def project(self) -> Path:
        return self.folder / "examples" / self.name

    def ask(self, *words: str, exit_code: int = 0) -> dict[str, Any]:
        """A command's answer as JSON."""
        done = statement(f"homeostat {' '.join(words)} --json --project examples/{self.name}", self.folder)
        assert done.returncode == exit_code, done.stderr
        return dict(json.loads(done.stdout))


def statement(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", "-c", command], cwd=folder, env={**os.environ, "PATH": PROGRAMS}, capture_output=True, text=True, check=False, timeout=200
    )


def copied(name: str, folder: Path) -> Path:
    """The example as in the checkout (links become files), with few trials instead of its seconds: only speed is changed."""
    project = Path(shutil.copytree(ROOT / "examples" / name, folder / "examples" / name, ignore=shutil.ignore_patterns(".homeostat")))
    charter = project / "homeostat.yaml"
    text, few = charter.read_text(encoding="utf-8"), "  budget: {seconds: null, trials: 3}\n"
    if "\nlearning:\n" in text:
        assert "  budget:\n    seconds: 20\n" in text
        text = text.replace("  budget:\n    seconds: 20\n", few)
    else:
        text += f"\nlearning:\n{few}"
    charter.write_text(text, encoding="utf-8")
    return project


def made(name: str, folder: Path) -> Example:
    copied(name, folder)
    (block,) = re.findall(
        r"^```sh\n(.*?)^```$", (ROOT / "examples" / name / "README.md").read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    *stages, serve = block.splitlines()
    assert re.sub(r" +#.*", "", serve) == f"homeostat serve --project examples/{name}"
    printed = {}
    for stage in stages:
        done = statement(stage, folder)
        assert done.returncode == 0, f"{stage}: {done.stdout}{done.stderr}"
        printed[stage.split()[1]] = done.stdout
    assert list(printed) == ["check", "run"]
    return Example(name, folder, printed)


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Example:
    return made("bank-marketing", tmp_path_factory.mktemp("bank"))


@pytest.fixture(scope="module")
def bike(tmp_path_factory: pytest.TempPathFactory) -> Example:
    return made("bike-demand", tmp_path_factory.mktemp("bike"))


@contextmanager
def served(example: Example) -> Iterator[HTTPConnection]:
    """The README's ``serve`` as a process of its own, on a free port; a connection to it."""
    command = ["homeostat", "serve", "--project", f"examples/{example.name}", "--port", "0"]
    environment = {**os.environ, "PATH": PROGRAMS}
    with (
        (example.folder / "serve.err").open("w") as errors,
        subprocess.Popen(command, cwd=example.folder, env=environment, stdout=subprocess.PIPE, stderr=errors, text=True) as process,
    ):
        connection = None
        try:
            assert process.stdout is not None
            ready = json.loads(process.stdout.readline())
            connection = HTTPConnection(ready["url"].removeprefix("http://"), timeout=30)
            yield connection
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0
        finally:
            if connection is not None:
                connection.close()
            if process.poll() is None:
                process.kill()


def post(connection: HTTPConnection, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    connection.request("POST", "/predict", json.dumps({"rows": rows}), {"content-type": "application/json"})
    response = connection.getresponse()
    content = response.read().decode()
    assert response.status == 200, content
    return list(json.loads(content)["predictions"])


def plain(frame: pl.DataFrame) -> list[dict[str, Any]]:
    """Rows as JSON has them."""
    return frame.with_columns(pl.col(pl.Date).dt.to_string("%Y-%m-%d")).to_dicts()


def scored(example: Example, frame: pl.DataFrame) -> pl.DataFrame:
    """What ``homeostat score`` answers to the rows of a Parquet file."""
    frame.write_parquet(example.folder / "in.parquet")
    told = example.ask("score", "in.parquet", "out.parquet")
    assert told["rows"] == frame.height
    return pl.read_parquet(example.folder / "out.parquet")


def manifest_of(example: Example) -> dict[str, Any]:
    told = example.ask("export", "exported")
    assert told["files"] == ["README.md", "bom.cdx.json", "check.py", "manifest.json", "model.onnx", "parity.json", "plan.json"]
    return dict(json.loads((example.folder / "exported" / "manifest.json").read_text()))


def calls() -> pl.DataFrame:
    return pl.read_parquet(ROOT / "examples" / "bank-marketing" / "data" / "bank_marketing.parquet")


def hours() -> pl.DataFrame:
    return pl.read_csv(ROOT / "examples" / "bike-demand" / "data" / "bike_hourly.csv", try_parse_dates=True)


def test_what_the_bank_readme_says_of_its_data_is_so() -> None:
    frame = calls()
    assert frame.height == 41_188
    assert frame["y"].value_counts().sort("y")["count"].to_list() == [36_548, 4_640]
    with_nulls = {name for name in frame.columns if frame[name].null_count()}
    assert with_nulls == {"default", "education", "housing", "loan", "job", "marital", "pdays"}
    assert frame["contact_month"].is_sorted()
    monthly = frame.group_by("contact_month").agg(pl.len(), (pl.col("y") == "yes").mean().alias("share")).sort("contact_month")
    assert (str(monthly["contact_month"][0]), str(monthly["contact_month"][-1])) == ("2008-05-01", "2010-11-01")
    assert monthly["share"][0] == pytest.approx(0.03, abs=0.005)
    assert monthly["share"][-6:].mean() == pytest.approx(0.5, abs=0.03)
    assert min(monthly["len"][:4]) > 4_000
    assert max(monthly["len"][-8:]) < 400


def test_what_the_bike_readme_says_of_its_data_is_so() -> None:
    frame = hours()
    assert frame.height == 17_379
    assert frame.group_by("yr").agg(pl.col("cnt").mean()).sort("yr")["cnt"].round(0).to_list() == [144, 235]
    assert sum(frame.null_count().row(0)) == 0
    assert 731 * 24 - frame.height == 165
    moments = frame.select(pl.col("dteday").cast(pl.Datetime) + pl.duration(hours="hr")).to_series().sort()
    longest = moments.diff().arg_max()
    assert longest is not None
    assert moments.diff().max().total_seconds() / 3600 - 1 == 36  # type: ignore[union-attr]
    assert (str(moments[longest - 1]), str(moments[longest])) == ("2012-10-29 00:00:00", "2012-10-30 13:00:00")
    assert frame.filter(pl.col("hum") == 0)["dteday"].unique().cast(pl.String).to_list() == ["2011-03-10"]
    assert (frame["windspeed"] == 0).sum() == 2_180
    assert (frame["weathersit"] == 4).sum() == 3
    assert (frame["casual"] + frame["registered"] == frame["cnt"]).all()


def test_bank_is_feasible_passes_its_gates_and_beats_chance(bank: Example) -> None:
    assert re.match(r"bank-marketing: go( with risks)?\n", bank.printed["check"])
    assert "41188 rows, 0 quarantined" in bank.printed["run"]
    assert "passed every gate" in bank.printed["run"]
    told = bank.ask("evaluate")
    assert told["rows"] == calls().filter(pl.col("contact_month") >= pl.date(2009, 6, 1)).height  # "June 2009 on"
    (auc,) = [s for s in told["scores"] if s["metric"] == "auc" and not s["segment"]]
    assert 0.6 <= auc["value"] < 0.65  # "rows in time order about 0.62"
    assert auc["low"] < auc["value"] < auc["high"]
    assert {s["segment"] for s in told["scores"]} == {"", "contact=cellular", "contact=telephone"}
    gates = bank.ask("validate")["gates"]
    assert {gate["gate"] for gate in gates} >= {"threshold", "baseline", "parity"}
    assert all(gate["passed"] for gate in gates)


def test_bank_decides_where_a_call_pays(bank: Example) -> None:
    manifest = manifest_of(bank)
    assert (manifest["task"], manifest["target"], manifest["classes"]) == ("binary", "y", ["no", "yes"])
    # Calling is worth it from p * 80 - (1 - p) * 8 = 0 on.
    assert manifest["threshold"] == pytest.approx(8 / 88, rel=1e-15)
    assert "duration" not in {each["name"] for each in manifest["inputs"]}
    assert "duration" in manifest["ignored"]


def test_bank_answers_nulls_the_same_over_http_and_in_batch_and_is_watched(bank: Example) -> None:
    month = calls().filter(pl.col("contact_month") == pl.date(2010, 3, 1)).head(200)
    rows = plain(month.drop("y", "duration"))
    assert sum(value is None for row in rows for value in row.values()) == 162
    batch = scored(bank, month)
    blank = dict.fromkeys(rows[0]) | {"contact_month": "2010-03-01"}
    with served(bank) as connection:
        answers = post(connection, rows)
        (unknown,) = post(connection, [blank])
    assert 0.0 <= unknown["probability"] <= 1.0
    assert unknown["prediction"] == ("yes" if unknown["probability"] >= 8 / 88 else "no")
    assert [a["prediction"] for a in answers] == batch["prediction"].to_list()
    assert [a["probability"] for a in answers] == batch["probability"].to_list()  # bit for bit: JSON carries float64 whole
    assert all(0.0 <= a["probability"] <= 1.0 for a in answers)
    assert {a["prediction"] for a in answers} <= {"no", "yes"}

    # Labels by prediction id; the one row of nulls stays without.
    (bank.folder / "labels.csv").write_text(
        "prediction_id,y\n" + "".join(f"{a['id']},{y}\n" for a, y in zip(answers, month["y"], strict=True)), encoding="utf-8"
    )
    told = bank.ask("labels", "labels.csv")
    assert (told["matched"], told["unknown"], told["duplicates"], told["conflicting"]) == (200, 0, 0, 0)
    done = statement(f"homeostat monitor --as-of 2010-12-01 --json --project examples/{bank.name}", bank.folder)
    (window,) = json.loads(done.stdout)["windows"]
    assert (window["start"][:10], window["rows"], window["labelled"], window["version"]) == ("2010-03-01", 201, 200, 1)
    assert window["value"] == pytest.approx(roc_auc_score(month["y"] == "yes", [a["probability"] for a in answers]), rel=1e-12)
    assert window["low"] <= window["value"] <= window["high"]
    assert done.returncode == (0 if window["cause"] in {"healthy", "covariate_shift"} else 3)


def test_bike_is_feasible_passes_its_gates_and_meets_its_goal(bike: Example) -> None:
    assert re.match(r"bike-demand: go( with risks)?\n", bike.printed["check"])
    assert "17379 rows, 0 quarantined" in bike.printed["run"]
    told = bike.ask("evaluate")
    assert told["rows"] == hours().filter(pl.col("dteday") > pl.date(2012, 12, 17)).height  # the last 14 days
    (mae,) = [s for s in told["scores"] if s["metric"] == "mae" and not s["segment"]]
    assert 20 < mae["value"] <= 60
    gates = bike.ask("validate")["gates"]
    assert {gate["gate"] for gate in gates} >= {"threshold", "baseline", "segments", "latency_p99_ms", "size_mb", "parity"}
    assert all(gate["passed"] for gate in gates)
    inputs = {each["name"] for each in manifest_of(bike)["inputs"]}
    assert inputs.isdisjoint({"casual", "registered", "instant", "yr", "mnth", "season", "cnt"})


def test_bike_answers_the_same_over_http_and_in_batch_and_is_watched(bike: Example) -> None:
    month = hours().filter(pl.col("dteday") >= pl.date(2012, 12, 1))
    rows = plain(month.drop("casual", "registered", "cnt"))
    batch = scored(bike, month.head(200))
    with served(bike) as connection:
        answers = post(connection, rows)
    predicted = np.array([a["prediction"] for a in answers])
    assert predicted[:200].tolist() == batch["prediction"].to_list()
    month.select("dteday", "hr", "cnt").write_csv(bike.folder / "labels.csv")
    assert bike.ask("labels", "labels.csv")["matched"] == month.height
    done = statement(f"homeostat monitor --as-of 2013-01-02 --json --project examples/{bike.name}", bike.folder)
    (window,) = json.loads(done.stdout)["windows"]
    assert (window["start"][:10], window["rows"], window["labelled"]) == ("2012-12-01", month.height, month.height)
    assert window["value"] == pytest.approx(np.abs(predicted - month["cnt"].to_numpy()).mean(), rel=1e-12)
    assert done.returncode == (0 if window["cause"] in {"healthy", "covariate_shift"} else 3)


def test_the_links_of_the_bike_example_point_into_the_package() -> None:
    package = ROOT / "src" / "homeostat" / "data"
    for name, target in {
        "homeostat.yaml": package / "bike-demand" / "homeostat.yaml",
        "contract.yaml": package / "bike-demand" / "contract.yaml",
        "data/bike_hourly.csv": package / "bike_hourly.csv",
    }.items():
        assert (ROOT / "examples" / "bike-demand" / name).resolve() == target


@pytest.mark.parametrize("name", ["bike", "bank"])
def test_the_version_is_trained_again_from_its_record(name: str, request: pytest.FixtureRequest) -> None:
    said = request.getfixturevalue(name).ask("reproduce", "1")
    assert said["outcome"] == "equal"
    assert said["recorded"] == said["made"]
