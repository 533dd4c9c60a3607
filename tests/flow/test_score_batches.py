"""Batches: one row out for each row in, in order, from anything to anything; broken off anywhere they go on and end the same."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from tests.flow.batches import answers, batch, bundle, csv_of, rows, write_groups

from homeostat.core import sections
from homeostat.errors import DataError, ProjectError
from homeostat.flow import score as journey
from homeostat.flow.score import run_batch
from homeostat.flow.score_part import PartScorer
from homeostat.graph.fields import ALLOWED
from homeostat.infra.parts import opened
from homeostat.infra.tables import Table

COUNT = 530
ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Heard:
    """A progress that keeps what it is told."""

    said: list[tuple[str, float | None]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def update(self, message: str, *, done: float | None = None) -> None:
        self.said.append((message, done))

    def note(self, message: str) -> None:
        self.notes.append(message)


@pytest.fixture
def frame(tmp_path: Path) -> pl.DataFrame:
    """The rows of ``in.parquet``."""
    made = rows(COUNT)
    write_groups(made, tmp_path / "in.parquet", 50)
    return made


def check(found: pl.DataFrame, frame: pl.DataFrame, weight: float = 2.0) -> None:
    """Each row is there once, in order, with its answer."""
    assert found.columns == [*frame.columns, "prediction", "model_version", "run"]
    assert found.select(frame.columns).equals(frame)
    np.testing.assert_allclose(found["prediction"].to_numpy(), answers(frame, weight), rtol=1e-12)
    assert set(found["model_version"]) == {3}
    assert set(found["run"]) == {"run-1"}


def read_back(path: Path) -> pl.DataFrame:
    if path.suffix == ".csv":
        return pl.read_csv(path, schema_overrides={"at": pl.Float64, "size": pl.Float64})
    if path.suffix in (".ndjson", ".jsonl"):
        return pl.read_ndjson(path, infer_schema_length=None)
    if path.suffix == ".delta":
        return Table(path).read().sort("id")
    return pl.read_parquet(sorted(path.glob("*.parquet")) if path.is_dir() else path)


@pytest.mark.parametrize("target", ["out.parquet", "out.csv", "out.ndjson", "folder/", "out.delta"])
def test_every_output_has_each_row_once(tmp_path: Path, frame: pl.DataFrame, target: str) -> None:
    heard = Heard()
    told = run_batch(batch(tmp_path, "in.parquet", target), "now", heard)
    assert told == {"rows": COUNT, "bad": 0, "taken_up": 0, "version": 3, "output": str(tmp_path / target.rstrip("/"))}
    check(read_back(tmp_path / target), frame)
    assert not (tmp_path / f"{target.rstrip('/')}.parts").exists()
    shares = [done for _, done in heard.said if done is not None]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert heard.said[-1][0] == "scored 530 of 530 rows"
    assert any("left" in said for said, _ in heard.said)
    run_batch(batch(tmp_path, "in.parquet", target), "later")  # what was there is replaced
    check(read_back(tmp_path / target), frame)


def sources(folder: Path, frame: pl.DataFrame) -> dict[str, str]:
    """The same rows in every form, by address."""
    csv_of_all = csv_of(frame)
    (folder / "in.csv").write_text(csv_of_all)
    frame.write_ndjson(folder / "in.ndjson")
    (folder / "many").mkdir()
    write_groups(frame.head(200), folder / "many" / "a.parquet", 70)
    (folder / "many" / "b.csv").write_text(csv_of(frame[200:350]))
    write_groups(frame[350:], folder / "many" / "c.parquet", 1_000)
    table = Table(folder / "table")
    table.append(frame, {}, "all")
    with sqlite3.connect(folder / "rows.sqlite") as database:
        database.execute("CREATE TABLE seen (id INTEGER, size REAL, open BOOLEAN, at REAL, town TEXT)")
        database.executemany("INSERT INTO seen VALUES (?, ?, ?, ?, ?)", frame.rows())
    database.close()
    return {
        "csv": "in.csv",
        "ndjson": "in.ndjson",
        "folder": "many",
        "glob": "many/*",
        "delta": "table",
        "sqlite": f"sqlite:///{folder}/rows.sqlite#seen",
    }


@pytest.mark.parametrize("kind", ["csv", "ndjson", "folder", "glob", "delta", "sqlite"])
def test_every_input_gives_the_same_rows(tmp_path: Path, kind: str) -> None:
    frame = rows(COUNT)
    run_batch(batch(tmp_path, sources(tmp_path, frame)[kind], "out.parquet"), "now")
    found = pl.read_parquet(tmp_path / "out.parquet")
    check(found.with_columns(pl.col("at").cast(pl.Float64)).sort("id") if kind in ("delta", "sqlite") else found, frame)


def test_rows_come_from_and_go_to_a_bucket(tmp_path: Path, s3_variables: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    import boto3

    for name, value in s3_variables.items():
        monkeypatch.setenv(name, value)
    client = boto3.client("s3", endpoint_url=s3_variables["AWS_ENDPOINT_URL"])
    client.create_bucket(Bucket="rows")
    frame = rows(COUNT)
    write_groups(frame, tmp_path / "x.parquet")
    client.upload_file(str(tmp_path / "x.parquet"), "rows", "given/a.parquet")
    client.put_object(Bucket="rows", Key="given/b.csv", Body=csv_of(frame).encode())
    told = run_batch(batch(tmp_path, "s3://rows/given", "s3://rows/made/out.parquet"), "now")
    assert told["output"] == "s3://rows/made/out.parquet"
    client.download_file("rows", "made/out.parquet", str(tmp_path / "back.parquet"))
    check(pl.read_parquet(tmp_path / "back.parquet"), pl.concat([frame, frame]))
    assert not any((tmp_path / "spool").iterdir())


def test_rows_come_from_postgresql(tmp_path: Path, postgresql_url: str) -> None:
    import psycopg

    frame = rows(150)
    with psycopg.connect(postgresql_url) as connection:
        connection.execute("CREATE TABLE scored_rows (id int8, size float8, open boolean, at float8, town text)")
        with connection.cursor() as cursor:
            cursor.executemany("INSERT INTO scored_rows VALUES (%s, %s, %s, %s, %s)", frame.rows())
    run_batch(batch(tmp_path, f"{postgresql_url}#scored_rows", "out.parquet"), "now")
    check(pl.read_parquet(tmp_path / "out.parquet").sort("id"), frame)


def test_classes_have_a_prediction_and_a_probability(tmp_path: Path, frame: pl.DataFrame) -> None:
    run_batch(batch(tmp_path, "in.parquet", "out.parquet", bundle=bundle("binary", weight=-0.01)), "now")
    found = pl.read_parquet(tmp_path / "out.parquet")
    wanted = 1 / (1 + np.exp(-np.array(answers(frame, -0.01))))
    np.testing.assert_allclose(found["probability"].to_numpy(), wanted, rtol=1e-12)
    assert found["prediction"].to_list() == ["yes" if p >= 0.5 else "no" for p in wanted]
    assert set(found["prediction"]) == {"yes", "no"}


def test_the_rows_are_cut_alike_whatever_was_done_before(tmp_path: Path, frame: pl.DataFrame) -> None:
    given = batch(tmp_path, "in.parquet", "out.parquet")
    run_batch(given, "now")
    unbroken = (tmp_path / "out.parquet").read_bytes()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PartScorer, "score", _dying_at(3))
        with pytest.raises(KeyboardInterrupt):
            run_batch(given, "later")
    assert (tmp_path / "out.parquet").read_bytes() == unbroken, "the old output stays until the new one is whole"
    heard = Heard()
    told = run_batch(given, "later still", heard)
    assert 0 < told["taken_up"] < COUNT
    assert heard.notes == [f"going on: {told['taken_up']} of {COUNT} rows are scored already"]
    assert (tmp_path / "out.parquet").read_bytes() == unbroken


def _dying_at(number: int) -> Any:
    real = PartScorer.score

    def score(self: PartScorer, part: Any) -> tuple[int, int]:
        if part.number == number:
            raise KeyboardInterrupt
        return real(self, part)

    return score


KILLED = """
import os, signal, sys
from itertools import count
from pathlib import Path
from homeostat.infra import batch_output, parts
from homeostat.infra.formats import parquet_pages
from homeostat.flow.score import run_batch
from tests.flow.batches import batch

moments = count(1)
def deadly(real):
    def call(*arguments, **named):
        if next(moments) == int(sys.argv[4]):
            os.kill(os.getpid(), signal.SIGKILL)
        found = real(*arguments, **named)
        if next(moments) == int(sys.argv[4]):
            os.kill(os.getpid(), signal.SIGKILL)
        return found
    return call

for owner, name in ((os, "fsync"), (os, "link"), (Path, "replace"), (parts.shutil, "rmtree"), (parquet_pages, "join")):
    setattr(owner, name, deadly(getattr(owner, name)))
run_batch(batch(Path(sys.argv[1]), sys.argv[2], sys.argv[3]), "now")
"""


def killed(folder: Path, source: str, target: str, moment: int) -> bool:
    """Score in a process of its own that gets SIGKILL at so many moments; whether it came so far."""
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(folder), source, target, str(moment)], cwd=ROOT, capture_output=True, check=False
    )
    assert done.returncode in (0, -signal.SIGKILL), done.stderr.decode()
    return done.returncode != 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "target", "moments"),
    [("in.parquet", "out.parquet", (3, 9, 14, 22, 40)), ("in.csv", "folder/", (5, 18, 50)), ("in.parquet", "out.delta", (12, 60))],
)
def test_killed_anywhere_it_goes_on_and_ends_the_same(
    tmp_path: Path, frame: pl.DataFrame, source: str, target: str, moments: tuple[int, ...]
) -> None:
    (tmp_path / "in.csv").write_text(csv_of(frame))
    unbroken = tmp_path / "unbroken"
    unbroken.mkdir()
    for name in ("in.parquet", "in.csv"):
        shutil.copy2(tmp_path / name, unbroken / name)
    run_batch(batch(unbroken, source, target), "now")
    wanted = read_back(unbroken / target)
    check(wanted, frame)
    for moment in moments:
        killed(tmp_path, source, target, moment)
    run_batch(batch(tmp_path, source, target), "now")
    assert read_back(tmp_path / target).equals(wanted)
    if target == "out.parquet":
        assert (tmp_path / target).read_bytes() == (unbroken / target).read_bytes()
    left = {path.name for path in tmp_path.iterdir()} - {"unbroken", "in.parquet", "in.csv", f"{target}.lock", target.rstrip("/")}
    assert not left, left


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"version": 4}, "another version is to score it"),
        ({"bundle": bundle(weight=3.0)}, "another version is to score it"),
        ({"bad_rows": "null"}, "--bad-rows is another"),
        ({"section": sections.Source(source="x", decimal=",")}, "files are to be read otherwise"),
    ],
)
def test_parts_of_anything_else_are_thrown_away(tmp_path: Path, frame: pl.DataFrame, change: dict[str, Any], told: str) -> None:
    broken_off(tmp_path)
    heard = Heard()
    assert run_batch(batch(tmp_path, "in.parquet", "out.parquet", **change), "later", heard)["taken_up"] == 0
    assert heard.notes == [f"what was scored before is of no use: {told}; starting anew"]
    found = pl.read_parquet(tmp_path / "out.parquet")
    np.testing.assert_allclose(found["prediction"].to_numpy(), answers(frame, 3.0 if "bundle" in change else 2.0), rtol=1e-12)


def broken_off(folder: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PartScorer, "score", _dying_at(3))
        with pytest.raises(KeyboardInterrupt):
            run_batch(batch(folder, "in.parquet", "out.parquet"), "now")
    assert list((folder / "out.parquet.parts").glob("part-*"))


def test_a_changed_input_starts_anew(tmp_path: Path, frame: pl.DataFrame) -> None:
    broken_off(tmp_path)
    changed = frame.with_columns(pl.col("size") + 1)
    write_groups(changed, tmp_path / "in.parquet", 50)
    heard = Heard()
    run_batch(batch(tmp_path, "in.parquet", "out.parquet"), "later", heard)
    assert heard.notes == ["what was scored before is of no use: the input is another, or has changed; starting anew"]
    check(pl.read_parquet(tmp_path / "out.parquet"), changed)


def test_an_input_that_changes_meanwhile_is_noticed(tmp_path: Path, frame: pl.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    real = PartScorer.score

    def score(self: PartScorer, part: Any) -> tuple[int, int]:
        if part.number == 2:
            os.utime(tmp_path / "in.parquet", ns=(1, 1))
        return real(self, part)

    monkeypatch.setattr(PartScorer, "score", score)
    with pytest.raises(DataError, match="HS421"):
        run_batch(batch(tmp_path, "in.parquet", "out.parquet"), "now")
    assert not (tmp_path / "out.parquet").exists()


def test_two_at_once_are_refused(tmp_path: Path, frame: pl.DataFrame) -> None:
    given = batch(tmp_path, "in.parquet", "out.parquet")
    with opened(given.output.parts, ".parquet", {}, {}), pytest.raises(ProjectError, match="HS422"):
        run_batch(given, "now")


def test_a_bad_row_is_refused_with_its_place(tmp_path: Path, frame: pl.DataFrame) -> None:
    bad = frame.with_columns(pl.when(pl.col("id") == 321).then(float("inf")).otherwise("size").alias("size"))
    write_groups(bad, tmp_path / "in.parquet", 50)
    with pytest.raises(DataError) as refused:
        run_batch(batch(tmp_path, "in.parquet", "out.parquet"), "now")
    assert refused.value.code == "HS420"
    assert refused.value.place == "in.parquet row 322"
    assert refused.value.message == "column 'size': got 'inf' (Float64); a number is a finite number or null; nothing was written"
    assert not (tmp_path / "out.parquet").exists()


def test_bad_rows_have_no_answer_and_say_why(tmp_path: Path) -> None:
    text = csv_of(rows(COUNT)).splitlines()
    text[10] = "9,many,true,9000.0,Oslo"
    text[20] = "19,1.5,perhaps,19000.0,Oslo"
    text[30] = "29,1.5,true,yesterday,Oslo"
    text[40] = "39,1.5,true"
    text[50] = "49,1e308,true,0.0,Oslo"
    (tmp_path / "in.csv").write_text("\n".join(text) + "\n")
    with pytest.raises(DataError, match=r"HS420\] in.csv:11: column 'size': got 'many'"):
        run_batch(batch(tmp_path, "in.csv", "out.parquet"), "now")
    told = run_batch(batch(tmp_path, "in.csv", "out.parquet", bad_rows="null"), "now")
    assert (told["rows"], told["bad"]) == (COUNT, 5)
    found = pl.read_parquet(tmp_path / "out.parquet")
    bad = found.filter(pl.col("problem").is_not_null())
    assert bad["prediction"].null_count() == 5
    assert bad["problem"].to_list() == [
        "column 'size': got 'many' (String); a number is a finite number or null",
        "column 'open': got 'perhaps' (String); a boolean is true, false, 0, 1 or null",
        f"column 'at': got 'yesterday' (String); a timestamp is {ALLOWED['timestamp']}",
        "the line cannot be parsed: got 3 fields, expected 5",
        "its score is not finite: numbers too large for the model",
    ]
    good = found.filter(pl.col("problem").is_null())
    assert good["prediction"].null_count() == 0
    np.testing.assert_allclose(good["prediction"].to_numpy(), answers(rows(COUNT)[good["id"].cast(pl.Int64).to_list()]), rtol=1e-12)
    assert bad["size"].to_list()[:2] == ["many", "1.5"], "the columns of the input come out as they came"


def test_files_of_other_types_go_together_and_of_other_columns_do_not(tmp_path: Path) -> None:
    frame = rows(200)
    (tmp_path / "many").mkdir()
    write_groups(frame.head(120), tmp_path / "many" / "a.parquet")
    write_groups(frame[120:].with_columns(pl.col("size").cast(pl.Float32), pl.col("at").cast(pl.Int64)), tmp_path / "many" / "b.parquet")
    run_batch(batch(tmp_path, "many", "out.parquet"), "now")
    check(pl.read_parquet(tmp_path / "out.parquet"), frame)
    write_groups(frame.drop("town"), tmp_path / "many" / "c.parquet")
    with pytest.raises(DataError, match=r"HS423\] many/c.parquet: many/a.parquet has a column 'town', many/c.parquet has none"):
        run_batch(batch(tmp_path, "many", "out.parquet"), "now")


def test_large_row_groups_are_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("homeostat.infra.batch_input.MOST_GROUP_ROWS", 150)
    frame = rows(1_000)
    write_groups(frame, tmp_path / "in.parquet", 1_000)
    run_batch(batch(tmp_path, "in.parquet", "out.parquet"), "now")
    check(pl.read_parquet(tmp_path / "out.parquet"), frame)


@pytest.mark.parametrize(
    ("source", "target", "code", "told"),
    [
        ("in.parquet", "out.xlsx", "HS209", "allowed: a name that ends in .parquet"),
        ("in.parquet", "gs://b/out.csv", "HS219", "writable are a path and s3://"),
        ("nowhere.csv", "out.csv", "HS201", "no such file"),
        ("sqlite:///x.sqlite", "out.csv", "HS215", "#TABLE"),
        ("lacking.parquet", "out.csv", "HS203", "missing town"),
        ("taken.parquet", "out.csv", "HS203", "'prediction', which the output needs"),
        ("nested.parquet", "out.csv", "HS209", "cannot hold the column 'many'"),
        ("broken.parquet", "out.csv", "HS209", "not a Parquet file"),
        ("in.parquet", "table.delta", "HS208", "'at' is missing"),
        ("in.parquet", "others/", "HS607", "holds 'mine.txt'"),
    ],
)
def test_what_cannot_be_done_is_told_before_anything_is_scored(
    tmp_path: Path, frame: pl.DataFrame, source: str, target: str, code: str, told: str
) -> None:
    frame.drop("town").write_parquet(tmp_path / "lacking.parquet")
    frame.with_columns(prediction=1).write_parquet(tmp_path / "taken.parquet")
    frame.with_columns(many=pl.concat_list("id")).write_parquet(tmp_path / "nested.parquet")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 and no more PAR1")
    Table(tmp_path / "table.delta").append(pl.DataFrame({"x": [1]}), {}, "one")
    (tmp_path / "others").mkdir()
    (tmp_path / "others" / "mine.txt").write_text("mine")
    with pytest.raises((DataError, ProjectError)) as refused:
        run_batch(batch(tmp_path, source, target), "now")
    assert refused.value.code == code
    assert told in refused.value.line()
    assert not list(tmp_path.glob("*.parts")), "nothing is left where nothing was done"


def test_the_output_lies_apart_from_the_input(tmp_path: Path) -> None:
    for source, target in (("in.csv", "in.csv"), (".", "out.csv"), ("data", "data/out.parquet")):
        with pytest.raises(ProjectError, match="HS607"):
            journey.require_apart(source, batch(tmp_path, "in.csv", target).output, tmp_path)
    journey.require_apart("data/in.csv", batch(tmp_path, "in.csv", "data/out.csv").output, tmp_path)


ON_RAY = """
import json, sys
from pathlib import Path
from homeostat.core.sections import Store
from homeostat.flow.score import run_batch
from tests.flow.batches import batch
print(json.dumps(run_batch(batch(Path(sys.argv[1]), "in.parquet", "ray.parquet", store=Store(engine="ray")), "now")))
"""


@pytest.mark.slow
def test_partitions_on_ray_give_the_same_bytes(tmp_path: Path, frame: pl.DataFrame, quick_ray: dict[str, str]) -> None:
    pytest.importorskip("ray")
    run_batch(batch(tmp_path, "in.parquet", "here.parquet"), "now")
    told = subprocess.run(
        [sys.executable, "-c", ON_RAY, str(tmp_path)], cwd=ROOT, env=os.environ | quick_ray, capture_output=True, check=False
    )
    assert told.returncode == 0, told.stderr.decode()
    assert json.loads(told.stdout)["rows"] == COUNT
    assert (tmp_path / "ray.parquet").read_bytes() == (tmp_path / "here.parquet").read_bytes()
