"""The user's repository and agents' private copies of it: `Repository`, `Workspaces`, and the import gate between."""

from captain.workspace.contents import Contents, LeftOut, read_contents
from captain.workspace.judging import judge, work_tree
from captain.workspace.quarantine import ImportRefusedError
from captain.workspace.reclaiming import Salvaged, reclaim
from captain.workspace.repository import MergeResult, RefMove, Repository
from captain.workspace.stacking import Conflict, Marked, Restacked, as_one_commit, collisions, restack, restack_marked
from captain.workspace.workspaces import Workspace, Workspaces

__all__ = [
    "Conflict",
    "Contents",
    "ImportRefusedError",
    "LeftOut",
    "Marked",
    "MergeResult",
    "RefMove",
    "Repository",
    "Restacked",
    "Salvaged",
    "Workspace",
    "Workspaces",
    "as_one_commit",
    "collisions",
    "judge",
    "read_contents",
    "reclaim",
    "restack",
    "restack_marked",
    "work_tree",
]
