"""The command line: the only part of Captain that prints, prompts, and reads configuration."""

from __future__ import annotations


def main() -> None:
    """The `captain` command."""
    import sys

    from captain.cli.boundary import guarded

    sys.exit(guarded(sys.argv[1:]))
