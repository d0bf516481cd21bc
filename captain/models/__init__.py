"""Models: the one road to them, adapters to servers, scripts, recordings, names and prices."""

from captain.models.anthropic_messages import AnthropicMessages
from captain.models.base import Model, Profile, complete, secrets_of
from captain.models.fallback import Fallback, Switched
from captain.models.hedged import Hedge, Hedged
from captain.models.latency import Percentiles
from captain.models.limited import Limited
from captain.models.metered import CallRecord, Latency, Metered
from captain.models.openai_chat import OpenAIChat
from captain.models.openai_responses import OpenAIResponses
from captain.models.outfit import outfit
from captain.models.outfitter import Outfitter
from captain.models.prices import cost_usd, reply_cost_usd
from captain.models.rate_gate import RateGate
from captain.models.recorded import Recording, Replaying
from captain.models.resolve import resolve
from captain.models.retrying import Retry, Retrying, Waiting
from captain.models.script_file import load_script
from captain.models.scripted import ScriptedModel, ScriptedReply, call

__all__ = [
    "AnthropicMessages",
    "CallRecord",
    "Fallback",
    "Hedge",
    "Hedged",
    "Latency",
    "Limited",
    "Metered",
    "Model",
    "OpenAIChat",
    "OpenAIResponses",
    "Outfitter",
    "Percentiles",
    "Profile",
    "RateGate",
    "Recording",
    "Replaying",
    "Retry",
    "Retrying",
    "ScriptedModel",
    "ScriptedReply",
    "Switched",
    "Waiting",
    "call",
    "complete",
    "cost_usd",
    "load_script",
    "outfit",
    "reply_cost_usd",
    "resolve",
    "secrets_of",
]
