"""``homeostat route``: which versions answer which share of the requests, and which only listen."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from homeostat.app.cli.output import Answer, lifecycle_command, table

if TYPE_CHECKING:
    from pathlib import Path

    from homeostat.core.facts import Fact
    from homeostat.core.traffic import Asked, Traffic
    from homeostat.flow.project import Project


class Share(click.ParamType[float]):
    """A share of the requests: ``10%`` or ``10``; a number below 1 needs its percent sign, as 0.1 could mean 10%."""

    name = "percent"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The share, 0 to 1, that a text stands for."""
        if isinstance(value, float):
            return value
        found = re.fullmatch(r"(\d+(?:\.\d+)?)(%?)", value.strip(), re.ASCII)
        if not found:
            self.fail(f"got {value!r}; write a percentage such as 10%", param, ctx)
        percentage = float(found[1])
        if not found[2] and percentage < 1:
            self.fail(f"got {value!r}; write {100 * percentage:g}% or {value.strip()}%", param, ctx)
        return percentage / 100


SHARE = Share()


class Arms(click.ParamType[tuple[tuple[int, float], ...]]):
    """Versions with their shares: ``3:50,4:50``."""

    name = "version:percent,..."

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[tuple[int, float], ...]:
        """The versions and shares (0 to 1) that a text stands for."""
        if isinstance(value, tuple):
            return value
        parts = [re.fullmatch(r"(\d{1,9}):(.+)", part.strip(), re.ASCII) for part in value.split(",")]
        if not all(parts):
            self.fail(f"got {value!r}; write versions and percentages such as 3:50,4:50", param, ctx)
        return tuple((int(found[1]), SHARE.convert(found[2], param, ctx)) for found in parts if found)


class Rule(NamedTuple):
    """A segment and the version it goes to."""

    column: str
    value: str
    version: int


class Rules(click.ParamType[Rule]):
    """A segment and the version it goes to: ``region=EU:4``. The value may hold ``=`` and ``:``."""

    name = "column=value:version"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Rule:
        """The rule that a text stands for."""
        if isinstance(value, Rule):
            return value
        found = re.fullmatch(r"([^=]+)=(.+):(\d{1,9})", value, re.DOTALL)
        if not found:
            self.fail(f"got {value!r}; write a column, its value and a version such as region=EU:4", param, ctx)
        return Rule(found[1], found[2], int(found[3]))


VERSION = click.IntRange(1, 999_999_999)


@click.option("--canary", metavar="VERSION", type=VERSION, default=None, help="A version that answers --share of the requests.")
@click.option("--share", metavar="PERCENT", type=SHARE, default=None, help="The canary's share, such as 10%.")
@click.option("--ab", metavar="V:PERCENT,V:PERCENT", type=Arms(), default=None, help="An A/B test: versions with shares, as 3:50,4:50.")
@click.option("--sticky", metavar="COLUMN", multiple=True, help="What is drawn: equal values stay together. Default: task.entity.")
@click.option("--each-request", is_flag=True, help="Draw each request by itself, whoever it is about.")
@click.option(
    "--segment",
    "segments",
    metavar="COL=VALUE:V",
    type=Rules(),
    multiple=True,
    help="Rows with this value go to a version; repeatable.",
)
@click.option("--shadow", "shadows", metavar="VERSION", type=VERSION, multiple=True, help="A version that answers unseen; may be repeated.")
@click.option("--shadow-budget", metavar="PERCENT", type=SHARE, default=None, help="Computing for shadows, of what answers take (50%).")
@click.option("--shadow-queue", metavar="ROWS", type=click.IntRange(1, 10_000_000), default=None, help="Rows that may wait for it (1,000).")
@click.option("--clear", is_flag=True, help="The champion answers everything again.")
@click.option("--reason", default="asked for", help="Why, for the record.")
def _route(project: Path, clear: bool, reason: str, **words: Any) -> Answer:
    from homeostat.flow.project import open_project
    from homeostat.flow.routing import clear as champion_again
    from homeostat.flow.routing import route
    from homeostat.flow.traffic import in_force

    given = [f"--{name.rstrip('s').replace('_', '-')}" for name, value in words.items() if value not in (None, (), False)]
    if clear and given:
        raise click.UsageError(f"--clear goes without {given[0]}")
    asked, sticky = (None, None) if clear or not given else _asked(**words)
    with open_project(project) as opened:
        before = in_force(opened)
        if clear:
            moved = champion_again(opened, reason=reason)
            return _now(opened, moved, "a running server follows within a second" if moved else "nothing was routed; nothing changed")
        if asked is None:
            return _now(opened, before, "")
        moved = route(opened, asked, sticky=sticky, reason=reason)
        same = before is not None and before.id == moved.id
        return _now(opened, moved, "nothing changed" if same else "a running server follows within a second")


def _asked(  # noqa: PLR0913 - one per option
    *,
    canary: int | None,
    share: float | None,
    ab: tuple[tuple[int, float], ...] | None,
    sticky: tuple[str, ...],
    each_request: bool,
    segments: tuple[Rule, ...],
    shadows: tuple[int, ...],
    shadow_budget: float | None,
    shadow_queue: int | None,
) -> tuple[Asked, tuple[str, ...] | None]:
    """What the options ask for, and the columns that draw together; None: those of the charter."""
    from homeostat.core.traffic import DEFAULT_BUDGET, DEFAULT_QUEUE, Asked

    if (canary is None) != (share is None):
        raise click.UsageError("--canary and --share go together: --canary 4 --share 10%")
    if canary is None and not ab and (sticky or each_request):
        raise click.UsageError("--sticky and --each-request go with --canary or --ab")
    if sticky and each_request:
        raise click.UsageError("--sticky does not go with --each-request")
    if not shadows and not (shadow_budget is None and shadow_queue is None):
        raise click.UsageError("--shadow-budget and --shadow-queue go with --shadow")
    if shadow_budget is not None and not 0 < shadow_budget <= 10:
        raise click.UsageError("--shadow-budget is more than 0% and at most 1000%")
    asked = Asked(
        canary=None if canary is None or share is None else (canary, share),
        test=ab or (),
        segments=segments,
        shadows=shadows,
        budget=DEFAULT_BUDGET if shadow_budget is None else shadow_budget,
        queue=DEFAULT_QUEUE if shadow_queue is None else shadow_queue,
    )
    return asked, () if each_request else sticky or None


def _now(project: Project, fact: Fact | None, news: str) -> Answer:
    """What is routed now, by the fact that routed it; None: nothing is."""
    from homeostat.core.traffic import told
    from homeostat.flow.traffic import current_traffic, last_ended

    traffic = current_traffic(project)
    if traffic is None:
        return Answer({"traffic": None}, ["no version is promoted yet; `homeostat run` trains, validates and promotes one"])
    news = news or ("" if fact else last_ended(project))
    routed = {"id": fact.id, "at": fact.at.isoformat(), "by": fact.actor} if fact else {}
    lines = [told(traffic) + (f" ({fact.id})" if fact else "") + (f"; {news}" if news else "")]
    if fact and not traffic.plain:
        routed |= {name: str(fact.body[name]) for name in ("approved_by", "reason")}
        lines += _arms(traffic)
        lines.append(f"since {routed['at'][:19]} by {routed['by']}, approved by {routed['approved_by']}: {routed['reason']}")
        lines.append(f"`homeostat show {fact.id}` tells what it rests on")
    return Answer({"traffic": traffic.body(), "words": told(traffic), "routed": routed or None, "news": news}, lines)


def _arms(traffic: Traffic) -> list[str]:
    """A line for each arm and shadow."""
    from homeostat.core.traffic import percent

    rows = []
    for arm in traffic.arms:
        segments = ", ".join(f"{each.column}={each.value}" for each in traffic.segments if each.arm == arm.name)
        rows.append([arm.name, str(arm.version), percent(arm.share), segments])
    rows += [["shadow", str(one.version), "unseen", f"budget {percent(one.budget)}, queue {one.queue:,} rows"] for one in traffic.shadows]
    return table(rows, ("arm", "version", "share", "besides"))


HELP = "Send requests to other versions: a canary, an A/B test, segments, a shadow. Without options: what is routed now."
command = lifecycle_command("route", HELP)(_route)
