"""Stage 8 as a journey: the champion online, and as files for use elsewhere. In batch: ``score``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from homeostat.errors import ProjectError
from homeostat.flow.registry import CHAMPION, Version, serving_version
from homeostat.flow.signing import check_pointer, trusted_bundle

if TYPE_CHECKING:
    from homeostat.flow.project import Project
    from homeostat.serving.bundle import Bundle


@dataclass(frozen=True, slots=True, eq=False)
class Serving:
    """The version that serves, with its bundle."""

    version: Version
    bundle: Bundle


def serving(project: Project) -> Serving:
    """The champion with its bundle; its promotion, its registration and the bundle itself are what was signed.

    Raises:
        ProjectError: HS608, nothing is promoted yet; HS620, the ledger was altered.
        Refusal: HS711 or HS712, a signature does not hold.
        BundleError: HS401, the bundle is missing or altered.
    """
    version, pointer = serving_version(project), project.ledger.pointer(CHAMPION)
    if version is None or pointer is None:
        raise ProjectError("HS608", "no version is promoted yet", next_step="`homeostat run` trains, validates and promotes one")
    check_pointer(project, pointer)
    return Serving(version, trusted_bundle(project, version))
