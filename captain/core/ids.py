"""Names for runs and the refs they leave in a repository."""

from __future__ import annotations

import re
import secrets
from datetime import UTC, datetime

_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"  # no look-alikes: people type these
_RUN_ID = re.compile(rf"(\d{{8}}-\d{{6}})-[{_ALPHABET}]{{4}}", re.ASCII)


def new_run_id(now: datetime) -> str:
    """Sorts by time and fits in a branch name, for example `20261121-160512-k3f9`."""
    return now.strftime("%Y%m%d-%H%M%S-") + "".join(secrets.choice(_ALPHABET) for _ in range(4))


def began_at(run: str) -> datetime | None:
    """When a run with that id began, in UTC; None if it is no id of a run."""
    found = _RUN_ID.fullmatch(run)
    if found is None:
        return None
    try:
        return datetime.strptime(found[1], "%Y%m%d-%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return None


def base_ref(run: str) -> str:
    return f"refs/captain/{run}/base"


def snapshot_ref(run: str, task: str, number: int) -> str:
    return f"refs/captain/{run}/task/{task}/{number}"


def checkpoint_ref(run: str, name: str) -> str:
    """Keeps what a workspace held after the last step that changed it."""
    return f"refs/captain/{run}/checkpoint/{name}"


def drift_ref(run: str, task: str, number: int) -> str:
    return f"refs/captain/{run}/drift/{task}/{number}"


def rejected_ref(run: str, name: str) -> str:
    return f"refs/captain/{run}/rejected/{name}"


def attempt_ref(run: str, name: str) -> str:
    """Keeps a fix of a review loop, whether it stayed or was undone."""
    return f"refs/captain/{run}/attempt/{name}"


def review_ref(run: str, name: str) -> str:
    """Keeps what a review loop hands back."""
    return f"refs/captain/{run}/review/{name}"


def salvaged_ref(run: str, name: str) -> str:
    return f"refs/captain/{run}/salvaged/{name}"


def repaired_ref(run: str, name: str) -> str:
    """Keeps a task's work after it was made to fit what was accepted before it."""
    return f"refs/captain/{run}/repaired/{name}"


def onto_ref(run: str, name: str) -> str:
    """Keeps what a task's branch is to be put onto by hand."""
    return f"refs/captain/{run}/onto/{name}"


def superseded_ref(run: str, commit: str) -> str:
    """Keeps a result that gave way to one with more in it."""
    return f"refs/captain/{run}/superseded/{commit[:12]}"


def restacked_ref(run: str, task: str, number: int) -> str:
    """Keeps a task's branch as it was before it was put onto something else."""
    return f"refs/captain/{run}/restacked/{task}/{number}"


def start_ref(run: str, task: str) -> str:
    """Keeps the commit that a task's branch stands on, once that is another than the run has on record."""
    return f"refs/captain/{run}/start/{task}"


def task_branch(run: str, task: str) -> str:
    return f"captain/{run}/task/{task}"


def result_branch(run: str) -> str:
    return f"captain/{run}/result"
