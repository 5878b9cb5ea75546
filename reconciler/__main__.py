"""`python -m reconciler`, which in CI must be `python -I -m reconciler`.

Without `-I` or `-P` Python looks for every module in the working directory first, where a change may have put a
`json.py`. Some are loaded before this line, so in CI, beside secrets, there is only one safe answer.
"""

import os
import sys

if not sys.flags.safe_path:
    del sys.path[0]  # the working directory

from reconciler.cli import main
from reconciler.settings.ci import is_ci

if __name__ == "__main__":
    if is_ci(os.environ) and not sys.flags.safe_path:
        raise SystemExit(
            "reconciler: refused, because Python loads modules from the working directory, and a change may hold some\n"
            "  Run `reconciler`, or `python -I -m reconciler`."
        )
    main()
