"""Public fakes for tests of what is built on Captain: models that follow a script, time, repositories.

`StoreContract` is the suite every journal store has to pass.
"""

from captain.models import Recording, Replaying, ScriptedModel, ScriptedReply, call, load_script
from captain.testing.clock import FakeClock
from captain.testing.contracts import StoreContract
from captain.testing.repositories import git, make_repository

__all__ = [
    "FakeClock",
    "Recording",
    "Replaying",
    "ScriptedModel",
    "ScriptedReply",
    "StoreContract",
    "call",
    "git",
    "load_script",
    "make_repository",
]
