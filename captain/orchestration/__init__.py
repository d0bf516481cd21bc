"""Orchestration: open, triage, plan, delegate and integrate one request."""

from captain.orchestration.carry import carry
from captain.orchestration.context import Options, Team, Voyage
from captain.orchestration.opening import Setting, open_voyage, resume_voyage

__all__ = ["Options", "Setting", "Team", "Voyage", "carry", "open_voyage", "resume_voyage"]
