"""The ``homeostat`` program: finds the command, turns errors into one line and an exit code.

Exit codes: 0 done, 1 a fault of ours, 2 the user's input is wrong, 3 the answer is no, 4 a service is unreachable.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module

import click

from homeostat import __version__
from homeostat.errors import HomeostatError

# The order is the order of a model's life, which is how `--help` lists them.
COMMANDS: dict[str, str] = {
    "demo": "Run the whole lifecycle and its loop on bundled real data.",
    "init": "Write a commented charter inferred from data.",
    "check": "Validate the charter and say whether the goal is feasible.",
    "ingest": "Read the source, check the contract, commit a dataset version.",
    "data": "List, compare and write out dataset versions.",
    "quarantine": "List, write out and take in again the rows that did not pass.",
    "profile": "Analyse the data: a table, and one HTML page with plots.",
    "train": "Search for the best model under the budget.",
    "adopt": "Take in a model from outside, with its reference rows.",
    "evaluate": "Judge the candidate on the sealed holdout.",
    "explain": "Say what a model leans on, in all rows or in one.",
    "study": "Say what more rows would bring, and what each column is worth.",
    "test": "Test how the model learns and answers.",
    "validate": "Put the candidate through the gates and register it.",
    "promote": "Make a validated version the champion, or stage it.",
    "approve": "Approve a version that waits for a person, or refuse it.",
    "rollback": "Put the previous champion back.",
    "route": "Split the requests: canary, A/B test, segments, shadow.",
    "run": "Do stages 1 to 8 in one go; repeat only what changed.",
    "serve": "Serve the champion over HTTP.",
    "features": "Look up features of joined tables at request time.",
    "forecast": "Forecast each series from its newest value with the champion.",
    "score": "Score files, tables, folders or buckets in a batch.",
    "export": "Write the model for use elsewhere.",
    "mlflow": "Export to an MLflow server, and import from one.",
    "bom": "Write a version's bill of materials (CycloneDX).",
    "predictions": "Count the logged predictions; keep the log small.",
    "labels": "Take in labels that arrived late.",
    "label": "Label rows of the dataset: by rules, a review queue, a file.",
    "monitor": "Evaluate the windows that are due.",
    "operate": "Run the loop: watch, diagnose, repair.",
    "token": "Say who may ask the prediction server.",
    "keys": "List and replace the keys that sign versions.",
    "reproduce": "Train a version again from its record and compare the graphs.",
    "card": "Write a version's model card from what is on record.",
    "trace": "Walk from a prediction back to its data, code and approver.",
    "versions": "List the versions: find, filter and sort them by their metrics.",
    "verify": "Find whatever was altered in the ledger and the files it names.",
    "history": "List what happened, newest first.",
    "show": "Show one fact and what it is connected to.",
}


class LifecycleGroup(click.Group):
    """Loads a command's module only when it is asked for; ``--help`` loads none."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All commands in the order of a model's life."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of this name."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"homeostat.app.cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list for ``--help``, from the table above."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=LifecycleGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="homeostat")
def cli() -> None:
    """Homeostat keeps a machine-learning model inside its goals."""


def main(arguments: list[str] | None = None) -> int:
    """Run the program and return its exit code."""
    asked = sys.argv[1:] if arguments is None else arguments
    if not asked:
        asked = ["--help"]
    try:
        _must_be_text(asked)
        left_with = cli.main(args=asked, prog_name="homeostat", standalone_mode=False)
        return left_with if isinstance(left_with, int) else 0
    except BrokenPipeError:
        sys.stderr.close()
    except Exception as error:
        if os.environ.get("HOMEOSTAT_DEBUG"):
            raise
        line, told, code = explain(error)
        return fail(line, told, code, as_json="--json" in asked)
    return 0


def _must_be_text(arguments: list[str]) -> None:
    """Bytes that are no UTF-8 reach a program as lone surrogates, which nothing further down can print."""
    for argument in arguments:
        if any("\ud800" <= character <= "\udfff" for character in argument):
            raise click.UsageError(f"got the argument {argument!a}; arguments are UTF-8 text")


def explain(error: Exception) -> tuple[str, dict[str, str], int]:
    """An error as one line for people, a mapping for programs, and the exit code."""
    if isinstance(error, HomeostatError):
        told = {"code": error.code, "message": error.message, "place": error.place, "next_step": error.next_step}
        return error.line(), told, error.exit_code
    if isinstance(error, click.Abort):
        return "interrupted; run the same command again to go on", {"code": "interrupted"}, 130
    if isinstance(error, click.ClickException):
        usage = " ".join(error.format_message().split())
        return f"ProjectError[HS609]: {usage}; see `homeostat --help`", {"code": "HS609", "message": usage}, 2
    text = " ".join(f"{type(error).__name__}: {error}".split())
    line = f"HomeostatError[HS001]: a fault of ours: {text}; set HOMEOSTAT_DEBUG=1 for the whole trace and report it"
    return line, {"code": "HS001", "message": text}, 1


def fail(line: str, error: dict[str, str], exit_code: int, *, as_json: bool) -> int:
    """Say what went wrong: one line on stderr, and with ``--json`` the error on stdout."""
    from homeostat.app.cli.output import printable

    click.echo(printable(line), err=True)
    if as_json:
        import json

        click.echo(json.dumps({"ok": False, "error": error}))
    return exit_code


if __name__ == "__main__":
    sys.exit(main())
