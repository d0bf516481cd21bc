"""Orchestration: open, triage, plan, delegate and integrate one request."""

from captain.orchestration.approval import Accept, Approval, Edited, PlanApprover, PlanOffer, Reject, Reply
from captain.orchestration.carry import carry
from captain.orchestration.context import Options, Team, Voyage
from captain.orchestration.listening import listening
from captain.orchestration.opening import Setting, open_voyage, resume_voyage
from captain.orchestration.replay import differing, replay
from captain.orchestration.restack_run import RestackOrder
from captain.orchestration.settings import RunSettings, settings_of

__all__ = [
    "Accept",
    "Approval",
    "Edited",
    "Options",
    "PlanApprover",
    "PlanOffer",
    "Reject",
    "Reply",
    "RestackOrder",
    "RunSettings",
    "Setting",
    "Team",
    "Voyage",
    "carry",
    "differing",
    "listening",
    "open_voyage",
    "replay",
    "resume_voyage",
    "settings_of",
]
