"""What every page of ours shares: the template engine with its filters, the scripts that draw, and the list of a page's plots.

Everything that comes from data is escaped, and a page asks for nothing from any network.
"""

from __future__ import annotations

import json
import re
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from homeostat.app.report.vega import Spec, shown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jinja2 import Environment

SCRIPTS = ("vega.min.js", "vega-lite.min.js", "vega-embed.min.js")


class Plots:
    """The specifications of a page in the order they are used; a figure refers to its own by number."""

    def __init__(self) -> None:
        self.specs: list[Spec] = []

    def add(self, spec: Spec | None) -> int | None:
        """The number of the figure; None without a specification."""
        if spec is None:
            return None
        self.specs.append(spec)
        return len(self.specs) - 1


def rendered(template: str, body: Mapping[str, Any], drawn: Plots) -> str:
    """A whole page: its template with the style, the scripts and the specifications of its plots."""
    shared = {
        "files": {name: _text("templates", name) for name in ("report.css", "report.js")},
        "scripts": [_script(name) for name in SCRIPTS],
        "specs": for_script(drawn.specs),
    }
    return environment().get_template(template).render(**body, **shared)


def for_script(value: Any) -> str:
    r"""JSON that can stand inside a script element: no text of the data can end it or begin a comment.

    >>> for_script(["</script>"])
    '["\\u003c/script\\u003e"]'
    """
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def markdown(template: str, body: Mapping[str, Any]) -> str:
    """A Markdown text from its template: texts are escaped by its ``cell``, and runs of empty lines are one."""
    from homeostat.app.report.card import cell

    made = environment().overlay(autoescape=False)
    made.filters = {**made.filters, "cell": cell}
    return re.sub(r"\n{3,}", "\n\n", made.get_template(template).render(**body)).strip() + "\n"


@cache
def environment() -> Environment:
    """The template engine: what is not given is an error, what is given is escaped."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    made = Environment(
        loader=PackageLoader("homeostat.app.report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    made.filters.update(number=_number, share=_share, signed_share=_signed_share, count=_count, shown=shown)
    return made


def _number(value: float | int | str | None) -> str:
    """Five digits of a number, whole numbers as they are, texts (dates) unchanged, and a dash for nothing."""
    if value is None:
        return "-"
    if isinstance(value, str):
        return value
    if isinstance(value, int) or (float(value).is_integer() and abs(value) < 1e9):
        return f"{int(value):,}" if abs(value) < 10**15 else f"{float(value):.5g}"
    return f"{value:.5g}"


def _share(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.2%}" if 0 < value < 0.1 else f"{value:.1%}"


def _signed_share(value: float | None) -> str:
    return "-" if value is None else f"{value:+.1%}"


def _count(value: int) -> str:
    return f"{value:,}"


def _text(folder: str, name: str) -> str:
    return (files("homeostat.app.report") / folder / name).read_text(encoding="utf-8")


@cache
def _script(name: str) -> str:
    """A shipped script without the reference to its source map, which is not shipped."""
    text = (files("homeostat.app.web") / "assets" / name).read_text(encoding="utf-8")
    return re.sub(r"\n//# sourceMappingURL=\S+\s*$", "\n", text)
