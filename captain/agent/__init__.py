"""Agents: the turn loop, who carries out tasks, and what keeps both within bounds."""

from captain.agent.advice import Advisor
from captain.agent.builder import AgentBuilder, Builder, BuildReport, FixBrief
from captain.agent.crewmate import Crewmate
from captain.agent.limits import Limits
from captain.agent.loop import Agent, AgentResult, Ending
from captain.agent.window import Transcript

__all__ = [
    "Advisor",
    "Agent",
    "AgentBuilder",
    "AgentResult",
    "BuildReport",
    "Builder",
    "Crewmate",
    "Ending",
    "FixBrief",
    "Limits",
    "Transcript",
]
