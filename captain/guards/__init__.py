"""Limits around a Build agent, as plain functions that can be used alone."""

from captain.guards.desk import Approver, PermissionDesk, refusal
from captain.guards.grants import GrantBook, command_as_it_is
from captain.guards.permissions import Hook, decide, narrow, tightened
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
from captain.guards.scope import ScopeGuard, overlap, problems

__all__ = [
    "AgentRule",
    "Approver",
    "CommandRule",
    "GrantBook",
    "Hook",
    "HostRule",
    "PermissionDesk",
    "RefRule",
    "Rule",
    "ScopeGuard",
    "ScopeRule",
    "SecretRule",
    "ServerRule",
    "SpendRule",
    "command_as_it_is",
    "decide",
    "narrow",
    "overlap",
    "problems",
    "refusal",
    "tightened",
]
