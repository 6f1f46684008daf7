"""`python -m onethinker_eval` is the command `onethinker-eval`."""

from __future__ import annotations

import sys

from onethinker_eval.cli import main

if __name__ == "__main__":
    sys.exit(main())
