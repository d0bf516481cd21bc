"""A Chat Completions server that plays a whole crew, so that what the pages show runs as it stands.

It knows one request: a `parse_date` in `dates.py` that takes ISO week dates.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, Final

from tests.models.wire import call_delta, chunk, sse, usage_chunk

FILES: Final = {
    "dates.py": "from datetime import date\n\n\ndef parse_date(text):\n    return date(*map(int, text.split('-')))\n"
}

_WEEKS: Final = "from datetime import date\n\n\ndef parse_date(text):\n    return date.fromisoformat(text)\n"
_TASK: Final = {
    "id": "T1",
    "title": "Take ISO week dates",
    "kind": "change",
    "brief": "parse_date in dates.py has to take 2026-W47-6 as well.",
    "paths": ["/dates.py"],
    "criteria": [{"text": "Week dates are taken.", "evidence": "the new line"}],
}

Said = tuple[str, dict[str, Any]] | str


@contextmanager
def crew_server() -> Iterator[str]:
    """Its URL."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _answer(asked: dict[str, Any]) -> Said:
    """What the crew says next, by who is asked and what happened so far."""
    tools = {tool["function"]["name"] for tool in asked.get("tools", ())}
    last = asked["messages"][-1]
    if "submit_review" in tools:
        return "submit_review", {
            "summary": "Fine.",
            "findings": [],
            "evidence": [{"criterion": "T1.1", "shown_by": "it"}],
        }
    if "submit_plan" in tools and "submit_plan" in str(last["content"]):
        return "submit_plan", {"summary": "One task.", "tasks": [_TASK]}
    if "submit_triage" in tools:
        return "submit_triage", {"kind": "change", "reason": "Something new is wanted."}
    if "write" in tools and last["role"] != "tool":
        return "write", {"path": "dates.py", "content": _WEEKS}
    return "Done."


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        said = _answer(asked)
        if isinstance(said, str):
            pieces = [chunk({"content": said}), chunk(finish="stop")]
        else:
            name, arguments = said
            call = call_delta(json.dumps(arguments), call_id=f"call_{len(asked['messages'])}", name=name)
            pieces = [chunk(call), chunk(finish="tool_calls")]
        body = sse(*pieces, usage_chunk(prompt_tokens=100, completion_tokens=10))
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as the base class has it
        """Says nothing."""
