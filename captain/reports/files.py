"""The reports of a run as files, each of them there in full or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Final

from captain.reports.jsonable import to_json
from captain.reports.markdown import to_markdown
from captain.reports.view import RunView

MARKDOWN: Final = "report.md"
JSON: Final = "report.json"


def save(view: RunView, folder: Path) -> None:
    """Writes `report.md` and `report.json` into `folder`, which is made if need be. Raises `OSError`."""
    folder.mkdir(parents=True, exist_ok=True)
    write(folder / MARKDOWN, to_markdown(view))
    write(folder / JSON, to_json(view))


def write(path: Path, text: str) -> None:
    """All of it or nothing. Raises `OSError`."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
