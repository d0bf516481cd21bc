"""Where agents' commands run: `Sandbox` opens a `Box`, a `Box` runs commands and touches files."""

from captain.core.policy import Guarantee, Limits, Network, Policy
from captain.sandbox.box import OUTPUT_LIMIT_BYTES, Box, ExecResult, FilePart, Shell, ShellResult
from captain.sandbox.egress import Authority, Egress, EgressRefusedError, Internet, Outside
from captain.sandbox.environment import secret_variables
from captain.sandbox.sandbox import Sandbox

__all__ = [
    "OUTPUT_LIMIT_BYTES",
    "Authority",
    "Box",
    "Egress",
    "EgressRefusedError",
    "ExecResult",
    "FilePart",
    "Guarantee",
    "Internet",
    "Limits",
    "Network",
    "Outside",
    "Policy",
    "Sandbox",
    "Shell",
    "ShellResult",
    "secret_variables",
]
