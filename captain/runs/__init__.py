"""Runs that leave a record: the journal, the ledger, and the folder they live in."""

from captain.runs.journal import Entry, Journal, MemoryStore, Store
from captain.runs.ledger import Ledger
from captain.runs.sqlite import SqliteStore
from captain.runs.state import Project, StoredRun, default_state_dir, find_run, stored_projects, stored_runs

__all__ = [
    "Entry",
    "Journal",
    "Ledger",
    "MemoryStore",
    "Project",
    "SqliteStore",
    "Store",
    "StoredRun",
    "default_state_dir",
    "find_run",
    "stored_projects",
    "stored_runs",
]
