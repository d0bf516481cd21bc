"""One run as one file: a zip with its entries as JSON lines and a manifest that says what has to be in it."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import zipfile
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from captain.core.errors import UsageError
from captain.runs.bodies import Bodies
from captain.runs.entries import Entry, decode_event
from captain.runs.holds import holder, marks_beside
from captain.runs.intents import read_intent
from captain.runs.sqlite import Reader, connect, explained, insert, transaction, version_of

FORMAT: Final = 1

_KIND: Final = "captain-run"
_RUN: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")  # it becomes the name of a folder
_KINDS: Final = frozenset({"event", "started", "finished", "broke_off"})
_LIMIT_BYTES: Final = 2 * 1024**3


def export_run(journal: Path, run: str, into: Path) -> int:
    """Writes a file that must not be there yet; gives the number of entries. Secrets are masked already."""
    with Reader.open(journal) as reader:
        by = holder(reader.connection, run, marks_beside(journal)) if version_of(reader.connection) > 1 else None
        if by is not None:
            raise UsageError(f"Run {run} is going on: it is carried by {by}.", hint="Export it once it is over.")
        lines = [_line(entry) for entry in reader.entries(run)]
    if not lines:
        raise UsageError(f"There is no run {run} in {journal}.", hint="captain runs lists what there is.")
    data = "".join(lines).encode()
    manifest = {
        "kind": _KIND,
        "format": FORMAT,
        "run": run,
        "entries": len(lines),
        "sha256": hashlib.sha256(data).hexdigest(),
    }
    try:
        with into.open("xb") as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
            packed.writestr("manifest.json", json.dumps(manifest, indent=2))
            packed.writestr("entries.jsonl", data)
    except FileExistsError:
        raise UsageError(f"{into} is there already.", hint="Name a file that is not there yet.") from None
    except OSError as error:
        into.unlink(missing_ok=True)
        raise UsageError(f"{into} cannot be written: {error.strerror}.", hint="Name another place.") from error
    return len(lines)


def import_run(journal: Path, file: Path, *, elsewhere: Mapping[str, Path] | None = None) -> str:
    """Takes a run in, whole or not at all, and gives its id. A run that is there is never overwritten.

    `elsewhere` has the runs on record beside this journal, with their folders: an id names one run only.
    """
    run, entries = _read(file)
    if elsewhere and run in elsewhere:
        raise _known(run, f", in {elsewhere[run]}")
    with contextlib.closing(connect(journal)) as connection, explained(journal, "written"):
        bodies = Bodies.beside(journal)
        with transaction(connection):
            if connection.execute("SELECT 1 FROM entries WHERE run = ? LIMIT 1", (run,)).fetchone():
                raise _known(run)
            insert(connection, bodies, run, entries)
    return run


def _known(run: str, where: str = "") -> UsageError:
    return UsageError(
        f"Run {run} is on record already{where}; nothing was changed.",
        hint=f"captain runs show {run} shows it; with another --state-dir it can be taken in beside that.",
    )


def _line(entry: Entry) -> str:
    row = [entry.seq, entry.at.isoformat(), entry.kind, entry.key, entry.body]
    return json.dumps(row, separators=(",", ":")) + "\n"


def _read(file: Path) -> tuple[str, list[Entry]]:
    try:
        with zipfile.ZipFile(file) as packed:
            for name in ("manifest.json", "entries.jsonl"):
                if packed.getinfo(name).file_size > _LIMIT_BYTES:
                    raise _refused(file, f"{name} in it is larger than 2 GB")
            manifest = json.loads(packed.read("manifest.json"))
            data = packed.read("entries.jsonl")
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}.", hint="Check the path.") from error
    except (zipfile.BadZipFile, EOFError, KeyError, ValueError, NotImplementedError, RuntimeError) as error:
        raise _refused(file, "it is no such file, or was cut off") from error
    return _checked(file, manifest, data)


def _checked(file: Path, manifest: Any, data: bytes) -> tuple[str, list[Entry]]:
    if not isinstance(manifest, dict) or manifest.get("kind") != _KIND:
        raise _refused(file, "its manifest is of something else")
    if manifest.get("format") != FORMAT:
        raise _refused(file, f"it has format {manifest.get('format')!r}, and this Captain reads {FORMAT}")
    run = manifest.get("run")
    if not isinstance(run, str) or not _RUN.fullmatch(run):
        raise _refused(file, f"{run!r} is no id of a run")
    lines = data.decode("utf-8", "replace").splitlines()
    if hashlib.sha256(data).hexdigest() != manifest.get("sha256") or len(lines) != manifest.get("entries"):
        raise _refused(file, "its entries are not those its manifest speaks of")
    entries = [_entry(file, place, line) for place, line in enumerate(lines, start=1)]
    return run, entries


def _entry(file: Path, place: int, line: str) -> Entry:
    try:
        seq, at, kind, key, body = json.loads(line)
        entry = Entry(seq=seq, at=datetime.fromisoformat(at), kind=kind, key=key, body=body)
    except (ValueError, TypeError) as error:
        raise _refused(file, f"entry {place} is damaged ({error})") from error
    if seq != place or kind not in _KINDS or not isinstance(key, str) or not isinstance(body, str):
        raise _refused(file, f"entry {place} is no entry of a journal")
    if kind == "event":
        decode_event(entry)
    elif kind == "started":
        read_intent(seq, body)
    return entry


def _refused(file: Path, why: str) -> UsageError:
    return UsageError(f"{file} is not taken in: {why}.", hint="Make it anew with captain runs export.")
