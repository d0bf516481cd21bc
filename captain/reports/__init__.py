"""Readings of a run's record: the live view's state, and reports as Markdown and JSON."""

from captain.reports.escape import one_line, visible
from captain.reports.files import save
from captain.reports.jsonable import to_dict, to_json
from captain.reports.markdown import to_markdown
from captain.reports.meter import Latency, Meter, Percentiles
from captain.reports.parts import AgentView, Reproduction
from captain.reports.review_json import review_to_dict, review_to_json
from captain.reports.review_markdown import review_to_markdown
from captain.reports.rounds import RoundFigures, RoundReader, rounds_of
from captain.reports.sarif import review_to_sarif
from captain.reports.sarif_baseline import read_baseline
from captain.reports.tasks import Evidence, RoundView, TaskView
from captain.reports.view import RunView

__all__ = [
    "AgentView",
    "Evidence",
    "Latency",
    "Meter",
    "Percentiles",
    "Reproduction",
    "RoundFigures",
    "RoundReader",
    "RoundView",
    "RunView",
    "TaskView",
    "one_line",
    "read_baseline",
    "review_to_dict",
    "review_to_json",
    "review_to_markdown",
    "review_to_sarif",
    "rounds_of",
    "save",
    "to_dict",
    "to_json",
    "to_markdown",
    "visible",
]
