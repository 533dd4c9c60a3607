"""``homeostat card``: a version's model card, from what is on record."""

from __future__ import annotations

from pathlib import Path

import click

from homeostat.app.cli.output import Answer, lifecycle_command
from homeostat.app.cli.written import write_page


@click.argument("version", type=int)
def _card(project: Path, version: int, out: Path | None) -> Answer:
    from homeostat.app.report.card import card, front_matter
    from homeostat.flow.project import open_project
    from homeostat.flow.recorded import recorded
    from homeostat.flow.registry import load_bundle, version_numbered

    with open_project(project) as opened:
        found = version_numbered(opened, version)
        known = recorded(opened, opened.require(str(found.fact.body["evaluation"])))
        text = card(known, load_bundle(opened, found.bundle).manifest)
    if out is None:
        return Answer({"version": version, "card": text, "metadata": front_matter(known)}, text.splitlines())
    write_page(out, text, "--out")
    return Answer({"version": version, "out": str(out), "metadata": front_matter(known)}, [f"model card of version {version}: {out}"])


command = click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), default=None, help="The file to write, such as README.md; default: print it."
)(lifecycle_command("card", "Write a version's model card (Hugging Face layout) from what is on record.")(_card))
