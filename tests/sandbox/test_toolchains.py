"""Which folders of the host's tools a box shows."""

from __future__ import annotations

from pathlib import Path

import pytest

from captain.sandbox.layout import toolchains
from tests.root import IS_ROOT


@pytest.mark.skipif(IS_ROOT, reason="root may look into every folder")
def test_a_path_that_leads_into_somebody_elses_folder_is_passed_over(tmp_path: Path) -> None:
    closed = tmp_path / "theirs"
    (closed / "bin").mkdir(parents=True)
    closed.chmod(0)
    try:
        shown = toolchains({"PATH": str(closed / "bin"), "PYENV_ROOT": str(closed / "pyenv")}, tmp_path)
    finally:
        closed.chmod(0o700)
    assert not [path for path in shown if path.is_relative_to(closed)]


def test_a_folder_that_is_not_there_is_not_shown(tmp_path: Path) -> None:
    shown = toolchains({"PATH": f"{tmp_path / 'bin'}:bin", "PYENV_ROOT": str(tmp_path / "pyenv")}, tmp_path)
    assert not [path for path in shown if path.is_relative_to(tmp_path)]
