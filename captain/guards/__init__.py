"""Limits around a Build agent, as plain functions that can be used alone."""

from captain.guards.contradictions import idle
from captain.guards.desk import Approver, PermissionDesk, refusal
from captain.guards.grants import GrantBook, command_as_it_is
from captain.guards.judgement import Judgement, Ruling, Sources, Standing
from captain.guards.names import shown
from captain.guards.overlap import Reach, overlap
from captain.guards.permissions import Hook, decide, narrow, tightened
from captain.guards.protected import PROTECTED, Protection
from captain.guards.relevance import Relevance, relevance
from captain.guards.rules import (
    AgentRule,
    CommandRule,
    HostRule,
    RefRule,
    Rule,
    ScopeRule,
    SecretRule,
    ServerRule,
    SpendRule,
)
from captain.guards.scope import KINDS, ScopeGuard, problems
from captain.guards.shortcuts import FileChange, Shortcut, ShortcutGuard, find_shortcuts

__all__ = [
    "KINDS",
    "PROTECTED",
    "AgentRule",
    "Approver",
    "CommandRule",
    "FileChange",
    "GrantBook",
    "Hook",
    "HostRule",
    "Judgement",
    "PermissionDesk",
    "Protection",
    "Reach",
    "RefRule",
    "Relevance",
    "Rule",
    "Ruling",
    "ScopeGuard",
    "ScopeRule",
    "SecretRule",
    "ServerRule",
    "Shortcut",
    "ShortcutGuard",
    "Sources",
    "SpendRule",
    "Standing",
    "command_as_it_is",
    "decide",
    "find_shortcuts",
    "idle",
    "narrow",
    "overlap",
    "problems",
    "refusal",
    "relevance",
    "shown",
    "tightened",
]
