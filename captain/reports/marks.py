"""Untrusted text inside Markdown: it shows as written and is never markup."""

from __future__ import annotations

import re
import shlex
from typing import Final

from captain.reports.escape import one_line, visible

# An underscore inside a word is no emphasis in CommonMark, and `parse_date` reads better without a backslash.
_INLINE: Final = re.compile(r"[\\`*\[\]<>&|~]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
_LEADING: Final = re.compile(r"^(?=[-#+=])|^(\d+)(?=[.)])")

OUTPUT_LINES: Final = 20
"""Of a command's output, its end: failing test runners put what matters there."""


def plain(text: str, limit: int | None = None) -> str:
    """One line of text, for a list item, a heading or a table cell."""
    escaped = _INLINE.sub(r"\\\g<0>", one_line(text, limit))
    return _LEADING.sub(r"\1\\", escaped)


def code(text: str) -> str:
    """One line as a code span, with a fence longer than any run of backticks inside."""
    line = one_line(text)
    if not line:
        return "(empty)"
    fence = "`" * (_longest_run(line) + 1)
    padding = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{fence}{padding}{line}{padding}{fence}"


def fenced(text: str, info: str = "text", *, last_lines: int | None = None) -> list[str]:
    """A code block; `last_lines` keeps the end of long output and says what was left out."""
    lines = visible(text).rstrip("\n").split("\n")
    if last_lines is not None and len(lines) > last_lines:
        lines = [f"… {len(lines) - last_lines} lines before this …", *lines[-last_lines:]]
    fence = "`" * max(3, _longest_run("\n".join(lines)) + 1)
    return [fence + info, *lines, fence]


def quoted(text: str) -> list[str]:
    """Somebody's words: a quotation if they fit on one line, a code block otherwise."""
    stripped = visible(text).strip("\n")
    return fenced(stripped) if "\n" in stripped.strip() else [f"> {plain(stripped)}"]


def shell(*arguments: str) -> str:
    """A command a person can paste."""
    return one_line(shlex.join(arguments))


def _longest_run(text: str) -> int:
    return max((len(run) for run in re.findall("`+", text)), default=0)
