"""Traffic: which versions answer which share of the requests, which segments go elsewhere, and which versions only listen."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from homeostat.core.ids import digest

CHAMPION, CANARY, SHADOW = "champion", "canary", "shadow"
TEST_ARMS = "abcdefgh"
"""Names of the arms of an A/B test, in order; a draw has a word of its own for each, so there are no more."""

DEFAULT_BUDGET, DEFAULT_QUEUE = 0.5, 1_000


@dataclass(frozen=True, slots=True)
class Arm:
    """Requests that one version answers: ``share`` (0 to 1) of those that no segment takes; 0: only those of segments."""

    name: str
    version: int
    share: float


@dataclass(frozen=True, slots=True)
class Segment:
    """Rows whose ``column`` has this value, by the text that stands for it (``core.targets.text_of``), go to the arm of this name."""

    column: str
    value: str
    arm: str


@dataclass(frozen=True, slots=True)
class Shadow:
    """A version that sees all requests and whose answers are logged and never given.

    ``budget`` is how much computing it may take for each second the answers themselves take (0.5: half a second); time in which no
    request waits is free. At most ``queue`` rows wait for it; what comes beyond either is left out, and counted.
    """

    version: int
    budget: float = DEFAULT_BUDGET
    queue: int = DEFAULT_QUEUE


@dataclass(frozen=True, slots=True)
class Traffic:
    """All that is routed beside one champion. The shares of the arms sum to 1.

    ``beside`` is the id of the move that made the champion what it is: another move ends the traffic. ``sticky`` are columns whose
    values together decide the arm; none, or one of them null or missing in a row: each request is drawn by itself. Of ``segments``
    the first that fits decides. ``salt`` makes draws of one experiment independent of those of another.

    Raises:
        ValueError: shares that do not sum to 1, a name twice, or a segment of no arm.
    """

    arms: tuple[Arm, ...]
    beside: str = ""
    sticky: tuple[str, ...] = ()
    segments: tuple[Segment, ...] = ()
    shadows: tuple[Shadow, ...] = ()
    salt: str = ""

    def __post_init__(self) -> None:
        names = [arm.name for arm in self.arms]
        shares = [arm.share for arm in self.arms]
        if len(set(names)) < len(names) or SHADOW in names:
            raise ValueError(f"got the arms {', '.join(names)}; each name is there once, and none is {SHADOW!r}")
        if not all(0 <= share <= 1 for share in shares) or not math.isclose(math.fsum(shares), 1.0, abs_tol=1e-9):
            raise ValueError(f"got the shares {', '.join(map(percent, shares))}; they must add up to 100%")
        if sum(share > 0 for share in shares) > len(TEST_ARMS):
            raise ValueError(f"got {len(names)} arms; at most {len(TEST_ARMS)} can have a share")
        lost = [segment.arm for segment in self.segments if segment.arm not in names]
        if lost:
            raise ValueError(f"got a segment for the arm {lost[0]!r}; there are {', '.join(names)}")

    @property
    def plain(self) -> bool:
        """Whether one version answers everything and none listens."""
        return not self.shadows and len({arm.version for arm in self.arms}) == 1

    @property
    def answering(self) -> tuple[int, ...]:
        """The versions whose answers are given, each once."""
        return tuple(dict.fromkeys(arm.version for arm in self.arms))

    @property
    def versions(self) -> tuple[int, ...]:
        """All versions that see requests, each once."""
        return tuple(dict.fromkeys((*self.answering, *(shadow.version for shadow in self.shadows))))

    def body(self) -> dict[str, Any]:
        """The traffic as plain values, for a fact's body."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Asked:
    """A traffic as a person asks for it: versions with shares, ``(column, value, version)`` of segments, versions in shadow.

    ``canary`` and ``test`` (the arms of an A/B test) exclude each other; with neither the champion keeps all that no segment takes.
    """

    canary: tuple[int, float] | None = None
    test: tuple[tuple[int, float], ...] = ()
    segments: tuple[tuple[str, str, int], ...] = ()
    shadows: tuple[int, ...] = ()
    budget: float = DEFAULT_BUDGET
    queue: int = DEFAULT_QUEUE


def champion_alone(version: int, beside: str) -> Traffic:
    """The traffic when nothing is routed."""
    return Traffic((Arm(CHAMPION, version, 1.0),), beside)


def arrange(asked: Asked, champion: int, beside: str, sticky: tuple[str, ...] = ()) -> Traffic:
    """The traffic a person asks for. Each segment's version has an arm of its own, so that other arms hold drawn requests only.

    Raises:
        ValueError: it does not add up; the message says what was got and what is allowed.

    >>> told(arrange(Asked(canary=(4, 0.1), shadows=(5,)), 3, "promotion-1", ("customer",)))
    'version 3 answers 90% (champion), version 4 10% (canary), sticky by customer; version 5 listens (shadow)'
    """
    arms = _arms(asked, champion)
    rules = [(column, value) for column, value, _ in asked.segments]
    again = [f"{column}={value}" for column, value in dict.fromkeys(rules) if rules.count((column, value)) > 1]
    if again:
        raise ValueError(f"got the segment {again[0]} more than once")
    if len(set(asked.shadows)) < len(asked.shadows):
        raise ValueError("got a version in shadow more than once")
    own = {version: f"segment-{version}" for _, _, version in asked.segments}
    arms += tuple(Arm(name, version, 0.0) for version, name in own.items())
    segments = tuple(Segment(column, value, own[version]) for column, value, version in asked.segments)
    shadows = tuple(Shadow(version, asked.budget, asked.queue) for version in asked.shadows)
    drawn = sum(arm.share > 0 for arm in arms) > 1
    salt = digest([beside, [[arm.name, arm.version] for arm in arms if arm.share > 0], sticky])[:16]
    return Traffic(arms, beside, sticky if drawn else (), segments, shadows, salt if drawn else "")


def _arms(asked: Asked, champion: int) -> tuple[Arm, ...]:
    if asked.canary is not None and asked.test:
        raise ValueError("got a canary and an A/B test; one of them at a time")
    if asked.canary is not None:
        version, share = asked.canary
        if not 0 < share < 1:
            raise ValueError(f"got {percent(share)} for the canary; more than 0% and less than 100%, which is a promotion")
        if version == champion:
            raise ValueError(f"got version {version} as the canary, which is the champion")
        return Arm(CHAMPION, champion, 1 - share), Arm(CANARY, version, share)
    if asked.test:
        shares = [share for _, share in asked.test]
        if not 2 <= len(shares) <= len(TEST_ARMS):
            raise ValueError(f"got {len(shares)} arm(s); a test has 2 to {len(TEST_ARMS)}")
        if not all(share > 0 for share in shares) or not math.isclose(math.fsum(shares), 1.0, abs_tol=1e-9):
            raise ValueError(f"got the shares {', '.join(map(percent, shares))}; each is above 0%, and they add up to 100%")
        return tuple(Arm(name, version, share) for name, (version, share) in zip(TEST_ARMS, asked.test, strict=False))
    if not asked.segments and not asked.shadows:
        raise ValueError("got nothing to route; name a canary, an A/B test, a segment or a shadow")
    return (Arm(CHAMPION, champion, 1.0),)


def read_traffic(body: Mapping[str, Any]) -> Traffic:
    """The traffic behind ``Traffic.body``, as a fact holds it.

    Raises:
        ValueError: it is none.
    """
    parts = {"arms": Arm, "segments": Segment, "shadows": Shadow}
    try:
        made = {name: tuple(kind(**each) for each in body[name]) for name, kind in parts.items()}
        return Traffic(**made, beside=str(body["beside"]), sticky=tuple(body["sticky"]), salt=str(body["salt"]))
    except (KeyError, TypeError) as damage:
        raise ValueError(f"got what is no traffic: {damage}") from damage


def told(traffic: Traffic) -> str:
    """The traffic in a sentence."""
    first, *others = (arm for arm in traffic.arms if arm.share > 0)
    parts = [f"version {first.version} answers {percent(first.share) if others else 'everything'} ({first.name})"]
    parts += [f"version {arm.version} {percent(arm.share)} ({arm.name})" for arm in others]
    sticky = [f"sticky by {' and '.join(traffic.sticky)}"] if traffic.sticky else ["each request drawn by itself"] if others else []
    versions = {arm.name: arm.version for arm in traffic.arms}
    segments = [f"{each.column}={each.value} goes to version {versions[each.arm]}" for each in traffic.segments]
    shadows = [f"version {each.version} listens (shadow)" for each in traffic.shadows]
    return "; ".join([", ".join(parts + sticky), *segments, *shadows])


def percent(share: float) -> str:
    """A share as people read it.

    >>> percent(0.1), percent(0.0025)
    ('10%', '0.25%')
    """
    return f"{100 * share:.6g}%"
