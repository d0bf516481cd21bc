"""The pages a reader sees, and what is in them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
PAGES: Final = tuple(sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]))

_FENCE: Final = re.compile(r"^(?P<indent> *)```(?P<language>.*)$")
_HEADING: Final = re.compile(r"^#{1,6} (.+)$")
_LINK: Final = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """`first_line` is the number, from 1, of the first line inside the fence."""

    language: str
    first_line: int
    text: str


def name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def blocks(page: Path) -> Iterator[Block]:
    open_at, language, inside = 0, "", list[str]()
    for number, line in enumerate(page.read_text("utf-8").splitlines(), 1):
        fence = _FENCE.match(line)
        if not fence:
            inside.append(line)
        elif open_at:
            yield Block(language=language, first_line=open_at + 1, text="\n".join(inside) + "\n")
            open_at = 0
        else:
            open_at, language, inside = number, fence["language"].strip(), []


def prose(page: Path) -> str:
    """The page without what stands between fences."""
    kept, inside = [], False
    for line in page.read_text("utf-8").splitlines():
        if _FENCE.match(line):
            inside = not inside
        elif not inside:
            kept.append(line)
    return "\n".join(kept)


def program(page: Path) -> str:
    """All Python blocks of a page, each line at the number it has there."""
    lines = [""] * len(page.read_text("utf-8").splitlines())
    for block in blocks(page):
        if block.language == "python":
            inside = block.text.splitlines()
            lines[block.first_line - 1 : block.first_line - 1 + len(inside)] = inside
    return "\n".join(lines) + "\n"


def links(page: Path) -> list[str]:
    return _LINK.findall(prose(page))


def anchors(page: Path) -> set[str]:
    """As GitHub makes them of headings."""
    headings = (match[1] for line in prose(page).splitlines() if (match := _HEADING.match(line)))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
