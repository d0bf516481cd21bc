"""Models: the one road to them, adapters to servers, scripts, recordings, names and prices."""

from captain.models.base import Model, Profile, complete
from captain.models.openai_chat import OpenAIChat
from captain.models.prices import cost_usd
from captain.models.recorded import Recording, Replaying
from captain.models.resolve import resolve
from captain.models.script_file import load_script
from captain.models.scripted import ScriptedModel, ScriptedReply, call

__all__ = [
    "Model",
    "OpenAIChat",
    "Profile",
    "Recording",
    "Replaying",
    "ScriptedModel",
    "ScriptedReply",
    "call",
    "complete",
    "cost_usd",
    "load_script",
    "resolve",
]
