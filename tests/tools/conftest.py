"""A real box on a real repository."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from captain.core.messages import Text
from captain.sandbox.local import LocalBox
from captain.testing import make_repository
from captain.tools import Tool, ToolContext, ToolOutput

Use: TypeAlias = Callable[..., Awaitable[str]]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_repository(tmp_path / "repo", {"README.md": "# Read me\n", ".gitignore": "*.log\nbuild/\n"})


@pytest.fixture
async def context(root: Path) -> AsyncIterator[ToolContext]:
    box = LocalBox(root, {})
    yield ToolContext(maybe_box=box)
    await box.close()


@pytest.fixture
def use(context: ToolContext) -> Use:
    """Calls a tool as an agent does and gives the text of its output."""

    async def call(tool: Tool, **arguments: Any) -> str:
        return text_of(await tool.call(arguments, context))

    return call


def text_of(output: ToolOutput) -> str:
    return "".join(part.text for part in output.content if isinstance(part, Text))
