"""``python -m homeostat``: the command line where the console script is not on the path."""

from __future__ import annotations

import sys

from homeostat.app.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
