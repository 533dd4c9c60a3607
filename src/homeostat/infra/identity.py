"""Who acts: the operating-system user and the git identity, as claimed. Neither is proof."""

from __future__ import annotations

import getpass
import os
import shutil
import subprocess
from functools import lru_cache


@lru_cache(maxsize=1)
def actor() -> str:
    """``Name <mail> (user)`` when git knows a name, else ``user``. Asked once per process."""
    user = _user()
    name, mail = _git_setting("user.name"), _git_setting("user.email")
    identity = " ".join(part for part in (name, f"<{mail}>" if mail else "") if part)
    return f"{identity} ({user})" if identity else user


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container may run under a number that has no name
        return f"uid {os.getuid()}"


def _git_setting(name: str) -> str:
    git = shutil.which("git")
    if git is None:
        return ""
    try:
        done = subprocess.run([git, "config", "--get", name], capture_output=True, text=True, timeout=5, check=False)  # noqa: S603 - fixed words
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return " ".join(done.stdout.split())
