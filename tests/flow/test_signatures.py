"""Versions and moves are signed; whatever was altered afterwards, or signed by a key that may not, is refused with its name."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from homeostat.app.rest.project import wanted_of
from homeostat.errors import BundleError, HomeostatError, Refusal
from homeostat.flow.project import Project, open_project
from homeostat.flow.promotion import promote, rollback
from homeostat.flow.registry import champion, versions
from homeostat.flow.serving import serving
from homeostat.flow.signing import check, check_signatures, ensure_key, keys, rotate, signed
from homeostat.flow.verify import verify
from homeostat.infra.clock import FixedClock
from homeostat.infra.signing import private_path

if TYPE_CHECKING:
    from homeostat.core.facts import Fact


def code_of(do: Callable[[], object]) -> tuple[str, str]:
    with pytest.raises(HomeostatError) as error:
        do()
    return error.value.code, error.value.place


def alter(folder: Path, fact: str, change: Callable[[dict[str, Any]], None]) -> None:
    """Change a fact's body behind the ledger's back, as one who owns the database can."""
    with closing(sqlite3.connect(folder / ".homeostat" / "ledger.sqlite")) as connection, connection:
        connection.execute("DROP TRIGGER IF EXISTS facts_refuse_update")
        body = json.loads(connection.execute("SELECT body FROM facts WHERE id = ?", (fact,)).fetchone()[0])
        change(body)
        text = json.dumps(body, sort_keys=True, separators=(",", ":"))
        connection.execute("UPDATE facts SET body = ? WHERE id = ?", (text, fact))


def another(project: Project, name: str, **changes: object) -> Fact:
    """A version like the first one, signed now."""
    first = project.ledger.find("version")[-1]
    body = {each: value for each, value in first.body.items() if each != "signature"} | changes
    return project.record("version", name, signed(project, "version", name, body, first.causes), causes=first.causes)


def test_a_run_leaves_a_signed_version_and_a_signed_promotion(project: Project) -> None:
    (key,) = keys(project)
    version, promotion = project.ledger.find("version")[0], project.ledger.find("promotion")[0]
    for fact in (version, promotion):
        assert fact.body["signature"]["key"] == key.public.id
        check(project, fact)
    covered = {one.partition("-")[0] for one in version.body["signature"]["covers"]}
    assert covered == {"dataset", "charter", "candidate", "evaluation", "verdict"}
    assert list(check_signatures(project)) == []
    private = private_path(project.charter.name, key.public.id)
    secret = private.read_text().splitlines()[1]
    for path in project.root.rglob("*"):
        assert path.is_dir() or secret.encode() not in path.read_bytes(), path


def test_a_machine_without_the_private_key_verifies_and_signs_nothing(
    project: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOMEOSTAT_KEYS", str(tmp_path / "none"))
    assert serving(project).version.number == 1
    assert list(check_signatures(project)) == []
    with pytest.raises(Refusal, match=r"signing key cannot be read.*homeostat keys rotate") as error:
        another(project, "unsigned")
    assert error.value.code == "HS710"


def seen_first(version: str) -> tuple[tuple[str, str], ...]:
    """What is told of a version that rests on something altered: its signature, or before that the row itself."""
    return ("HS711", version), ("HS620", f"fact {version}")


@pytest.mark.parametrize(
    "kind",
    ["version", "evaluation", "candidate", "verdict", "dataset", "charter"],
)
def test_whatever_a_version_rests_on_cannot_be_changed(trained: Path, kind: str) -> None:
    with open_project(trained) as project:
        version = project.ledger.find("version")[0]
        target = version.id if kind == "version" else str(version.body[kind])
    alter(trained, target, lambda body: body.update(added="a word"))
    with open_project(trained) as project:
        assert code_of(lambda: serving(project)) in seen_first(version.id)
        assert code_of(wanted_of(project)) in seen_first(version.id)  # what the server asks
        assert (version.id, "HS711") in [(one.place, one.code) for one in check_signatures(project)]


def test_a_bundle_swapped_for_another_is_refused_by_name(trained: Path) -> None:
    from homeostat.serving.bundle import pack, unpack

    with open_project(trained) as project:
        version = project.ledger.find("version")[0]
        content = project.blobs.get(str(version.body["bundle"]))
        bundle = unpack(content)
        import msgspec

        other = replace(bundle, manifest=msgspec.structs.replace(bundle.manifest, name="other"))
        swapped = project.blobs.put(pack(other))
    alter(trained, version.id, lambda body: body.update(bundle=swapped))
    with open_project(trained) as project:
        assert code_of(lambda: serving(project)) in seen_first(version.id)


def test_a_damaged_bundle_is_refused(project: Project) -> None:
    digest = str(project.ledger.find("version")[0].body["bundle"])
    path = project.state / "blobs" / digest[:2] / digest[2:4] / digest
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(BundleError):
        serving(project)
    assert {(one.kind, one.id) for one in verify(project).problems} == {("blob", digest)}


def test_a_signature_taken_off_or_broken_is_missed(trained: Path) -> None:
    with open_project(trained) as project:
        version = project.ledger.find("version")[0]
    for change in (
        lambda body: body.pop("signature"),
        lambda body: body.update(signature="none"),
        lambda body: body.update(signature={"key": 1}),
    ):
        alter(trained, version.id, change)
        with open_project(trained) as project:
            assert code_of(lambda: serving(project)) in seen_first(version.id)


def test_a_pointer_that_was_set_by_hand_is_refused(trained: Path) -> None:
    with open_project(trained) as project:
        promotion = project.ledger.find("promotion")[0]
        other = another(project, "other")
    with closing(sqlite3.connect(trained / ".homeostat" / "ledger.sqlite")) as connection, connection:
        connection.execute("DROP TRIGGER moves_refuse_update")
        connection.execute("UPDATE moves SET fact = ?", (other.id,))
    with open_project(trained) as project:
        assert code_of(lambda: serving(project)) in (("HS711", promotion.id), ("HS620", "move champion 1"))
        assert [one.place for one in check_signatures(project)] == [promotion.id]


def test_a_key_the_project_does_not_know_is_refused(project: Project) -> None:
    version = another(project, "foreign")
    body = {**version.body, "signature": {**version.body["signature"], "key": "0123456789abcdef"}}
    foreign = project.record("version", "foreign 2", body, causes=version.causes)
    with pytest.raises(Refusal, match="signed with the key 0123456789abcdef, which this project does not know") as error:
        promote(project, foreign)
    assert (error.value.code, error.value.place) == ("HS712", foreign.id)


def test_a_rotated_key_signs_no_more_and_what_it_signed_stays_valid(project: Project) -> None:
    old = ensure_key(project)
    before = another(project, "before")
    forged = project.fact("version", "forged", before.body)
    new = rotate(project)
    assert new.public.id != old.public.id
    assert ensure_key(project).public.id == new.public.id
    assert [key.replaced is None for key in keys(project)] == [False, True]
    check(project, before)
    promote(project, another(project, "after"))
    assert champion(project).number == 3  # type: ignore[union-attr]
    rollback(project)
    assert list(check_signatures(project)) == []
    late = project.ledger.record(forged)  # the old key's signature on something recorded after it was closed
    with pytest.raises(Refusal, match=f"the key {old.public.id} was not valid when this was signed") as error:
        check(project, late)
    assert error.value.code == "HS712"


def test_a_key_out_of_date_signs_nothing_until_it_is_rotated(project: Project) -> None:
    key = ensure_key(project)
    later = replace(project, clock=FixedClock(key.valid_until + timedelta(days=1)))
    with later:
        with pytest.raises(Refusal, match=r"was valid until 20\d\d-\d\d-\d\d; `homeostat keys rotate`") as error:
            another(later, "late")
        assert error.value.code == "HS710"
        assert serving(later).version.number == 1  # it was signed in time
        rotate(later)
        check(later, another(later, "late"))


def test_what_was_registered_before_the_project_had_a_key_needs_none(founded: Path) -> None:
    with open_project(founded) as project:
        old = project.record("version", "old", {"passed": True})
        check(project, old)
        ensure_key(project)
        check(project, old)
        new = project.record("version", "new", {"passed": True})
        assert code_of(lambda: check(project, new)) == ("HS711", new.id)


def test_a_key_in_the_project_is_refused(founded: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOMEOSTAT_KEYS", str(founded / "keys"))
    with open_project(founded) as project:
        with pytest.raises(Refusal, match="the private key would lie in the project") as error:
            ensure_key(project)
        assert error.value.code == "HS710"
        assert project.ledger.find("signing_key") == []


def test_a_key_that_was_brought_along_is_used_and_not_replaced_by_itself(
    founded: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "own.pem"
    monkeypatch.setenv("HOMEOSTAT_SIGNING_KEY", str(path))
    with open_project(founded) as project:
        made = ensure_key(project)
        assert path.stat().st_mode & 0o777 == 0o600
        with pytest.raises(Refusal, match=f"names the key {made.public.id}, which is to be replaced"):
            rotate(project)
        monkeypatch.setenv("HOMEOSTAT_SIGNING_KEY", str(tmp_path / "next.pem"))
        assert rotate(project).public.id != made.public.id


def test_of_two_processes_that_make_the_first_key_one_wins(founded: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from homeostat.flow import signing

    monkeypatch.setenv("HOMEOSTAT_KEYS", str(tmp_path / "keys"))
    with open_project(founded) as one, open_project(founded) as other:
        known = keys(one)
        assert known == ()
        ensure_key(other)
        signing._make(one, None)  # it had looked before the other one made its key
        assert len(keys(one)) == 1
        assert len(list((tmp_path / "keys").iterdir())) == 1


def test_a_renamed_project_goes_on_with_its_key(project: Project) -> None:
    renamed = replace(project, charter=project.charter.model_copy(update={"name": "other"}))
    with renamed:
        check(renamed, another(renamed, "renamed"))
        rotate(renamed)
        assert [key.private_path.name.partition("-")[0] for key in keys(renamed)] == ["bike", "other"]


def test_versions_are_numbered_as_registered(project: Project) -> None:
    another(project, "two")
    assert [each.number for each in versions(project)] == [1, 2]
