"""HTML becomes text that can be read, however it is written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from captain.tools.readable import readable

PAGE = """<!doctype html><html><head><title>T</title><style>p{color:red}</style></head><body>
<!-- a comment with <b>tags</b> -->
<script>if (a < b) { alert("<p>no</p>") }</SCRIPT>
<h1>The   harbour</h1><p>Ships &amp; boats,
see <a href="/tides?x=1&amp;y=2">the tides</a> or <a href='#top'>top</a>.</p>
<ul><li>one<li>two</ul>
<table><tr><th>a</th><td>b</td></tr></table>
<pre>def f():
    return 1 &lt; 2
</pre><p>3 < 4 &nosuch; &#x41;</p></body></html>"""


def test_a_page_reads_as_text_with_its_links() -> None:
    assert readable(PAGE, "https://docs.example.org/a/b") == (
        "# The harbour\n\n"
        "Ships & boats, see [the tides](https://docs.example.org/tides?x=1&y=2) or top.\n\n"
        "- one\n- two\n\n\n | a | b\n\n\ndef f():\n    return 1 < 2\n\n\n3 < 4 &nosuch; A"
    ).replace("\n\n\n", "\n\n").replace("\n\n\n", "\n\n")


@given(st.text(st.sampled_from("<>/!-abpre \"'=&;#x\n")))
def test_no_page_however_broken_is_an_error(page: str) -> None:
    assert isinstance(readable(page, "https://docs.example.org/"), str)


@pytest.mark.parametrize(
    "unit", ["<", "<!--", "<a ", '<a x="', "<!", "</", "<script>", "<pre>", "&#", "<a href=x>", "< "]
)
def test_a_hostile_page_of_a_megabyte_is_read_to_its_end(unit: str) -> None:
    # The standard library's parser would take days for some of these.
    assert "end" in readable("<p>end</p>" + unit * (1_000_000 // len(unit)), "https://docs.example.org/")
