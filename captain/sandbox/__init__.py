"""Where agents' commands run: `Sandbox` opens a `Box`, a `Box` runs commands and touches files."""

from captain.sandbox.box import OUTPUT_LIMIT_BYTES, Box, ExecResult, Policy
from captain.sandbox.sandbox import Sandbox

__all__ = ["OUTPUT_LIMIT_BYTES", "Box", "ExecResult", "Policy", "Sandbox"]
