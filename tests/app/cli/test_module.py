"""``python -m homeostat`` is the program too."""

from __future__ import annotations

import subprocess
import sys

from homeostat import __version__


def test_the_package_is_a_program() -> None:
    ran = subprocess.run([sys.executable, "-m", "homeostat", "--version"], capture_output=True, text=True, check=True)
    assert __version__ in ran.stdout
