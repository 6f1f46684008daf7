"""The report: one HTML file with the leaderboard, plots and every sample of one or two runs.

    build_report([run], output)  reads the run folders and writes the file
    serve(report)                shows it on the loopback interface

Model text is untrusted. It travels as compressed JSON, reaches the page through `textContent`
alone, and a content security policy lets nothing run but the one script whose digest it names.
"""

from __future__ import annotations

from onethinker_eval.reporting.html.build import MEDIA_MODES, Report, build_report
from onethinker_eval.reporting.html.server import ReportServer, serve

__all__ = ["MEDIA_MODES", "Report", "ReportServer", "build_report", "serve"]
