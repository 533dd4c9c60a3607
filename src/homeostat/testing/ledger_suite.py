"""What any ``core.facts.Ledger`` must do. Subclass ``LedgerSuite`` in a test file and give it a ``ledger`` fixture.

Example::

    class TestMyLedger(LedgerSuite):
        @pytest.fixture
        def ledger(self, tmp_path):
            with open_my_ledger(tmp_path) as opened:
                yield opened
"""
# ruff: noqa: S101 - a test suite asserts

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from homeostat.core.facts import Fact, Ledger
from homeostat.core.ids import fact_id
from homeostat.errors import HomeostatError

MOMENT = datetime(2024, 2, 29, 23, 59, 59, 123456, tzinfo=UTC)
UNKNOWN = fact_id("never", "recorded")


def fact(kind: str, key: str, body: dict[str, Any] | None = None, *, subject: str = "", causes: tuple[str, ...] = ()) -> Fact:
    """A fact of a fixed moment by a fixed actor."""
    return Fact(kind=kind, key=key, at=MOMENT, body=body or {}, subject=subject, actor="A Tester", causes=causes)


def code_of(call: Callable[[], object]) -> str:
    """The code of the error a call raises; empty when it raises none of ours."""
    try:
        call()
    except HomeostatError as error:
        return error.code
    return ""


class LedgerSuite:
    """The laws of a ledger. Each test gets an empty one as ``ledger``, closed by whoever made it."""

    def test_a_fact_comes_back_as_it_was_written(self, ledger: Ledger) -> None:
        """Every field survives; times keep their instant, causes their order."""
        first, second = ledger.record(fact("dataset", "1")), ledger.record(fact("dataset", "2"))
        body = {"text": "Grüße, 世界\n", "number": 0.1 + 0.2, "whole": 2**53, "none": None, "deep": {"list": [1, [True]]}}
        written = fact("run", "three", body, subject="bike", causes=(second.id, first.id))
        stored = ledger.record(written)
        assert stored == written
        assert stored.seq > second.seq > first.seq > 0
        assert ledger.get(written.id) == written

    def test_times_keep_their_instant(self, ledger: Ledger) -> None:
        """A fact told in another zone is the same instant, to the microsecond."""
        there = MOMENT.astimezone(timezone(timedelta(hours=5, minutes=30)))
        stored = ledger.record(Fact(kind="window", key="1", at=there, body={}))
        assert stored.at == MOMENT
        assert stored.at.utcoffset() == timedelta(0)

    def test_recording_again_changes_nothing(self, ledger: Ledger) -> None:
        """The first fact of a (kind, key) stays, whatever the second one says."""
        first = ledger.record(fact("trial", "7", {"score": 1}))
        again = ledger.record(fact("trial", "7", {"score": 2}, subject="other"))
        assert again == first
        assert again.seq == first.seq
        assert ledger.find("trial") == [first]

    def test_the_same_key_in_another_kind_is_another_fact(self, ledger: Ledger) -> None:
        """A kind and a key together make the name."""
        pair = [ledger.record(fact("run", "1")), ledger.record(fact("trial", "1"))]
        assert pair[0].id != pair[1].id
        assert ledger.find("run") == pair[:1]

    def test_what_was_never_recorded_is_absent(self, ledger: Ledger) -> None:
        """An empty ledger answers with nothing, not with errors."""
        assert ledger.get(UNKNOWN) is None
        assert ledger.find("never") == []
        assert ledger.effects(UNKNOWN) == []
        assert ledger.pointer("champion") is None

    def test_an_unknown_cause_is_refused(self, ledger: Ledger) -> None:
        """Evidence never hangs in the air; the refused fact is not written."""
        orphan = fact("run", "1", causes=(UNKNOWN,))
        assert code_of(lambda: ledger.record(orphan)) == "HS605"
        assert ledger.get(orphan.id) is None

    def test_find_gives_the_newest_first(self, ledger: Ledger) -> None:
        """Order of recording, by kind, by subject, up to a limit."""
        stored = [ledger.record(fact("finding", str(i), subject=f"s{i % 2}")) for i in range(6)]
        ledger.record(fact("other", "0", subject="s0"))
        assert ledger.find("finding") == stored[::-1]
        assert ledger.find("finding", limit=2) == [stored[5], stored[4]]
        assert ledger.find("finding", subject="s1") == [stored[5], stored[3], stored[1]]
        assert ledger.find("finding", subject="s0", limit=1) == [stored[4]]
        assert ledger.find("finding", subject="") == []
        assert ledger.find("finding", limit=0) == []

    def test_effects_are_told_oldest_first(self, ledger: Ledger) -> None:
        """Every fact that names the cause, of any kind; naming it twice counts once."""
        cause = ledger.record(fact("dataset", "1"))
        run = ledger.record(fact("run", "1", causes=(cause.id, cause.id)))
        trial = ledger.record(fact("trial", "1", causes=(run.id, cause.id)))
        assert run.causes == (cause.id,)
        assert ledger.effects(cause.id) == [run, trial]
        assert ledger.effects(run.id) == [trial]
        assert ledger.effects(trial.id) == []

    def test_a_pointer_moves_with_its_fact(self, ledger: Ledger) -> None:
        """First from nothing, then from where it stands; the facts beside it are stored too."""
        one, two = ledger.record(fact("version", "1")), ledger.record(fact("version", "2"))
        beside = fact("incident", "1")
        first = ledger.move("champion", to=one.id, expected=None, because=fact("promotion", "1", causes=(beside.id,)), also=[beside])
        _stands(ledger, one.id, moves=1, moved_by=first.id)
        assert ledger.get(beside.id) == beside
        assert ledger.effects(beside.id) == [first]
        second = ledger.move("champion", to=two.id, expected=one.id, because=fact("promotion", "2"))
        _stands(ledger, two.id, moves=2, moved_by=second.id)
        back = ledger.move("champion", to=one.id, expected=two.id, because=fact("rollback", "1"))
        _stands(ledger, one.id, moves=3, moved_by=back.id)
        assert ledger.pointer("challenger") is None

    def test_moving_again_for_the_same_reason_changes_nothing(self, ledger: Ledger) -> None:
        """Also when the pointer has moved on since: a repeated step must not undo later ones."""
        one, two = ledger.record(fact("version", "1")), ledger.record(fact("version", "2"))
        because = fact("promotion", "1", {"reason": "better"})
        first = ledger.move("champion", to=one.id, expected=None, because=because)
        assert ledger.move("champion", to=one.id, expected=None, because=because) == first
        second = ledger.move("champion", to=two.id, expected=one.id, because=fact("promotion", "2"))
        assert ledger.move("champion", to=one.id, expected=None, because=because) == first
        _stands(ledger, two.id, moves=2, moved_by=second.id)

    def test_a_reason_recorded_before_may_still_move(self, ledger: Ledger) -> None:
        """Being in the ledger is not having moved the pointer."""
        one = ledger.record(fact("version", "1"))
        because = ledger.record(fact("promotion", "1"))
        assert ledger.move("champion", to=one.id, expected=None, because=because) == because
        _stands(ledger, one.id, moves=1, moved_by=because.id)

    def test_a_refused_move_writes_nothing(self, ledger: Ledger) -> None:
        """A wrong expectation, an unknown target, an unknown cause: neither pointer nor facts change."""
        one, two = ledger.record(fact("version", "1")), ledger.record(fact("version", "2"))
        standing = ledger.move("champion", to=one.id, expected=None, because=fact("promotion", "1"))
        because, beside = fact("promotion", "2"), fact("incident", "2")
        hanging = fact("promotion", "3", causes=(UNKNOWN,))
        attempts: list[tuple[str, Callable[[], object]]] = [
            ("HS705", lambda: ledger.move("champion", to=two.id, expected=None, because=because, also=[beside])),
            ("HS705", lambda: ledger.move("champion", to=two.id, expected=two.id, because=because, also=[beside])),
            ("HS705", lambda: ledger.move("challenger", to=two.id, expected=one.id, because=because, also=[beside])),
            ("HS605", lambda: ledger.move("champion", to=UNKNOWN, expected=one.id, because=because, also=[beside])),
            ("HS605", lambda: ledger.move("champion", to=two.id, expected=one.id, because=hanging, also=[beside])),
        ]
        assert [code_of(call) for _, call in attempts] == [code for code, _ in attempts]
        assert [ledger.get(refused.id) for refused in (because, beside, hanging)] == [None, None, None]
        _stands(ledger, one.id, moves=1, moved_by=standing.id)
        assert ledger.pointer("challenger") is None

    def test_racing_writers_store_each_fact_once(self, ledger: Ledger) -> None:
        """Eight threads write overlapping facts; each gets the stored one."""

        def write(start: int) -> Sequence[Fact]:
            return [ledger.record(fact("trial", str(i % 20), {"by": start})) for i in range(start, start + 20)]

        with ThreadPoolExecutor(8) as pool:
            told = [one for batch in pool.map(write, range(0, 40, 5)) for one in batch]
        kept = {one.key: one for one in ledger.find("trial")}
        assert sorted(kept, key=int) == [str(i) for i in range(20)]
        assert all(one == kept[one.key] for one in told)

    def test_one_of_racing_movers_wins(self, ledger: Ledger) -> None:
        """Whoever expects the same place: one moves, the others are refused and leave no fact."""
        versions = [ledger.record(fact("version", str(i))) for i in range(6)]

        def try_to_move(i: int) -> str:
            return code_of(lambda: ledger.move("champion", to=versions[i].id, expected=None, because=fact("promotion", str(i))))

        with ThreadPoolExecutor(6) as pool:
            told = list(pool.map(try_to_move, range(6)))
        assert sorted(told) == [""] + ["HS705"] * 5
        winner = told.index("")
        assert ledger.find("promotion") == [fact("promotion", str(winner))]
        _stands(ledger, versions[winner].id, moves=1, moved_by=fact_id("promotion", str(winner)))


def _stands(ledger: Ledger, at: str, *, moves: int, moved_by: str) -> None:
    pointer = ledger.pointer("champion")
    assert pointer is not None
    assert (pointer.name, pointer.fact, pointer.moves, pointer.moved_by) == ("champion", at, moves, moved_by)
