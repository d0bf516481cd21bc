"""Runs that leave a record: the journal, the ledger, and the folder they live in."""

from captain.runs.entries import Entry, MemoryStore, Store
from captain.runs.holds import Holder
from captain.runs.inbox import AddMessage, AnswerMessage, CancelMessage, Inbox, Message, SteerMessage, post, posted
from captain.runs.intents import Effect, Happened, Intent, Repeat, Settle, Unfinished, refuse
from captain.runs.journal import Journal, RunJournal
from captain.runs.ledger import Ledger, spans_of, spent_of, worked_s
from captain.runs.replay import ReplayJournal, came_to_an_end
from captain.runs.state import (
    Project,
    StoredRun,
    default_state_dir,
    find_run,
    readable_runs,
    stored_projects,
    stored_runs,
)
from captain.runs.writer import SqliteStore

__all__ = [
    "AddMessage",
    "AnswerMessage",
    "CancelMessage",
    "Effect",
    "Entry",
    "Happened",
    "Holder",
    "Inbox",
    "Intent",
    "Journal",
    "Ledger",
    "MemoryStore",
    "Message",
    "Project",
    "Repeat",
    "ReplayJournal",
    "RunJournal",
    "Settle",
    "SqliteStore",
    "SteerMessage",
    "Store",
    "StoredRun",
    "Unfinished",
    "came_to_an_end",
    "default_state_dir",
    "find_run",
    "post",
    "posted",
    "readable_runs",
    "refuse",
    "spans_of",
    "spent_of",
    "stored_projects",
    "stored_runs",
    "worked_s",
]
