"""Readings of a run's record: the live view's state, and reports as Markdown and JSON."""

from captain.reports.escape import one_line, visible
from captain.reports.files import save
from captain.reports.jsonable import to_dict, to_json
from captain.reports.markdown import to_markdown
from captain.reports.meter import Latency, Meter, Percentiles
from captain.reports.parts import AgentView, Reproduction
from captain.reports.tasks import Evidence, RoundView, TaskView
from captain.reports.view import RunView

__all__ = [
    "AgentView",
    "Evidence",
    "Latency",
    "Meter",
    "Percentiles",
    "Reproduction",
    "RoundView",
    "RunView",
    "TaskView",
    "one_line",
    "save",
    "to_dict",
    "to_json",
    "to_markdown",
    "visible",
]
