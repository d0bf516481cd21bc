"""What goes wrong around a journal is a clear error or is recovered from, and nothing acknowledged is lost."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from captain.core.errors import JournalError, RunHeldError
from captain.core.events import Noticed
from captain.runs import RunJournal, SqliteStore
from captain.runs.bodies import Bodies
from captain.runs.disks import file_system, refuse_network
from captain.runs.sqlite import Reader, connect
from captain.testing import FakeClock
from tests.waiting import until


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "small"
    folder.mkdir()
    argv = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(argv, check=False, capture_output=True).returncode:
        pytest.skip("a small disk cannot be mounted here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


async def opened(path: Path, run: str = "r") -> RunJournal:
    return await RunJournal.open(await SqliteStore.open(path, run), FakeClock())


async def test_a_full_disk_is_said_and_what_was_kept_stays_and_the_run_goes_on_once_there_is_space(
    small_disk: Path,
) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"x" * 600_000)
    journal = await opened(small_disk / "journal.sqlite")

    async def fill() -> None:
        for _ in range(1000):
            await journal.record(Noticed(text="x" * 20_000))

    with pytest.raises(JournalError, match="cannot be written") as caught:
        await fill()
    assert "space" in caught.value.hint
    kept = len(journal.events)
    assert kept > 0
    ballast.unlink()
    await journal.record(Noticed(text="goes on"))
    await journal.aclose()
    again = await opened(small_disk / "journal.sqlite")
    assert len(again.events) == kept + 1
    await again.aclose()


async def test_a_state_folder_that_was_made_read_only_is_read_and_not_written(small_disk: Path) -> None:
    path = small_disk / "journal.sqlite"
    journal = await opened(path)
    await journal.record(Noticed(text="x"))
    await journal.aclose()
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with Reader.open(path) as reader:
        assert len(list(reader.entries("r"))) == 1
    with pytest.raises(JournalError, match="cannot be") as caught:
        await opened(path)
    assert caught.value.hint


async def test_a_held_write_lock_is_said_and_the_next_append_works(path: Path) -> None:
    journal = await RunJournal.open(await SqliteStore.open(path, "r", busy_timeout_s=0.05), FakeClock())
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(JournalError, match="locked") as caught:
        await journal.record(Noticed(text="one"))
    assert "write lock" in caught.value.hint
    other.execute("ROLLBACK")
    other.close()
    await journal.record(Noticed(text="two"))
    assert [recorded.event for recorded in journal.events] == [Noticed(text="two")]
    await journal.aclose()


async def test_a_damaged_last_page_is_never_read_as_something_else(path: Path) -> None:
    journal = await opened(path)
    for number in range(40):
        await journal.record(Noticed(text=f"{number}" + "x" * 3000))
    await journal.aclose()
    data = bytearray(path.read_bytes())
    data[-2000:-1000] = b"y" * 1000
    path.write_bytes(data)
    with pytest.raises(JournalError, match=r"damaged|cannot be read|malformed") as caught:
        await opened(path)
    assert caught.value.hint


async def test_a_large_body_that_was_cut_off_is_said(path: Path) -> None:
    journal = await opened(path)
    await journal.record(Noticed(text="x" * 100_000))
    await journal.aclose()
    (file,) = Bodies.beside(path).folder.iterdir()
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(JournalError, match="cut off or changed") as caught:
        await opened(path)
    assert caught.value.hint


def test_a_journal_of_a_newer_captain_is_refused(path: Path) -> None:
    connection = connect(path)
    connection.execute("PRAGMA user_version=99")
    connection.close()
    for read_only in (False, True):
        with pytest.raises(JournalError, match="newer Captain") as caught:
            connect(path, read_only=read_only)
        assert "Update" in caught.value.hint


async def test_a_journal_of_the_first_format_is_read_and_brought_up(path: Path) -> None:
    old = sqlite3.connect(path)
    old.execute(
        "CREATE TABLE entries (run TEXT NOT NULL, seq INTEGER NOT NULL, at TEXT NOT NULL, kind TEXT NOT NULL, "
        "key TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (run, seq)) WITHOUT ROWID"
    )
    body = '{"text":"old","kind":"noticed"}'
    old.execute("INSERT INTO entries VALUES ('r', 1, '2026-01-01T00:00:00+00:00', 'event', 'noticed', ?)", (body,))
    old.execute("PRAGMA user_version=1")
    old.commit()
    old.close()
    with Reader.open(path) as reader:
        assert [entry.body for entry in reader.entries("r")] == [body]
    journal = await opened(path)
    await journal.record(Noticed(text="new"))
    assert [recorded.event for recorded in journal.events] == [Noticed(text="old"), Noticed(text="new")]
    await journal.aclose()


def test_a_network_file_system_is_refused(tmp_path: Path) -> None:
    mounts = tmp_path / "mountinfo"
    share = str(tmp_path.resolve()).replace(" ", "\\040")
    mounts.write_text(f"1 0 8:1 / / rw - ext4 /dev/a rw\n2 1 0:50 / {share} rw - nfs4 server:/x rw\n")
    assert file_system(tmp_path / "deeper", mounts) == "nfs4"
    with pytest.raises(JournalError, match="network file system") as caught:
        refuse_network(tmp_path, mounts)
    assert "--state-dir" in caught.value.hint
    refuse_network(Path("/"), mounts)


WRITER = """
import sys
from pathlib import Path
import anyio
from captain.runs import RunJournal, SqliteStore
from captain.testing import FakeClock
async def give(): return "x" * 5000
async def main():
    journal = await RunJournal.open(await SqliteStore.open(Path(sys.argv[1]), "r"), FakeClock())
    number = 0
    while True:
        await journal.step(f"s/{number}", give, inputs={"n": number}, gives=str, effect="call")
        print(number, flush=True)
        number += 1
        if sys.argv[2:]:
            sys.stdin.readline()
anyio.run(main)
"""


async def test_every_step_that_was_acknowledged_is_there_after_kill_9(path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        for _ in range(20):
            last = int(writer.stdout.readline())
        os.kill(writer.pid, signal.SIGKILL)
        last = max([last, *(int(line) for line in writer.stdout if line.strip().isdigit())])
    journal = await opened(path)

    async def not_again() -> str:
        raise AssertionError("a finished step was done again")

    for number in range(last + 1):
        given = await journal.step(f"s/{number}", not_again, inputs={"n": number}, gives=str, effect="call")
        assert given == "x" * 5000
    await journal.aclose()


async def test_a_process_that_was_suspended_and_lost_its_run_writes_nothing_any_more(path: Path) -> None:
    argv = [sys.executable, "-c", WRITER, str(path), "one at a time"]
    pipe = subprocess.PIPE
    with subprocess.Popen(argv, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True) as writer:
        assert writer.stdin is not None
        assert writer.stdout is not None
        writer.stdout.readline()
        os.kill(writer.pid, signal.SIGSTOP)
        with pytest.raises(RunHeldError, match=f"process {writer.pid} on "):
            await SqliteStore.open(path, "r")
        store = await SqliteStore.open(path, "r", take_over=True)
        before = await store.load()
        os.kill(writer.pid, signal.SIGCONT)
        writer.stdin.close()
        await until(lambda: writer.poll() is not None)
        assert writer.returncode != 0
    assert await store.load() == before
    await store.aclose()
