"""``homeostat bom``: a version's bill of materials."""

from __future__ import annotations

from pathlib import Path

import click

from homeostat.app.cli.output import Answer, lifecycle_command


@click.argument("version", type=int)
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="The file to write; without it, the bill goes to stdout.")
def _bom(project: Path, version: int, out: Path | None) -> Answer:
    import json

    from homeostat.errors import ProjectError
    from homeostat.flow.bom import bill_of
    from homeostat.flow.project import open_project
    from homeostat.flow.registry import version_numbered

    with open_project(project) as opened:
        bill = bill_of(opened, version_numbered(opened, version))
    if out is None:
        return Answer({"version": version, "bom": json.loads(bill)}, bill.decode().splitlines())
    try:
        out.write_bytes(bill)
    except OSError as error:
        raise ProjectError("HS602", f"cannot be written: {error.strerror}", place=str(out)) from error
    return Answer({"version": version, "file": str(out)}, [f"the bill of materials of version {version} is in {out} (CycloneDX 1.6)"])


command = lifecycle_command("bom", "Write the bill of materials of a version (CycloneDX JSON with a model card).")(_bom)
