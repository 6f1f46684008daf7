"""`python -m onethinker_eval.training`: the form that launchers of many processes start."""

from __future__ import annotations

from onethinker_eval.training.cli import main

raise SystemExit(main())
