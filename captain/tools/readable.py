"""HTML as text that can be read: headings, lists, code and links, without what only a browser needs.

The standard library's parser was not taken: its time grows with the square of what a hostile page holds (15 s
for 40,000 characters of `<a `). Here every character is passed once, and a tag that does not end soon is text.
"""

from __future__ import annotations

import html
import re
from typing import Final
from urllib.parse import urljoin

_LONGEST_TAG: Final = 4096
_NAME: Final = re.compile(r"/?([a-zA-Z][a-zA-Z0-9]{0,15})")
_HREF: Final = re.compile(r"\shref\s?=\s?(?:\"([^\"]*)\"|'([^']*)'|([^\s\"'>]+))", re.IGNORECASE)
_SKIPPED: Final = frozenset({"script", "style", "svg", "noscript", "template", "iframe", "math", "head"})
_BLOCKS: Final = frozenset(
    {
        *(
            "p",
            "div",
            "section",
            "article",
            "main",
            "header",
            "footer",
            "nav",
            "aside",
            "table",
            "tr",
            "ul",
            "ol",
            "dl",
        ),
        *("dt", "dd", "blockquote", "figure", "form", "br", "hr", "pre", "li", "h1", "h2", "h3", "h4", "h5", "h6"),
    }
)
_SPACES: Final = re.compile(r"[ \t\r\n\f]+")


def readable(page: str, url: str) -> str:
    """The text of a page; links are written out, seen from `url`."""
    return _Reader(page, url).read()


class _Reader:
    def __init__(self, page: str, url: str) -> None:
        self._page = page
        self._folded = page.lower() if page.isascii() else "".join(c.lower() if c.isascii() else c for c in page)
        self._url = url
        self._said: list[str] = []
        self._verbatim = 0
        self._link = ""

    def read(self) -> str:
        page, place = self._page, 0
        while place < len(page):
            start = page.find("<", place)
            if start < 0:
                self._text(page[place:])
                break
            self._text(page[place:start])
            place = self._markup(start)
        lines = "".join(self._said).split("\n")
        return re.sub(r"\n{3,}", "\n\n", "\n".join(line.rstrip() for line in lines)).strip()

    def _markup(self, start: int) -> int:
        """Takes in what begins with the `<` at `start`; where it goes on."""
        page = self._page
        if page.startswith("<!--", start):
            end = page.find("-->", start)
            return len(page) if end < 0 else end + 3
        end = page.find(">", start, start + _LONGEST_TAG)
        named = _NAME.match(page, start + 1)
        if end < 0 or (named is None and page[start + 1] not in "!?"):
            self._text("<")
            return start + 1
        if named is None:
            return end + 1
        name, closes = named[1].lower(), page[start + 1] == "/"
        if name in _SKIPPED and not closes:
            end = self._folded.find(f"</{name}", end)
            return len(page) if end < 0 else end
        self._tag(name, page[start:end], closes=closes)
        return end + 1

    def _tag(self, name: str, tag: str, *, closes: bool) -> None:
        if name in _BLOCKS:
            self._said.append("\n")
        if name == "pre":
            self._verbatim = max(0, self._verbatim + (-1 if closes else 1))
        elif name == "a":
            self._anchor(tag, closes=closes)
        elif not closes and name == "li":
            self._said.append("- ")
        elif not closes and name in ("td", "th"):
            self._said.append(" | ")
        elif not closes and len(name) == 2 and name[0] == "h" and name[1].isdigit():
            self._said.append("\n" + "#" * int(name[1]) + " ")

    def _anchor(self, tag: str, *, closes: bool) -> None:
        if closes:
            self._said.append(f"]({self._link})" if self._link else "")
            self._link = ""
            return
        found = _HREF.search(tag)
        target = html.unescape(next(filter(None, found.groups()), "")) if found else ""
        if target and not target.startswith("#") and not self._link:
            try:
                self._link = urljoin(self._url, target)
            except ValueError:
                return
            self._said.append("[")

    def _text(self, text: str) -> None:
        if text:
            plain = html.unescape(text)
            self._said.append(plain if self._verbatim else _SPACES.sub(" ", plain))
