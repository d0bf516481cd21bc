"""Running commands in the workspace. A command that fails is an answer, not an error."""

from __future__ import annotations

from typing import Annotated, Final

from captain.core.errors import ToolError
from captain.sandbox import ExecResult
from captain.tools.base import ToolContext, ToolOutput, said, tool

OUTPUT_LIMIT_CHARS: Final = 16_000


@tool(effect="execute")
async def shell(
    context: ToolContext,
    command: Annotated[str, "A shell command line, run at the root of the repository."],
    timeout_s: Annotated[float, "Seconds after which the command and all it started is stopped."] = 120.0,
) -> ToolOutput:
    """Runs a command and shows its exit code and output. Each call starts a new shell."""
    if not command.strip():
        raise ToolError("`command` is empty.")
    limit_s = max(1.0, min(timeout_s, context.command_timeout_s))
    return said(describe(await context.box.run_shell(command, timeout_s=limit_s), limit_s))


def describe(result: ExecResult, timeout_s: float) -> str:
    """What an agent is told of a finished command."""
    ending = (
        f"stopped after {timeout_s:g} s, with everything it had started"
        if result.timed_out
        else f"exit code {result.exit_code}"
    )
    body = clip(result.text, OUTPUT_LIMIT_CHARS)
    if result.omitted_bytes:
        ending += f"; {result.omitted_bytes} bytes of output left out"
    return f"({ending})\n{body}" if body.strip() else f"({ending}, no output)"


def clip(text: str, limit: int) -> str:
    """The head and the tail of a text that is longer than `limit` characters."""
    if len(text) <= limit:
        return text
    head, tail = limit // 3, limit - limit // 3
    return f"{text[:head]}\n… {len(text) - limit} characters left out …\n{text[-tail:]}"
