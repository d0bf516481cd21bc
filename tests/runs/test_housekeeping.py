"""Runs that are forgotten, carried away and taken in: nothing is lost, nothing overwritten."""

from __future__ import annotations

from pathlib import Path

import pytest

from captain.core.errors import RunHeldError, UsageError
from captain.core.events import Noticed
from captain.runs import RunJournal, SqliteStore
from captain.runs.bodies import Bodies
from captain.runs.housekeeping import forget
from captain.runs.sqlite import Reader
from captain.runs.transfer import export_run, import_run
from captain.testing import FakeClock


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite"


async def leave(path: Path, run: str, text: str) -> None:
    journal = await RunJournal.open(await SqliteStore.open(path, run), FakeClock())
    await journal.record(Noticed(text=text))
    await journal.aclose()


def events(path: Path, run: str) -> list[str | None]:
    with Reader.open(path) as reader:
        return [entry.body for entry in reader.entries(run)]


async def test_a_body_goes_with_the_last_run_that_refers_to_it(path: Path) -> None:
    for run in ("a", "b"):
        await leave(path, run, "x" * 100_000)
    assert len(list(Bodies.beside(path).digests())) == 1
    planned = forget(path, ["a"], dry_run=True)
    assert (planned.entries, planned.files) == (1, 0)
    assert len(events(path, "a")) == 1
    assert forget(path, ["a"]) == planned
    assert events(path, "a") == []
    assert len(events(path, "b")) == 1
    assert forget(path, ["b"], dry_run=True).files == 1
    assert forget(path, ["b"]).files == 1
    assert list(Bodies.beside(path).digests()) == []


async def test_a_run_that_is_carried_is_not_forgotten(path: Path) -> None:
    await leave(path, "a", "x")
    store = await SqliteStore.open(path, "a")
    with pytest.raises(RunHeldError, match="its record stays"):
        forget(path, ["a"])
    await store.aclose()
    assert len(events(path, "a")) == 1


@pytest.mark.parametrize("text", ["ü", "x" * 100_000])
async def test_a_run_comes_back_as_it_was(path: Path, tmp_path: Path, text: str) -> None:
    await leave(path, "a", text)
    file, other = tmp_path / "a.zip", tmp_path / "other.sqlite"
    assert export_run(path, "a", file) == 1
    assert import_run(other, file) == "a"
    assert events(other, "a") == events(path, "a")
    with pytest.raises(UsageError, match="on record already"):
        import_run(other, file)
    with pytest.raises(UsageError, match="there already"):
        export_run(path, "a", file)


async def test_a_file_that_was_cut_off_is_refused_at_every_length(path: Path, tmp_path: Path) -> None:
    await leave(path, "a", "x")
    file, other = tmp_path / "a.zip", tmp_path / "other.sqlite"
    export_run(path, "a", file)
    whole = file.read_bytes()
    for length in range(0, len(whole), 7):
        file.write_bytes(whole[:length])
        with pytest.raises(UsageError, match="is not taken in") as caught:
            import_run(other, file)
        assert caught.value.hint
    assert not other.exists()


async def test_a_run_that_is_not_there_is_not_exported(path: Path, tmp_path: Path) -> None:
    await leave(path, "a", "x")
    with pytest.raises(UsageError, match="no run b"):
        export_run(path, "b", tmp_path / "b.zip")
    assert not (tmp_path / "b.zip").exists()
