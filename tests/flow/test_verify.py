"""What `verify` finds on a real project: nothing while nothing was altered, and each thing that was, by name."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from homeostat.app.cli.main import main
from homeostat.app.rest.project import wanted_of
from homeostat.core.facts import Fact, Problem
from homeostat.errors import BundleError, ProjectError, Refusal
from homeostat.flow import verify as verifying
from homeostat.flow.project import Project, open_project
from homeostat.flow.promotion import promote, rollback
from homeostat.flow.registry import champion, load_bundle, version_of
from homeostat.flow.serving import serving
from homeostat.flow.signing import signed
from homeostat.flow.verify import BLOBS, verify
from homeostat.infra.ledger import open_ledger

if TYPE_CHECKING:
    from collections.abc import Callable


def edit(project: Project, statement: str, *given: str) -> None:
    """Change the ledger as somebody who owns the file would."""
    with closing(sqlite3.connect(project.state / "ledger.sqlite")) as database:
        for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            database.execute(f"DROP TRIGGER {name}")
        assert database.execute(statement, given).rowcount > 0
        database.commit()


def named(found: tuple[Problem, ...]) -> set[tuple[str, str]]:
    return {(problem.kind, problem.id) for problem in found}


def blob_path(project: Project, name: str) -> Path:
    return project.state / "blobs" / name[:2] / name[2:4] / name


def newest(project: Project, kind: str) -> Fact:
    return project.ledger.find(kind, limit=1)[0]


def test_an_untouched_project_is_sound_and_every_blob_was_looked_at(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    get = type(project.blobs).get
    monkeypatch.setattr(type(project.blobs), "get", lambda self, name: (read.append(name), get(self, name))[1])
    found = verify(project, deep=True)
    assert found.problems == ()
    stored = {path.name for path in (project.state / "blobs").rglob("*") if path.is_file()}
    assert set(read) == stored  # a fact that names a blob is known to `BLOBS`
    assert len(read) == len(stored)  # each was read once
    with closing(sqlite3.connect(project.state / "ledger.sqlite")) as database:
        rows = sum(database.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in ("facts", "moves"))  # noqa: S608
    assert found.number == rows
    assert verify(project, head=(found.number, found.chain)).problems == ()


def test_altered_rows_of_a_real_ledger_are_named(project: Project) -> None:
    version, trial = newest(project, "version"), newest(project, "trial")
    edit(project, "UPDATE facts SET body = replace(body, '\"passed\":true', '\"passed\":false') WHERE id = ?", version.id)
    edit(project, "UPDATE facts SET body = '{}' WHERE id = ?", trial.id)
    edit(project, "UPDATE moves SET because = ? WHERE name = 'champion'", version.id)
    edit(project, "UPDATE measures SET value = 0 WHERE name = 'mae'")
    rows = {("fact", version.id), ("fact", trial.id), ("move", "champion 1"), ("index", version.id)}
    assert {each for each in named(verify(project).problems) if each[0] != "signature"} == rows
    assert ("signature", version.id) in named(verify(project).problems)


@pytest.mark.parametrize(
    ("kind", "entry"), [("trial", "scores"), ("candidate", "bundle"), ("candidate", "profile"), ("evaluation", "arrays")]
)
@pytest.mark.parametrize("how", ["altered", "missing"])
def test_a_blob_that_is_altered_or_missing_is_named(project: Project, kind: str, entry: str, how: str) -> None:
    name = str(newest(project, kind).body[entry])
    path = blob_path(project, name)
    if how == "missing":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-1] + b"?")
    found = verify(project).problems
    assert named(found) == {("blob", name)}
    assert newest(project, kind).id in " ".join(problem.what for problem in found)


def test_files_of_dataset_versions_and_raw_files_are_looked_for(project: Project) -> None:
    import polars as pl

    dataset, delivery = newest(project, "dataset"), newest(project, "delivery")
    raw = project.raw.get(str(delivery.body["sha256"])).path
    raw.chmod(0o644)
    raw.write_bytes(raw.read_bytes().replace(b"1", b"2"))
    table = project.state / "tables" / str(dataset.body["table"])
    first, second, *_ = sorted(table.rglob("*.parquet"))
    rows, size = pl.read_parquet(first), first.stat().st_size
    assert verify(project).problems == ()  # as large as before: only their content says it
    # The same table with one cell changed, as large as it was: the size is no proof.
    rows.with_columns(pl.col("hr") + (pl.int_range(pl.len()) == 0).cast(pl.Int64)).write_parquet(first, compression="zstd")
    if first.stat().st_size != size:
        assert named(verify(project).problems) == {("dataset", dataset.id)}
        _commit_size(table, size, first.stat().st_size)
    found = verify(project, deep=True).problems
    assert named(found) == {("raw file", str(delivery.body["sha256"])), ("dataset", dataset.id)}
    second.unlink()
    assert any(str(second.name) in problem.what for problem in verify(project).problems)


def _commit_size(table: Path, old: int, new: int) -> None:
    """Have the table's log say another size, as a careful forger would."""
    for path in sorted((table / "_delta_log").glob("*.json")):
        path.write_text(path.read_text().replace(f'"size":{old}', f'"size":{new}'))


def forged(project: Project, path: Path) -> None:
    """The whole ledger written anew, with one body changed."""
    with closing(sqlite3.connect(project.state / "ledger.sqlite")) as database:
        ids = [name for (name,) in database.execute("SELECT id FROM facts ORDER BY seq")]
    with open_ledger(f"sqlite:///{path}") as ledger:
        for name in ids:
            fact = project.require(name)
            body = {**fact.body, "actor": "another"} if fact.kind == "run" else fact.body
            ledger.record(Fact(fact.kind, fact.key, fact.at, body, fact.subject, fact.actor, fact.causes))
        ledger.move("champion", to=newest(project, "version").id, expected=None, because=newest(project, "promotion"))


def test_only_a_head_kept_elsewhere_tells_a_cut_tail_or_a_ledger_written_anew(project: Project, trained: Path, tmp_path: Path) -> None:
    kept = verify(project)
    last = newest(project, "promotion").id
    edit(project, "DELETE FROM moves")
    edit(project, "DELETE FROM facts WHERE id = ?", last)
    edit(project, "DELETE FROM causes WHERE effect = ?", last)
    edit(project, "DELETE FROM links WHERE number > ?", str(kept.number - 2))
    assert verify(project).problems == ()  # nothing in the file tells it
    (told,) = verify(project, head=(kept.number, kept.chain)).problems
    assert (told.kind, told.id) == ("head", f"{kept.number}:{kept.chain}")
    assert f"ends at link {kept.number - 2}" in told.what


def test_a_ledger_written_anew_has_another_head(project: Project, tmp_path: Path) -> None:
    kept = verify(project)
    forged(project, tmp_path / "forged.sqlite")
    for name in ("ledger.sqlite-wal", "ledger.sqlite-shm"):
        (project.state / name).unlink(missing_ok=True)
    (tmp_path / "forged.sqlite").replace(project.state / "ledger.sqlite")
    with open_project(project.root) as opened:
        assert verify(opened).problems == ()
        (told,) = verify(opened, head=(kept.number, kept.chain)).problems
        assert "written anew" in told.what


def test_a_check_is_a_function_in_a_list(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = Problem("mine", "1", "is wrong")
    monkeypatch.setattr(verifying, "CHECKS", (*verifying.CHECKS, lambda _project, deep: iter([mine] if deep else [])))
    assert verify(project).problems == ()
    assert verify(project, deep=True).problems == (mine,)
    monkeypatch.setattr(verifying, "MOST", 3)
    monkeypatch.setattr(verifying, "CHECKS", (lambda _project, _deep: (Problem("mine", str(n), "") for n in range(9)),))
    assert len(verify(project).problems) == 3


def test_every_kind_that_names_a_blob_is_known_by_its_entry(project: Project) -> None:
    for kind, entries in BLOBS.items():
        for fact in project.ledger.find(kind, limit=1):
            for entry in set(entries) & set(fact.body):
                assert len(str(fact.body[entry])) == 64


def test_the_command_prints_a_head_and_leaves_with_3_when_something_was_altered(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def told(*words: str) -> tuple[int, Any]:
        code = main(["verify", "--json", "--project", str(trained), *words])
        return code, json.loads(capsys.readouterr().out)

    code, answer = told()
    assert (code, answer["ok"], answer["problems"]) == (0, True, [])
    assert answer["head"].startswith(f"{answer['entries']}:")
    assert told("--head", answer["head"], "--deep")[0] == 0
    wrong = answer["head"][:-4] + "0000"
    code, refused = told("--head", wrong)
    assert (code, [problem["kind"] for problem in refused["problems"]]) == (3, ["head"])
    code, refused = told("--head", "12:abc")
    assert (code, refused["error"]["code"]) == (2, "HS609")
    with open_project(trained) as project:
        bundle = str(newest(project, "version").body["bundle"])
        blob_path(project, bundle).unlink()
        edit(project, "DELETE FROM measures")
    assert main(["verify", "--project", str(trained), "--reindex"]) == 3
    out = capsys.readouterr().out
    assert bundle in out
    assert "index" not in out
    blob_path(project, bundle).write_bytes(b"another")
    assert main(["verify", "--project", str(trained)]) == 3
    assert "altered or damaged" in capsys.readouterr().out


def test_a_tampered_bundle_is_refused_with_its_name_wherever_it_is_loaded(project: Project) -> None:
    version = champion(project)
    assert version is not None
    path = blob_path(project, version.bundle)
    resolve = wanted_of(project)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))
    now = resolve()
    assert now is not None
    loads: list[Callable[[], object]] = [lambda: load_bundle(project, version.bundle), lambda: serving(project), now.versions[0].load]
    for load in loads:
        with pytest.raises(BundleError, match=rf"HS401.*{version.bundle}.*altered or damaged"):
            load()


def second_version(project: Project) -> Fact:
    """Another version that passed, with an approval."""
    one = newest(project, "version")
    body = {name: value for name, value in one.body.items() if name != "signature"}
    two = project.record("version", "another", signed(project, "version", "another", body, one.causes), causes=one.causes)
    project.record("approval", f"{two.id}:x", {"version": two.id, "approver": "x"}, subject=two.id, causes=(two.id,))
    return two


@pytest.mark.parametrize("kind", ["version", "verdict", "evaluation", "candidate", "approval"])
def test_a_promotion_that_rests_on_a_tampered_row_is_refused_by_name(project: Project, kind: str) -> None:
    two = second_version(project)
    relied = two.id if kind == "version" else newest(project, kind).id
    edit(project, "UPDATE facts SET actor = 'Somebody else' WHERE id = ?", relied)
    with pytest.raises(ProjectError, match=rf"HS620\] fact {relied}: its row or its causes are not those that were recorded"):
        promote(project, version_of(project, two.id).fact)
    assert champion(project) != version_of(project, two.id)


def test_a_rollback_and_the_server_refuse_what_was_tampered_with(project: Project) -> None:
    one, two = newest(project, "version"), second_version(project)
    assert promote(project, two).body["rollback_to"] == one.id
    edit(project, "UPDATE facts SET body = replace(body, '\"learner\":', '\"teacher\":') WHERE id = ?", one.id)
    with pytest.raises(ProjectError, match=f"HS620.*{one.id}"):
        rollback(project)
    with pytest.raises(Refusal, match=f"HS711.*{newest(project, 'promotion').id}"):  # it was signed together with what it replaced
        serving(project)
    edit(project, "UPDATE moves SET fact = ? WHERE number = 2", one.id)
    for ask in (lambda: serving(project), wanted_of(project)):
        with pytest.raises((ProjectError, Refusal), match=f"HS620.*{one.id}|HS620.*champion 2|HS711"):
            ask()
