"""What a run was made with: the code's commit and the versions of the libraries that decide a result."""

from __future__ import annotations

import platform
import shutil
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

LIBRARIES = (
    "numpy",
    "polars",
    "scikit-learn",
    "lightgbm",
    "xgboost-cpu",
    "torch",
    "optuna",
    "scipy",
    "onnx",
    "onnxruntime",
    "skl2onnx",
    "deltalake",
)


def code_commit(root: Path) -> dict[str, Any]:
    """The git commit of the folder: ``{"commit": 40 hex characters, "dirty": bool}``.

    ``{"commit": "none", "dirty": False}`` when the folder is not under git, git is absent, or nothing is committed yet.
    """
    commit = _git(root, "rev-parse", "--verify", "HEAD")
    if not commit:
        return {"commit": "none", "dirty": False}
    # Only this folder's files: the rest of a larger repository does not change what is trained here.
    return {"commit": commit, "dirty": bool(_git(root, "status", "--porcelain", "--untracked-files=no", "--", "."))}


def environment() -> dict[str, Any]:
    """Python, platform, this program and its key libraries, as installed. A library that is absent is ``None``."""
    return {
        "homeostat": _version("homeostat"),
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "libraries": {name: _version(name) for name in LIBRARIES},
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _git(root: Path, *words: str) -> str:
    git = shutil.which("git")
    if git is None:
        return ""
    try:
        done = subprocess.run([git, "-C", str(root), *words], capture_output=True, text=True, timeout=10, check=False)  # noqa: S603 - fixed words
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
