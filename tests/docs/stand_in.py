"""A server that plays a whole crew, so that what the pages show runs as it stands.

It speaks Chat Completions, Responses and Messages, and knows one request: a `parse_date` in `dates.py` that
takes ISO week dates.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, Final

from tests.models import anthropic_wire
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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """What a request comes to here, whichever interface it came by."""

    tools: set[str]
    last: str
    answers_a_call: bool


def _answer(asked: _Asked) -> Said:
    """What the crew says next, by who is asked and what happened so far."""
    if "submit_review" in asked.tools:
        return "submit_review", {
            "summary": "Fine.",
            "findings": [],
            "evidence": [{"criterion": "T1.1", "shown_by": "it"}],
        }
    if "submit_plan" in asked.tools and "submit_plan" in asked.last:
        return "submit_plan", {"summary": "One task.", "tasks": [_TASK]}
    if "submit_triage" in asked.tools:
        return "submit_triage", {"kind": "change", "reason": "Something new is wanted."}
    if "write" in asked.tools and not asked.answers_a_call:
        return "write", {"path": "dates.py", "content": _WEEKS}
    return "Done."


def _chat(body: dict[str, Any]) -> bytes:
    messages = body["messages"]
    said = _answer(
        _Asked(
            tools={tool["function"]["name"] for tool in body.get("tools", ())},
            last=str(messages[-1]["content"]),
            answers_a_call=messages[-1]["role"] == "tool",
        )
    )
    if isinstance(said, str):
        pieces = [chunk({"content": said}), chunk(finish="stop")]
    else:
        name, arguments = said
        call = call_delta(json.dumps(arguments), call_id=f"call_{len(messages)}", name=name)
        pieces = [chunk(call), chunk(finish="tool_calls")]
    return sse(*pieces, usage_chunk(prompt_tokens=100, completion_tokens=10))


def _responses(body: dict[str, Any]) -> bytes:
    last = body["input"][-1]
    said = _answer(
        _Asked(
            tools={tool["name"] for tool in body.get("tools", ())},
            last=str(last.get("output", last.get("content"))),
            answers_a_call=last.get("type") == "function_call_output",
        )
    )
    place = len(body["input"])
    item: dict[str, Any] = {"status": "completed"}
    if isinstance(said, str):
        content = [{"type": "output_text", "text": said, "annotations": []}]
        item |= {"type": "message", "id": f"msg_{place}", "role": "assistant", "content": content}
    else:
        item |= {"type": "function_call", "id": f"fc_{place}", "call_id": f"call_{place}", "name": said[0]}
        item["arguments"] = json.dumps(said[1])
    response = {"id": f"resp_{place}", "model": body["model"], "status": "in_progress", "output": []}
    usage = {"input_tokens": 100, "output_tokens": 10, "total_tokens": 110}
    whole = {**response, "status": "completed", "output": [item], "usage": usage}
    events = (
        {"type": "response.created", "response": response},
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        {"type": "response.completed", "response": whole},
    )
    return anthropic_wire.sse(*events)


def _messages(body: dict[str, Any]) -> bytes:
    content = body["messages"][-1]["content"]
    said = _answer(
        _Asked(
            tools={tool["name"] for tool in body.get("tools", ())},
            last=str(content),
            answers_a_call=any(block["type"] == "tool_result" for block in content),
        )
    )
    if isinstance(said, str):
        block, reason = anthropic_wire.text(said), "end_turn"
    else:
        name, arguments = said
        call_id = f"toolu_{len(body['messages'])}"
        block, reason = anthropic_wire.tool_use(call_id, name, json.dumps(arguments)), "tool_use"
    begun, ended = anthropic_wire.start(input_tokens=100), anthropic_wire.ended(reason, output_tokens=10)
    return anthropic_wire.sse(begun, *block, ended, anthropic_wire.STOP)


_INTERFACES: Final[dict[str, Callable[[dict[str, Any]], bytes]]] = {
    "/v1/chat/completions": _chat,
    "/v1/responses": _responses,
    "/v1/messages": _messages,
}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        body = _INTERFACES[self.path](asked)
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as the base class has it
        """Says nothing."""
