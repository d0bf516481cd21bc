"""Public fakes for tests of what is built on Captain: models that follow a script, time, repositories.

`JournalContract` is the suite that every journal has to pass, `StoreContract` that of journal stores, and
`HoldContract` that of stores which several processes may open.
"""

from captain.models import Recording, Replaying, ScriptedModel, ScriptedReply, call, load_script
from captain.testing.clock import FakeClock
from captain.testing.contracts import HoldContract, JournalContract, StoreContract
from captain.testing.repositories import git, make_repository

__all__ = [
    "FakeClock",
    "HoldContract",
    "JournalContract",
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
