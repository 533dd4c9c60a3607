"""What every command shares: its two common options, and one way to answer people and programs."""

from __future__ import annotations

import functools
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unicodedata import category

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence


@dataclass(frozen=True)
class Answer:
    """A command's result: a mapping for ``--json``, lines for people, and the exit code (0 done, 3 the answer is no)."""

    data: dict[str, Any]
    lines: Sequence[str] = ()
    exit_code: int = 0


def lifecycle_command(name: str, help_text: str) -> Callable[[Callable[..., Answer | Iterator[Answer]]], click.Command]:
    """Make a function of the project folder a command with ``--project`` and ``--json``.

    The function returns an ``Answer``; one that goes on for as long as it is let returns an iterator of them, each is told as it comes.
    """

    def wrap(function: Callable[..., Answer | Iterator[Answer]]) -> click.Command:
        @functools.wraps(function)
        def call(*, project: Path, as_json: bool, **options: Any) -> None:
            answer = function(project, **options)
            if isinstance(answer, Answer):
                give(answer, as_json=as_json)
                return
            for each in answer:
                tell(each, as_json=as_json)

        call = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON on stdout.")(call)
        call = click.option(
            "--project", type=click.Path(path_type=Path, file_okay=False), default=Path(), show_default="this folder", help="The project."
        )(call)
        return click.command(name, help=help_text)(call)

    return wrap


def command_group(name: str, help_text: str, *commands: click.Command) -> click.Group:
    """Commands under one word: ``homeostat data log``."""
    return click.Group(name, help=help_text, commands={each.name: each for each in commands if each.name})


def give(answer: Answer, *, as_json: bool) -> None:
    """Print an answer and leave with its exit code if that is not 0."""
    tell(answer, as_json=as_json)
    if answer.exit_code:
        raise click.exceptions.Exit(answer.exit_code)


def tell(answer: Answer, *, as_json: bool) -> None:
    """Print an answer: one JSON document on a line, or its lines."""
    if as_json:
        from homeostat.core.ids import canonical

        click.echo(canonical({"ok": answer.exit_code == 0, **answer.data}).decode())
    else:
        for line in answer.lines:
            click.echo(printable(line))


def printable(line: str) -> str:
    r"""A line with its control characters written out: names and values of a file must not steer the terminal.

    >>> printable("a\x1b[31mb\u202ec"), printable("grün 🚲")
    ('a\\x1b[31mb\\u202ec', 'grün 🚲')
    """
    if line.isprintable():
        return line
    return "".join(c if c.isprintable() or category(c) in {"Zs", "Co", "Cn"} else c.encode("unicode_escape").decode() for c in line)


def table(rows: Sequence[Sequence[str]], head: Sequence[str]) -> list[str]:
    """Plain aligned columns; numbers (by their look) are set to the right."""
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    right = [bool(rows) and all(_numeric(row[i]) for row in rows) for i in range(len(head))]

    def line(cells: Sequence[str]) -> str:
        aligned = (c.rjust(w) if r else c.ljust(w) for c, w, r in zip(cells, widths, right, strict=True))
        return "  ".join(aligned).rstrip()

    return [line(head), *(line(row) for row in rows)]


def _numeric(text: str) -> bool:
    return text in {"", "-"} or text.lstrip("+-").replace(".", "").replace(",", "").replace("%", "").isdigit()


class StderrProgress:
    """Progress on stderr: one live line on a terminal, plain lines otherwise."""

    def __init__(self) -> None:
        self.live = sys.stderr.isatty()
        self.last = ""

    def update(self, message: str, *, done: float | None = None) -> None:
        """Say what is being done, and which share of it is."""
        text = message if done is None else f"{message} ({done:.0%})"
        if text == self.last:
            return
        self.last = text
        if self.live:
            click.echo(f"\r\x1b[2K{printable(text)}", nl=False, err=True)
        elif done is None or done >= 1.0:
            click.echo(printable(text), err=True)

    def note(self, message: str) -> None:
        """Say something on a line of its own."""
        self.close()
        self.last = ""
        click.echo(printable(message), err=True)

    def close(self) -> None:
        """Leave the live line clean."""
        if self.live and self.last:
            click.echo("\r\x1b[2K", nl=False, err=True)
