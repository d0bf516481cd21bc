"""Limits around a Build agent, as plain functions that can be used alone."""

from captain.guards.judgement import Decision, Judgement, Ruling, Sources
from captain.guards.overlap import overlap
from captain.guards.protected import PROTECTED, Protection
from captain.guards.scope import KINDS, ScopeGuard, problems

__all__ = [
    "KINDS",
    "PROTECTED",
    "Decision",
    "Judgement",
    "Protection",
    "Ruling",
    "ScopeGuard",
    "Sources",
    "overlap",
    "problems",
]
