"""CPU of one call with a long history: Captain's adapter, beside the SDK's own `create` and the JSON alone.

The history has 174 tool calls with results of 5 KB, about 230,000 tokens. The transport answers at once, so
network and server cost nothing. The minimum of nine runs.
"""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable

import anyio
import httpx2
import orjson
from openai import AsyncOpenAI

from captain.core.messages import AssistantMessage, Message, Request, Text, ToolCall, ToolResult, UserMessage, user
from captain.models import OpenAIChat, complete

CHUNK = {"id": "1", "choices": [{"index": 0, "delta": {"role": "assistant", "content": "Done."}}]}
LAST = {"id": "1", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
ANSWER = "".join(f"data: {json.dumps(piece)}\n\n" for piece in (CHUNK, LAST)) + "data: [DONE]\n\n"


def conversation(calls: int = 174) -> Request:
    messages: list[Message] = [user("Read the project.")]
    for number in range(calls):
        arguments = json.dumps({"path": f"src/{number}.py", "offset": 1})
        call = ToolCall(id=f"call_{number}", name="read", arguments=arguments)
        result = ToolResult(call_id=call.id, content=(Text(text=f"line {number} of the file\n" * 240),))
        messages += [AssistantMessage(parts=(call,)), UserMessage(parts=(result,))]
    return Request(instructions="You are a careful engineer.", messages=tuple(messages))


async def cpu_ms(work: Callable[[], Awaitable[object]]) -> float:
    best = float("inf")
    for _ in range(9):
        started_s = time.process_time()
        await work()
        best = min(best, (time.process_time() - started_s) * 1000)
    return best


async def main() -> None:
    sent: list[bytes] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        sent.append(request.content)
        return httpx2.Response(200, headers={"content-type": "text/event-stream"}, text=ANSWER)

    client = AsyncOpenAI(
        api_key="none", max_retries=0, http_client=httpx2.AsyncClient(transport=httpx2.MockTransport(answer))
    )
    request = conversation()
    model = OpenAIChat("gpt-4.1", client=client)
    await complete(model, request)
    body = json.loads(sent[-1])

    async def sdk() -> None:
        stream = await client.chat.completions.create(**body)
        async for _ in stream:
            pass

    async def encoder() -> None:
        orjson.dumps(body)

    print(f"{await cpu_ms(encoder):7.2f} ms  the JSON alone ({len(sent[-1]) / 1e6:.2f} MB)")
    print(f"{await cpu_ms(lambda: complete(model, request)):7.2f} ms  captain.models.OpenAIChat")
    print(f"{await cpu_ms(sdk):7.2f} ms  the SDK's own chat.completions.create")


if __name__ == "__main__":
    anyio.run(main)
