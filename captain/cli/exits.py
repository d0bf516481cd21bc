"""What the command's exit code says about a run.

0    succeeded, answered, or planned
1    failed, or declined; also an error while the command worked, and a review that leaves something serious
2    called wrongly; nothing has happened
3    needs a person, or a larger budget
130  cancelled
141  whoever read the output went away (what a shell reports for SIGPIPE)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from captain.core.events import RunStatus
    from captain.core.findings import Verdict

FAILED: Final = 1
USAGE: Final = 2
UNDECIDED: Final = 3
CANCELLED: Final = 130
BROKEN_PIPE: Final = 141

EXIT_CODES: Final[dict[RunStatus, int]] = {
    "succeeded": 0,
    "answered": 0,
    "planned": 0,
    "failed": FAILED,
    "declined": FAILED,
    "needs_human": UNDECIDED,
    "budget": UNDECIDED,
    "cancelled": CANCELLED,
}

VERDICT_CODES: Final[dict[Verdict, int]] = {
    "converged": 0,
    "converged_with_residuals": 0,
    "oscillating": FAILED,
    "stalled": FAILED,
    "diverging": FAILED,
    "needs_human": UNDECIDED,
    "budget": UNDECIDED,
}
"""Of a review that was to mend what it finds."""
