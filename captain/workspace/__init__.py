"""The user's repository and agents' private copies of it: `Repository`, `Workspaces`, and the import gate between."""

from captain.workspace.contents import Contents, LeftOut, read_contents
from captain.workspace.judging import judge, work_tree
from captain.workspace.quarantine import ImportRefusedError
from captain.workspace.reclaiming import Salvaged, reclaim
from captain.workspace.repository import MergeResult, Repository
from captain.workspace.workspaces import Workspace, Workspaces

__all__ = [
    "Contents",
    "ImportRefusedError",
    "LeftOut",
    "MergeResult",
    "Repository",
    "Salvaged",
    "Workspace",
    "Workspaces",
    "judge",
    "read_contents",
    "reclaim",
    "work_tree",
]
