"""Limits around a Build agent, as plain functions that can be used alone."""

from captain.guards.contradictions import idle
from captain.guards.desk import Approver, PermissionDesk, refusal
from captain.guards.grants import GrantBook, command_as_it_is
from captain.guards.judgement import Judgement, Ruling, Sources, Standing
from captain.guards.names import shown
from captain.guards.overlap import overlap
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

__all__ = [
    "KINDS",
    "PROTECTED",
    "AgentRule",
    "Approver",
    "CommandRule",
    "GrantBook",
    "Hook",
    "HostRule",
    "Judgement",
    "PermissionDesk",
    "Protection",
    "RefRule",
    "Relevance",
    "Rule",
    "Ruling",
    "ScopeGuard",
    "ScopeRule",
    "SecretRule",
    "ServerRule",
    "Sources",
    "SpendRule",
    "Standing",
    "command_as_it_is",
    "decide",
    "idle",
    "narrow",
    "overlap",
    "problems",
    "refusal",
    "relevance",
    "shown",
    "tightened",
]
