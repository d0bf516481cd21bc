"""Running commands in the workspace. A command that fails is an answer, not an error."""

from __future__ import annotations

from typing import Annotated, Final

from captain.core.errors import ToolError
from captain.core.messages import Text
from captain.sandbox import ExecResult, ShellResult
from captain.tools.base import ToolContext, ToolOutput, tool

OUTPUT_LIMIT_CHARS: Final = 16_000


@tool(effect="execute")
async def shell(
    context: ToolContext,
    command: Annotated[str, "A shell command line for bash."],
    timeout_s: Annotated[float, "Seconds after which the command, and the shell with all it started, is stopped."] = (
        120.0
    ),
) -> ToolOutput:
    """Runs a command in a shell that stays, and shows its exit code and output.

    The shell starts at the root of the repository. Its folder, variables, functions and background processes
    carry over to the next call; `set -e` and `set -u` hold for one command. Commands cannot read input.
    """
    if not command.strip():
        raise ToolError("`command` is empty.")
    limit_s = max(1.0, min(timeout_s, context.command_timeout_s))
    shell = await context.box.shell()
    # as many bytes as characters are shown, so that whatever is left out is in the file
    result = await shell.run(command, timeout_s=limit_s, limit_bytes=OUTPUT_LIMIT_CHARS)
    told = _told(result, str(context.box.root))
    return ToolOutput(content=(Text(text=told),), failed=result.exit_code != 0)


def _told(result: ShellResult, root: str) -> str:
    facts = [] if result.exit_code is None else [f"exit code {result.exit_code}"]
    if result.folder and result.folder != root:
        facts.append(f"now in {result.folder}")
    if result.omitted_bytes:
        kept = f"; all of it is in {result.spill}, for the shell to read" if result.spill else ""
        facts.append(f"{result.omitted_bytes} bytes of output left out{kept}")
    return _headed(" ".join([*filter(None, ["; ".join(facts)]), *filter(None, [result.ended])]), result.text)


def describe(result: ExecResult, timeout_s: float) -> str:
    """What an agent is told of a finished command that ran by itself."""
    ending = (
        f"stopped after {timeout_s:g} s, with everything it had started"
        if result.timed_out
        else f"exit code {result.exit_code}"
    )
    if result.omitted_bytes:
        ending += f"; {result.omitted_bytes} bytes of output left out"
    return _headed(ending, clip(result.text, OUTPUT_LIMIT_CHARS))


def _headed(ending: str, body: str) -> str:
    return f"({ending})\n{body}" if body.strip() else f"({ending}, no output)"


def clip(text: str, limit: int) -> str:
    """The head and the tail of a text that is longer than `limit` characters."""
    if len(text) <= limit:
        return text
    head, tail = limit // 3, limit - limit // 3
    return f"{text[:head]}\n… {len(text) - limit} characters left out …\n{text[-tail:]}"
