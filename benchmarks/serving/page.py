"""The page of the results: a table of all systems, what was asked for against what was measured, and the versions."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from benchmarks.serving.systems import SYSTEMS

Cells = Mapping[str, Mapping[str, Any]]
HEADS = (
    "system",
    "",
    "requests/s, 32 connections",
    "p50 ms",
    "p99 ms",
    "p50 ms, 1 connection",
    "refused, failed",
    "resident MB",
    "ready s",
    "/ mlflow pipeline",
    "/ MLServer graph",
    "largest difference",
)
AHEAD = (
    "Cells were measured while the machine had other work, ahead of it by real-time priority: such figures are worse than those of an",
    "idle machine, and their p99 holds the twentieth of each second that the system gives to others.",
)
FAST, ASGI = "ours-fast", "ours-asgi"


def page(cells: Cells) -> str:
    """All figures as Markdown."""
    days = sorted(str(each["at"])[:10] for each in cells.values())
    machine = next(iter(cells.values()))["machine"] if cells else ""
    return "\n".join(
        [
            "# Online serving",
            "",
            "One model everywhere: 20 mixed columns, imputation with indicators, scaling, one-hot encoding, LightGBM of 300 trees x 31",
            "leaves. 2,000 rows by turns, with nulls and values never seen in training, one row a request. The server has one core, wrk",
            "the other; every server one worker and one thread. Before it is measured each is asked all rows, and its answers are",
            "compared with the scikit-learn pipeline's own. Medians of the rounds; ratios are those within a round.",
            "Rerun: see `benchmarks/serving/__main__.py`.",
            *(["", *AHEAD] if any(each.get("ahead") for each in cells.values()) else []),
            "",
            f"{' to '.join(sorted({days[0], days[-1]}))}, {machine}." if days else "",
            "",
            *_table(cells),
            "",
            "## What was asked",
            "",
            *_targets(cells),
            "",
            "## Versions",
            "",
            *_versions(cells),
            "",
        ]
    )


def _rounds(cells: Cells, name: str) -> dict[str, Mapping[str, Any]]:
    """The measured cells of a system by round."""
    return {key.partition("/")[2]: cell for key, cell in cells.items() if key.partition("/")[0] == name and "many" in cell}


def _median(cells: Cells, name: str, look: Callable[[Mapping[str, Any]], float]) -> float | None:
    found = [look(cell) for cell in _rounds(cells, name).values()]
    return statistics.median(found) if found else None


def _ratio(cells: Cells, name: str, other: str, look: Callable[[Mapping[str, Any]], float]) -> float | None:
    """The median over the rounds that both have of the one's figure by the other's."""
    ours, theirs = _rounds(cells, name), _rounds(cells, other)
    found = [look(ours[each]) / look(theirs[each]) for each in ours if each in theirs]
    return statistics.median(found) if found else None


def _speed(cell: Mapping[str, Any]) -> float:
    return float(cell["many"]["requests_s"])


def _alone_ms(cell: Mapping[str, Any]) -> float:
    return float(cell["one"]["p50_ms"])


def _table(cells: Cells) -> Iterator[str]:
    yield "| " + " | ".join(HEADS) + " |"
    yield "|---|---|" + "---:|" * (len(HEADS) - 2)
    for name, system in SYSTEMS.items():
        found = _rounds(cells, name)
        failures = [cell["failure"] for key, cell in cells.items() if key.partition("/")[0] == name and "failure" in cell]
        if not found:
            if failures:
                yield f"| {name} | {system.what} | failed: {failures[-1][:120]} |" + " |" * 9
            continue
        loads = [cell[load] for cell in found.values() for load in ("many", "one")]
        wrong = ", ".join(str(sum(int(load[kind]) for load in loads)) for kind in ("refused", "failed"))
        figures = [
            f"{_median(cells, name, _speed):,.0f}",
            f"{_median(cells, name, lambda c: c['many']['p50_ms']):,.2f}",
            f"{_median(cells, name, lambda c: c['many']['p99_ms']):,.2f}",
            f"{_median(cells, name, _alone_ms):.3f}",
            wrong,
            f"{_median(cells, name, lambda c: c['resident_mb']):.0f}",
            f"{_median(cells, name, lambda c: c['ready_s']):.2f}",
            _said(_ratio(cells, name, "mlflow-pipeline", _speed)),
            _said(_ratio(cells, name, "mlserver-graph", _speed)),
            f"{max(c['largest_difference'] for c in found.values()):.1e}" if system.says else "",
        ]
        yield f"| {name} | {system.what} | " + " | ".join(figures) + " |"


def _said(value: float | None) -> str:
    if value is None:
        return "not measured"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _targets(cells: Cells) -> Iterator[str]:
    """Each target: what, measured, asked, and whether the figure is a least or a most."""

    def speed(name: str, other: str) -> float | None:
        return _ratio(cells, name, other, _speed)

    targets = [
        ("fast lane / mlflow models serve, requests/s", speed(FAST, "mlflow-pipeline"), 300.0, True),
        ("fast lane / MLServer with the same graph", speed(FAST, "mlserver-graph"), 15.0, True),
        ("fast lane, p50 at 32 connections, ms", _median(cells, FAST, lambda c: c["many"]["p50_ms"]), 1.0, False),
        ("fast lane, p50 at 1 connection, ms", _median(cells, FAST, _alone_ms), 0.2, False),
        ("the same / the echo's", _ratio(cells, FAST, "echo", _alone_ms), 2.0, False),
        ("fast lane / ASGI application", speed(FAST, ASGI), 2.0, True),
        ("ASGI application / MLServer with the same graph", speed(ASGI, "mlserver-graph"), 6.0, True),
        ("with the log / without, fast lane", speed(FAST, "ours-fast-no-log"), 0.9, True),
        ("with the log / without, ASGI", speed(ASGI, "ours-asgi-no-log"), 0.9, True),
        ("strict log / log in groups, fast lane", speed("ours-fast-strict", FAST), 0.45, True),
        ("V2 / `/predict`, fast lane", speed("ours-fast-v2", FAST), 0.55, True),
        ("V2 / `/predict`, ASGI", speed("ours-asgi-v2", ASGI), 0.55, True),
        ("shadow of all traffic / without, fast lane", speed("ours-fast-shadow", FAST), 0.6, True),
        ("resident memory, fast lane, MB", _median(cells, FAST, lambda c: c["resident_mb"]), 150.0, False),
        ("resident memory, ASGI, MB", _median(cells, ASGI, lambda c: c["resident_mb"]), 150.0, False),
        ("start to first answer, fast lane, s", _median(cells, FAST, lambda c: c["ready_s"]), 1.5, False),
        ("start to first answer, ASGI, s", _median(cells, ASGI, lambda c: c["ready_s"]), 1.5, False),
    ]
    yield "| what | measured | asked | |"
    yield "|---|---:|---:|---|"
    for what, value, wanted, least in targets:
        holds = value is not None and (value >= wanted if least else value <= wanted)
        verdict = "" if value is None else "holds" if holds else "MISSED"
        yield f"| {what} | {_said(value)} | {'>=' if least else '<='} {wanted:g} | {verdict} |"


def _versions(cells: Cells) -> Iterator[str]:
    told: dict[str, str] = {}
    for key, cell in cells.items():
        name = key.partition("/")[0]
        if name in SYSTEMS and cell.get("versions"):
            told[SYSTEMS[name].peer or "ours"] = ", ".join(f"{each} {number}" for each, number in cell["versions"].items())
    for name, said in told.items():
        yield f"- {name}: {said}"
