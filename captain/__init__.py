"""Captain: carries a request in a git repository from its words to reviewed branches, and stops by rule.

    outcome = captain.run_sync("Make parse_date accept ISO week dates", repo=".", crew=captain.Crew(captain="…"))

Names are loaded at first use, so that importing the package costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from captain.agent import (
        Agent as Agent,
    )
    from captain.agent import (
        AgentBuilder as AgentBuilder,
    )
    from captain.agent import (
        AgentResult as AgentResult,
    )
    from captain.agent import (
        Builder as Builder,
    )
    from captain.agent import (
        BuildReport as BuildReport,
    )
    from captain.agent import (
        Crewmate as Crewmate,
    )
    from captain.agent import (
        FixBrief as FixBrief,
    )
    from captain.agent import (
        Limits as Limits,
    )
    from captain.agent import (
        Transcript as Transcript,
    )
    from captain.api import (
        Captain as Captain,
    )
    from captain.api import (
        Crew as Crew,
    )
    from captain.api import (
        Outcome as Outcome,
    )
    from captain.api import (
        Run as Run,
    )
    from captain.api import (
        run as run,
    )
    from captain.api import (
        run_sync as run_sync,
    )
    from captain.api import (
        start as start,
    )
    from captain.core.actions import (
        Answer as Answer,
    )
    from captain.core.errors import (
        BudgetExceededError as BudgetExceededError,
    )
    from captain.core.errors import (
        CaptainError as CaptainError,
    )
    from captain.core.errors import (
        FileMissingError as FileMissingError,
    )
    from captain.core.errors import (
        GitError as GitError,
    )
    from captain.core.errors import (
        JournalError as JournalError,
    )
    from captain.core.errors import (
        ModelError as ModelError,
    )
    from captain.core.errors import (
        ReplayError as ReplayError,
    )
    from captain.core.errors import (
        RunHeldError as RunHeldError,
    )
    from captain.core.errors import (
        SandboxError as SandboxError,
    )
    from captain.core.errors import (
        SandboxUnavailableError as SandboxUnavailableError,
    )
    from captain.core.errors import (
        ToolError as ToolError,
    )
    from captain.core.errors import (
        UnfinishedEffectError as UnfinishedEffectError,
    )
    from captain.core.errors import (
        UsageError as UsageError,
    )
    from captain.core.errors import (
        WorkspaceError as WorkspaceError,
    )
    from captain.core.events import (
        Event as Event,
    )
    from captain.core.events import (
        Recorded as Recorded,
    )
    from captain.core.findings import (
        Finding as Finding,
    )
    from captain.core.findings import (
        Proposal as Proposal,
    )
    from captain.core.findings import (
        Review as Review,
    )
    from captain.core.policy import (
        Guarantee as Guarantee,
    )
    from captain.core.policy import (
        Network as Network,
    )
    from captain.core.policy import (
        Policy as Policy,
    )
    from captain.core.questions import (
        Answered as Answered,
    )
    from captain.core.questions import (
        Question as Question,
    )
    from captain.core.tasks import (
        Check as Check,
    )
    from captain.core.tasks import (
        CheckResult as CheckResult,
    )
    from captain.core.tasks import (
        Criterion as Criterion,
    )
    from captain.core.tasks import (
        Diagnosis as Diagnosis,
    )
    from captain.core.tasks import (
        FollowUp as FollowUp,
    )
    from captain.core.tasks import (
        Plan as Plan,
    )
    from captain.core.tasks import (
        Scope as Scope,
    )
    from captain.core.tasks import (
        Task as Task,
    )
    from captain.core.usage import (
        Budget as Budget,
    )
    from captain.core.usage import (
        Spend as Spend,
    )
    from captain.core.usage import (
        Usage as Usage,
    )
    from captain.guards import (
        Approver as Approver,
    )
    from captain.guards import (
        FileChange as FileChange,
    )
    from captain.guards import (
        Judgement as Judgement,
    )
    from captain.guards import (
        ScopeGuard as ScopeGuard,
    )
    from captain.guards import (
        Shortcut as Shortcut,
    )
    from captain.guards import (
        ShortcutGuard as ShortcutGuard,
    )
    from captain.models import (
        Model as Model,
    )
    from captain.models import (
        complete as complete,
    )
    from captain.models import (
        resolve as resolve,
    )
    from captain.orchestration import (
        Accept as Accept,
    )
    from captain.orchestration import (
        Edited as Edited,
    )
    from captain.orchestration import (
        Options as Options,
    )
    from captain.orchestration import (
        PlanOffer as PlanOffer,
    )
    from captain.orchestration import (
        Reject as Reject,
    )
    from captain.reports import (
        RunView as RunView,
    )
    from captain.reports import (
        to_json as to_json,
    )
    from captain.reports import (
        to_markdown as to_markdown,
    )
    from captain.review import (
        BALANCED as BALANCED,
    )
    from captain.review import (
        ECONOMY as ECONOMY,
    )
    from captain.review import (
        THOROUGH as THOROUGH,
    )
    from captain.review import (
        BuildFixer as BuildFixer,
    )
    from captain.review import (
        CommandFixer as CommandFixer,
    )
    from captain.review import (
        LoopReport as LoopReport,
    )
    from captain.review import (
        ModelReviewer as ModelReviewer,
    )
    from captain.review import (
        Reviewer as Reviewer,
    )
    from captain.review import (
        ReviewLoop as ReviewLoop,
    )
    from captain.review import (
        ReviewPolicy as ReviewPolicy,
    )
    from captain.sandbox import (
        Sandbox as Sandbox,
    )
    from captain.sandbox import (
        detect as detect,
    )
    from captain.tools import (
        Tool as Tool,
    )
    from captain.tools import (
        ToolContext as ToolContext,
    )
    from captain.tools import (
        ToolOutput as ToolOutput,
    )
    from captain.tools import (
        tool as tool,
    )

__version__ = "0.1.0"

_HOME = {
    "captain.agent": (
        "Agent",
        "AgentBuilder",
        "AgentResult",
        "BuildReport",
        "Builder",
        "Crewmate",
        "FixBrief",
        "Limits",
        "Transcript",
    ),
    "captain.api": (
        "Captain",
        "Crew",
        "Outcome",
        "Run",
        "run",
        "run_sync",
        "start",
    ),
    "captain.core.actions": ("Answer",),
    "captain.core.errors": (
        "BudgetExceededError",
        "CaptainError",
        "FileMissingError",
        "GitError",
        "JournalError",
        "ModelError",
        "ReplayError",
        "RunHeldError",
        "SandboxError",
        "SandboxUnavailableError",
        "ToolError",
        "UnfinishedEffectError",
        "UsageError",
        "WorkspaceError",
    ),
    "captain.core.events": (
        "Event",
        "Recorded",
    ),
    "captain.core.findings": (
        "Finding",
        "Proposal",
        "Review",
    ),
    "captain.core.policy": (
        "Guarantee",
        "Network",
        "Policy",
    ),
    "captain.core.tasks": (
        "Check",
        "CheckResult",
        "Criterion",
        "Diagnosis",
        "FollowUp",
        "Plan",
        "Scope",
        "Task",
    ),
    "captain.core.questions": ("Answered", "Question"),
    "captain.core.usage": (
        "Budget",
        "Spend",
        "Usage",
    ),
    "captain.guards": (
        "Approver",
        "FileChange",
        "Judgement",
        "ScopeGuard",
        "Shortcut",
        "ShortcutGuard",
    ),
    "captain.models": (
        "Model",
        "complete",
        "resolve",
    ),
    "captain.orchestration": ("Accept", "Edited", "Options", "PlanOffer", "Reject"),
    "captain.reports": (
        "RunView",
        "to_json",
        "to_markdown",
    ),
    "captain.review": (
        "BALANCED",
        "ECONOMY",
        "THOROUGH",
        "BuildFixer",
        "CommandFixer",
        "LoopReport",
        "ModelReviewer",
        "ReviewLoop",
        "ReviewPolicy",
        "Reviewer",
    ),
    "captain.sandbox": (
        "Sandbox",
        "detect",
    ),
    "captain.tools": (
        "Tool",
        "ToolContext",
        "ToolOutput",
        "tool",
    ),
}
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'captain' has no attribute {name!r}")
    value = getattr(import_module(_MODULE_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(["__version__", *_MODULE_OF])
