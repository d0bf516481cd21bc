"""What other processes have to say to a run waits for whoever carries it, and is taken once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from captain.runs import AnswerMessage, CancelMessage, SqliteStore, SteerMessage, post
from captain.runs.housekeeping import forget

POSTS = """
import sys
from pathlib import Path
from captain.runs import SteerMessage, post
post(Path(sys.argv[1]), "run1", SteerMessage(text=sys.argv[2], how="queue", task="T1"))
"""


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite"


async def test_messages_wait_in_order_for_their_own_run_and_are_taken_once(journal: Path) -> None:
    messages = (AnswerMessage(question="Q1", choice="accept"), CancelMessage(task="T1"), SteerMessage(text="ü"))
    for message in messages:
        post(journal, "run1", message)
    post(journal, "run2", CancelMessage())
    store = await SqliteStore.open(journal, "run1")
    waiting = await store.waiting()
    assert tuple(posted.message for posted in waiting) == messages
    await store.taken(waiting[0])
    assert [posted.message for posted in await store.waiting()] == list(messages[1:])
    await store.aclose()
    other = await SqliteStore.open(journal, "run2")
    assert [posted.message for posted in await other.waiting()] == [CancelMessage()]
    await other.aclose()


async def test_another_process_may_post_while_the_run_is_held(journal: Path) -> None:
    store = await SqliteStore.open(journal, "run1")
    assert await store.waiting() == ()
    subprocess.run([sys.executable, "-c", POSTS, str(journal), "Hear, hear."], check=True, timeout=60)
    (posted,) = await store.waiting()
    assert posted.message == SteerMessage(text="Hear, hear.", how="queue", task="T1")
    await store.aclose()


async def test_what_was_left_for_a_run_goes_with_it(journal: Path) -> None:
    for run in ("run1", "run2"):
        post(journal, run, CancelMessage())
    forget(journal, ["run1"])
    for run, left in (("run1", 0), ("run2", 1)):
        store = await SqliteStore.open(journal, run)
        assert len(await store.waiting()) == left
        await store.aclose()
