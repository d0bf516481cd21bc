"""Limits around a Build agent, as plain functions that can be used alone."""

from captain.guards.contradictions import idle
from captain.guards.judgement import Decision, Judgement, Ruling, Sources
from captain.guards.names import shown
from captain.guards.overlap import overlap
from captain.guards.protected import PROTECTED, Protection
from captain.guards.relevance import Relevance, relevance
from captain.guards.scope import KINDS, ScopeGuard, problems

__all__ = [
    "KINDS",
    "PROTECTED",
    "Decision",
    "Judgement",
    "Protection",
    "Relevance",
    "Ruling",
    "ScopeGuard",
    "Sources",
    "idle",
    "overlap",
    "problems",
    "relevance",
    "shown",
]
