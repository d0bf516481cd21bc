"""Where agents' commands run: `Sandbox` opens a `Box`, a `Box` runs commands and touches files."""

from captain.core.policy import Guarantee, Limits, Network, Policy
from captain.sandbox.box import OUTPUT_LIMIT_BYTES, Box, ExecResult, FilePart, Shell, ShellResult
from captain.sandbox.detection import REQUIRED, Machine, detect, inspect_machine, sandboxes
from captain.sandbox.egress import Authority, Egress, EgressRefusedError, Internet, Outside
from captain.sandbox.environment import secret_variables
from captain.sandbox.place import Layers
from captain.sandbox.sandbox import Sandbox

__all__ = [
    "OUTPUT_LIMIT_BYTES",
    "REQUIRED",
    "Authority",
    "Box",
    "Egress",
    "EgressRefusedError",
    "ExecResult",
    "FilePart",
    "Guarantee",
    "Internet",
    "Layers",
    "Limits",
    "Machine",
    "Network",
    "Outside",
    "Policy",
    "Sandbox",
    "Shell",
    "ShellResult",
    "detect",
    "inspect_machine",
    "sandboxes",
    "secret_variables",
]
