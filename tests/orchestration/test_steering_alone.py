"""Steering without a run around it: what is cut off, and what is heard again when the record is opened anew."""

from __future__ import annotations

from pathlib import Path

import anyio

from captain.agent import Agent, Crewmate
from captain.core.clock import SystemClock
from captain.models import ScriptedModel, call
from captain.orchestration.steering import Steering
from captain.runs import RunJournal, SqliteStore
from captain.tools import tool


async def opened(path: Path) -> RunJournal:
    return await RunJournal.open(await SqliteStore.open(path, "run1"), SystemClock())


async def test_the_same_words_said_twice_are_two_messages_after_a_resume_too(tmp_path: Path) -> None:
    journal = await opened(tmp_path / "journal.sqlite")
    steering = Steering(journal)
    box = steering.mailbox("build-T1", "T1")
    with box.attend("task/T1/build"):
        await steering.send("Go on.")
        assert await box.due(1, asked=False) == ("Go on.",)
    await steering.send("Go on.")
    assert len(steering.undelivered) == 1
    await journal.aclose()

    journal = await opened(tmp_path / "journal.sqlite")
    again = Steering(journal)
    assert len(again.undelivered) == 1
    recorded = len(journal.events)
    await again.send("Go on.")
    assert len(journal.events) == recorded + 1
    box = again.mailbox("build-T1", "T1")
    with box.attend("task/T1/build"):
        assert await box.due(1, asked=True) == ("Go on.",), "what it was told before"
        assert await box.due(2, asked=False) == ("Go on.", "Go on.")
    await journal.aclose()


async def test_an_urgent_message_cuts_off_every_read_under_way(tmp_path: Path) -> None:
    journal = await opened(tmp_path / "journal.sqlite")
    steering = Steering(journal)
    under_way = {"one": anyio.Event(), "other": anyio.Event()}

    @tool(effect="read")
    async def one() -> str:
        under_way["one"].set()
        await anyio.sleep_forever()
        return "one to its end"

    @tool(effect="read")
    async def other() -> str:
        under_way["other"].set()
        await anyio.sleep_forever()
        return "other to its end"

    model = ScriptedModel([[call("one"), call("other")], "Done."])
    agent = Agent(mate=Crewmate(model=model, journal=journal), instructions="Work.", tools=(one, other))

    async def work() -> None:
        await agent.run("Do it.", mailbox=steering.mailbox("agent"))

    with anyio.fail_after(60):
        async with anyio.create_task_group() as group:
            group.start_soon(work)
            for begun in under_way.values():
                await begun.wait()
            await steering.send("Stop.", how="interrupt")
    told = str(model.requests[1].messages[-1])
    assert told.count("Stopped: a message from the user came in.") == 2
    assert "> Stop." in told
    await journal.aclose()
