"""Commands are answered with what they did; nothing of them is left over."""

from __future__ import annotations

from pathlib import Path

import pytest

from captain.core.errors import ToolError
from captain.sandbox.local import LocalBox
from captain.tools import ToolContext, clip, shell
from captain.tools.shell import OUTPUT_LIMIT_CHARS
from tests.tools.conftest import Use, text_of
from tests.waiting import line_in, runs, until


async def test_a_command_that_fails_is_an_answer(use: Use) -> None:
    assert await use(shell, command="echo out; echo err >&2; (exit 3)") == "(exit code 3)\nout\nerr\n"
    assert await use(shell, command="true") == "(exit code 0, no output)"
    assert (await use(shell, command="no-such-program")).startswith("(exit code 127)\n")
    assert (await use(shell, command="sh -c 'kill -9 $$'")).startswith("(exit code 137")


async def test_the_shell_starts_at_the_root_of_the_repository_and_stays(root: Path, use: Use) -> None:
    assert await use(shell, command="pwd; mkdir sub; cd sub; X=1") == f"(exit code 0; now in {root}/sub)\n{root}\n"
    assert await use(shell, command="echo $X; cd ..") == "(exit code 0)\n1\n"


async def test_a_command_that_ends_the_shell_says_so(use: Use) -> None:
    said = await use(shell, command="X=1; echo before; exit 3")
    assert said.startswith("(The command ended the shell with exit code 3. The next command starts a new one, ")
    assert said.endswith(")\nbefore\n")
    assert await use(shell, command='echo "<$X>"') == "(exit code 0)\n<>\n"


async def test_a_command_that_reads_gets_the_end_at_once(use: Use) -> None:
    assert await use(shell, command="cat; read x || echo nothing") == "(exit code 0)\nnothing\n"


async def test_an_empty_command_is_refused(use: Use) -> None:
    with pytest.raises(ToolError, match="empty"):
        await use(shell, command=" \n")


async def test_a_command_past_its_time_is_stopped_with_all_it_started(root: Path, use: Use, tmp_path: Path) -> None:
    told = tmp_path / "pid"
    said = await use(shell, command=f"sleep 1000 & echo $! > {told}; echo started; wait", timeout_s=1)
    assert said.startswith("(The command was not done after 1 s, and the shell was stopped with all it had started. ")
    assert said.endswith(")\nstarted\n")
    child = int(await line_in(told))
    await until(lambda: not runs(child))


async def test_a_time_limit_is_no_longer_than_the_run_allows(root: Path) -> None:
    box = LocalBox(root, {})
    said = text_of(
        await shell.call({"command": "sleep 1000", "timeout_s": 900}, ToolContext(maybe_box=box, command_timeout_s=1.0))
    )
    await box.close()
    assert said.startswith("(The command was not done after 1 s")


async def test_huge_output_is_cut_in_the_middle_and_says_where_the_whole_is(use: Use) -> None:
    said = await use(shell, command="echo first; yes x | head -c 3000000; echo last")
    assert len(said) < OUTPUT_LIMIT_CHARS + 300
    head, _, body = said.partition("\n")
    assert "bytes of output left out; all of it is in /" in head
    assert body.startswith("first\nx\n")
    assert "bytes omitted" in body
    assert body.endswith("x\nlast\n")
    spill = head.partition(" is in ")[2].partition(",")[0]
    assert await use(shell, command=f"wc -c < {spill}") == "(exit code 0)\n3000011\n"


async def test_output_that_is_no_text_can_be_told(use: Use) -> None:
    assert await use(shell, command=r"printf '\377\n'") == "(exit code 0)\n�\n"


def test_text_is_clipped_to_its_head_and_tail() -> None:
    assert clip("abc", 3) == "abc"
    assert clip("a" * 10 + "b" * 10, 9) == "aaa\n… 11 characters left out …\nbbbbbb"
