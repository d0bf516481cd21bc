"""Limits around a Build agent, as plain functions that can be used alone."""

from captain.guards.scope import ScopeGuard, overlap, problems

__all__ = ["ScopeGuard", "overlap", "problems"]
