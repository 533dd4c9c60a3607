"""The demonstration's report: one HTML file with the errors month by month as a plot and a table. No script, no network."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from homeostat.app.demo.story import MonthResult, Story

WIDTH, HEIGHT, LEFT, BOTTOM, TOP, RIGHT = 860, 340, 48, 40, 16, 150

STYLE = """
:root { color-scheme: light dark;
  --ink: #1c2430; --soft: #5b6675; --line: #d5dae1; --page: #fff; --frozen: #b4530a; --looped: #0b6e6e; --bad: #a11d33; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e9ee; --soft: #9aa5b4; --line: #39424f; --page: #14181e;
    --frozen: #f0a35e; --looped: #5cc8c0; --bad: #ff8a9b; }
}
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--page);
  max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .875rem; }
th, td { text-align: left; padding: .35rem .6rem; border-bottom: 1px solid var(--line); vertical-align: top; }
td:first-child { white-space: nowrap; } td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
svg { width: 100%; height: auto; } svg text { fill: var(--soft); font-size: 12px; }
.frozen { stroke: var(--frozen); fill: var(--frozen); } .looped { stroke: var(--looped); fill: var(--looped); }
path.frozen, path.looped { fill: none; stroke-width: 2.5; } svg text.frozen, svg text.looped { stroke: none; font-weight: 600; }
.grid { stroke: var(--line); }
.bad { fill: var(--bad); opacity: .12; } td.bad { color: var(--bad); opacity: 1; }
.figures { display: flex; flex-wrap: wrap; gap: .5rem 2.5rem; padding: 0; list-style: none; }
.figures b { display: block; font-size: 1.5rem; }
code { font-size: .85em; overflow-wrap: anywhere; }
"""


def write_report(story: Story) -> Path:
    """Write ``report.html`` into the story's folder and return its path."""
    path = story.folder / "report.html"
    path.write_text(page(story), encoding="utf-8")
    return path


def page(story: Story) -> str:
    """The whole page."""
    facts = story.facts
    figures = [
        (f"{story.looped_mae / story.frozen_mae:.2f}", "of the frozen model's error"),
        (f"{story.looped_mae:.1f}", "mean absolute error, looped"),
        (f"{story.frozen_mae:.1f}", "mean absolute error, frozen"),
        (str(facts["promotions"]), "promotions"),
        (str(facts["rejections"]), "challengers rejected"),
        (f"{facts['quarantined_rows']:,}", "rows quarantined"),
        (f"{story.tally.requests:,}", f"requests, {story.tally.failed} failed"),
    ]
    listed = "".join(f"<li><b>{escape(value)}</b>{escape(label)}</li>" for value, label in figures)
    rows = "".join(_row(month) for month in story.months)
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Homeostat demonstration</title><link rel="icon" href="data:,"><style>{STYLE}</style></head><body>
<h1>One model, {len(story.months)} months: left alone, and kept by the loop</h1>
<p>Hourly bike rentals in Washington DC. The first model was trained on January to June 2011 and then frozen; the other line is what the
running server answered while the loop watched, diagnosed and repaired. The shaded month came from a broken feed.</p>
<ul class="figures">{listed}</ul>
<h2>Mean absolute error by month, bikes an hour</h2>
{plot(story.months)}
<h2>What the loop saw and did</h2>
<div class="scroll"><table><thead><tr><th>Month</th><th class="n">Frozen</th><th class="n">Looped</th><th class="n">Version</th>
<th>Diagnosis</th><th>Outcome</th><th>Why</th></tr></thead><tbody>{rows}</tbody></table></div>
<h2>Prove one answer</h2>
<p><code>{escape(story.command(f"trace {story.last_prediction}"))}</code></p>
<p>Measured {escape(str(facts["told_at"])[:19])} UTC in {facts.get("seconds", 0)} s. Data:
Capital Bikeshare, Fanaee-T and Gama 2013, CC BY 4.0.</p>
</body></html>
"""


def plot(months: list[MonthResult]) -> str:
    """Both errors over the months, as inline SVG."""
    top = max(max(m.frozen_mae, m.looped_mae) for m in months) * 1.08
    step = 20 if top > 60 else 10
    span = (WIDTH - LEFT - RIGHT) / max(len(months) - 1, 1)

    def x(place: int) -> float:
        return LEFT + place * span

    def y(value: float) -> float:
        return HEIGHT - BOTTOM - value / top * (HEIGHT - BOTTOM - TOP)

    parts = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="Mean absolute error by month, frozen and looped">']
    for value in range(0, int(top) + 1, step):
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(value):.1f}" y2="{y(value):.1f}"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y(value) + 4:.1f}" text-anchor="end">{value}</text>')
    for place, month in enumerate(months):
        if month.broken:
            parts.append(
                f'<rect class="bad" x="{x(place) - span / 2:.1f}" y="{TOP}" width="{span:.1f}" height="{HEIGHT - BOTTOM - TOP}">'
                f"<title>{escape(month.name)}: broken feed</title></rect>"
            )
        if place % 3 == 0:
            parts.append(f'<text x="{x(place):.1f}" y="{HEIGHT - BOTTOM + 20}" text-anchor="middle">{escape(month.name)}</text>')
    for name in ("frozen", "looped"):
        values = [month.frozen_mae if name == "frozen" else month.looped_mae for month in months]
        line = " ".join(f"{'M' if i == 0 else 'L'}{x(i):.1f},{y(v):.1f}" for i, v in enumerate(values))
        parts.append(f'<path class="{name}" d="{line}"/>')
        parts += [
            f'<circle class="{name}" cx="{x(i):.1f}" cy="{y(v):.1f}" r="3"><title>{months[i].name}: {v:.1f}</title></circle>'
            for i, v in enumerate(values)
        ]
        label = "frozen first model" if name == "frozen" else "kept by the loop"
        parts.append(f'<text class="{name}" x="{x(len(values) - 1) + 10:.1f}" y="{y(values[-1]) + 4:.1f}">{label}</text>')
    return "".join([*parts, "</svg>"])


def _row(month: MonthResult) -> str:
    cause = month.cause.replace("_", " ")
    outcome = (month.status or month.action).replace("_", " ")
    bad = ' class="bad"' if month.broken else ""
    numbers = f'<td class="n">{month.frozen_mae:.1f}</td><td class="n">{month.looped_mae:.1f}</td><td class="n">{month.version}</td>'
    told = f"<td{bad}>{escape(cause)}</td><td>{escape(outcome)}</td><td>{escape(month.detail)}</td>"
    return f"<tr><td>{escape(month.name)}</td>{numbers}{told}</tr>"
