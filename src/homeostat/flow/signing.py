"""Signatures of what lets a model answer: versions when they are registered, and each move of a pointer; made and checked here.

A signature covers the fact's own body and the digests of the facts it rests on, so that none of them can be changed afterwards. It proves
that the holder of the project's private key made the fact. Who that is is claimed, not proved: the actor is the operating-system user and
the git identity, and the public key lies in the same ledger.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from homeostat.core.ids import canonical
from homeostat.errors import Refusal
from homeostat.infra.ledger_rows import fact_digest
from homeostat.infra.signing import ALGORITHM, VARIABLE, PublicKey, discard_pair, make_pair, private_path, sign

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from homeostat.core.facts import Fact, Pointer
    from homeostat.flow.project import Project
    from homeostat.flow.registry import Version
    from homeostat.serving.bundle import Bundle

VALID = timedelta(days=730)
SIGNED_KINDS = ("version", "staging", "promotion", "rollback", "traffic")
MOVERS: dict[str, tuple[str, ...]] = {"staging": ("staging",), "champion": ("promotion", "rollback"), "traffic": ("traffic",)}
"""The pointers that move only by what is signed, and the kinds of facts that may move each."""


@dataclass(frozen=True, slots=True)
class Key:
    """A public key of the project. It signs from ``valid_from`` to ``valid_until``, or until ``replaced``, the fact of the next key."""

    fact: Fact
    public: PublicKey
    valid_from: datetime
    valid_until: datetime
    replaced: Fact | None = None

    @property
    def private_path(self) -> Path:
        """Where the private half is looked for; it is called after the project's name of when it was made."""
        return private_path(str(self.fact.body["name"]), self.public.id)

    def covers(self, fact: Fact, at: datetime) -> bool:
        """Whether the key was valid when this fact was signed and recorded."""
        return self.valid_from <= at <= self.valid_until and (self.replaced is None or 0 < fact.seq < self.replaced.seq)


def keys(project: Project) -> tuple[Key, ...]:
    """The project's keys, oldest first; all but the last are replaced."""
    facts = list(reversed(project.ledger.find("signing_key")))
    return tuple(
        Key(
            fact,
            PublicKey(_bytes(fact.body["public"])),
            datetime.fromisoformat(str(fact.body["valid_from"])),
            datetime.fromisoformat(str(fact.body["valid_until"])),
            after,
        )
        for fact, after in zip_longest(facts, facts[1:])
    )


def _bytes(text: object) -> bytes:
    """Bytes written as hex; none where the text is no hex, which fits nothing."""
    try:
        return bytes.fromhex(str(text))
    except ValueError:
        return b""


def ensure_key(project: Project) -> Key:
    """The key the project signs with; the first one is made now, if there is none.

    Raises:
        Refusal: HS710, it cannot be made, would lie in the project, or is out of date.
    """
    known = keys(project)
    if not known:
        _make(project, None)
        known = keys(project)
    key = known[-1]
    if project.clock.now() > key.valid_until:
        until = f"{key.valid_until:%Y-%m-%d}"
        raise Refusal("HS710", f"the key {key.public.id} was valid until {until}", next_step="`homeostat keys rotate` makes a new one")
    return key


def rotate(project: Project) -> Key:
    """Make a new key and close the one before: what that signed stays valid, and it signs no more.

    Raises:
        Refusal: HS710, see ``ensure_key``, or the variable names the key that is to be replaced.
    """
    known = keys(project)
    _make(project, known[-1] if known else None)
    return keys(project)[-1]


def _make(project: Project, before: Key | None) -> None:
    name, now = project.charter.name, project.clock.now()
    if private_path(name, "").resolve().is_relative_to(project.root):
        step = f"set HOMEOSTAT_KEYS to a folder elsewhere, or {VARIABLE} to a file elsewhere"
        raise Refusal("HS710", "the private key would lie in the project", place=str(private_path(name, "").parent), next_step=step)
    made = make_pair(name)
    if before is not None and made.id == before.public.id:
        raise Refusal(
            "HS710", f"{VARIABLE} names the key {made.id}, which is to be replaced", next_step="let it name a new file, or unset it"
        )
    body = {
        "name": name,
        "key": made.id,
        "algorithm": ALGORITHM,
        "public": made.raw.hex(),
        "valid_from": now.isoformat(),
        "valid_until": (now + VALID).isoformat(),
        "replaces": before.public.id if before else "",
    }
    causes = (before.fact.id,) if before else ()
    stored = project.record("signing_key", f"after {before.public.id if before else 'nothing'}", body, subject=made.id, causes=causes)
    if stored.body["key"] != made.id:
        discard_pair(name, made)  # another process was first


def signed(project: Project, kind: str, key: str, body: Mapping[str, object], covers: Sequence[str]) -> dict[str, object]:
    """The body of a fact with a signature of it, of its kind and key, and of the facts it covers as they stand in the ledger.

    Raises:
        Refusal: HS710, the project's private key is not here or is out of date.
        ProjectError: HS605, a covered fact is not in the ledger.
    """
    with_key = ensure_key(project)
    at = max(project.clock.now(), with_key.valid_from).isoformat()
    signature: dict[str, object] = {"key": with_key.public.id, "at": at, "covers": list(dict.fromkeys(covers))}
    value = sign(str(with_key.fact.body["name"]), with_key.public.id, _statement(project, kind, key, body, signature))
    return {**body, "signature": {**signature, "value": value.hex()}}


def _statement(project: Project, kind: str, key: str, body: Mapping[str, Any], signature: Mapping[str, Any]) -> bytes:
    """What is signed: canonical JSON of the fact without its signature, with the digest of each covered fact."""
    covered = {one: fact_digest(project.require(one)) for one in signature["covers"]}
    own = {name: value for name, value in body.items() if name != "signature"}
    about = {"key": signature["key"], "at": signature["at"]}
    return canonical({"kind": kind, "key": key, "body": own, "covers": covered, "signed": about})


def check(project: Project, fact: Fact, known: Sequence[Key] | None = None) -> None:
    """Make sure that a fact of ``SIGNED_KINDS`` is as the holder of a valid key of the project signed it.

    Facts recorded before the project had a key need no signature. ``known`` are the project's keys, for those who ask of many facts.

    Raises:
        Refusal: HS711, the signature is missing or does not fit; HS712, its key is not known or was not valid.
    """
    known, signature = keys(project) if known is None else known, fact.body.get("signature")
    if signature is None:
        if known and known[0].fact.seq < fact.seq:
            raise _refused(fact, "HS711", "it has no signature, and the project had a key when it was recorded")
        return
    if not isinstance(signature, dict) or set(signature) != {"key", "at", "covers", "value"}:
        raise _refused(fact, "HS711", "what stands for its signature is none")
    with_key = next((key for key in known if key.public.id == signature["key"]), None)
    if with_key is None:
        raise _refused(fact, "HS712", f"it is signed with the key {str(signature['key'])[:16]}, which this project does not know")
    if not with_key.covers(fact, datetime.fromisoformat(str(signature["at"]))):
        raise _refused(fact, "HS712", f"the key {with_key.public.id} was not valid when this was signed")
    if not with_key.public.fits(_bytes(signature["value"]), _statement(project, fact.kind, fact.key, fact.body, signature)):
        raise _refused(fact, "HS711", "it, or a fact it rests on, is not what was signed: it was altered")


def _refused(fact: Fact, code: str, message: str) -> Refusal:
    return Refusal(code, message, place=fact.id, next_step="`homeostat verify` tells what was altered; restore the ledger from a copy")


def trusted_bundle(project: Project, version: Version) -> Bundle:
    """The bundle of a version whose signature holds: what is signed names the bundle by its content.

    Raises:
        Refusal: HS711 or HS712, see ``check``.
        BundleError: HS401, the bundle is missing or altered.
    """
    from homeostat.flow.registry import load_bundle

    check(project, version.fact)
    return load_bundle(project, version.bundle)


def check_pointer(project: Project, pointer: Pointer) -> None:
    """Make sure that what a pointer stands at is signed, and so is what moved it, which may move it and moved it there.

    Raises:
        Refusal: HS711 or HS712.
    """
    because = project.require(pointer.moved_by)
    check(project, project.require(pointer.fact))
    check(project, because)
    _check_move(because, pointer)


def _check_move(because: Fact, pointer: Pointer) -> None:
    """A traffic is what its pointer stands at; any other move names the version it moves to."""
    if because.kind not in MOVERS[pointer.name]:
        raise _refused(because, "HS711", f"it is no fact that moves the pointer {pointer.name!r}")
    moved_to = because.id if because.kind == "traffic" else because.body.get("version", "nothing")
    if moved_to != pointer.fact:
        raise _refused(because, "HS711", f"the pointer {pointer.name!r} stands at {pointer.fact}, and this moved it to {moved_to}")


def check_signatures(project: Project) -> Iterator[Refusal]:
    """Every signature of the project that does not hold, and every pointer that stands where no signed move put it; none is good.

    A bundle is covered by its version, which names it by its content.
    """
    known = keys(project)
    for kind in SIGNED_KINDS:
        for fact in project.ledger.find(kind):
            try:
                check(project, fact, known)
            except Refusal as error:
                yield error
    for name in MOVERS:
        pointer = project.ledger.pointer(name)
        try:
            if pointer is not None:
                _check_move(project.require(pointer.moved_by), pointer)
        except Refusal as error:
            yield error
