"""What is installed is all there: a wheel, taken by itself, runs the demo."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.docs.pages import ROOT
from tests.root import ALLOW_ROOT


@pytest.mark.slow
def test_the_demo_runs_from_a_wheel(tmp_path: Path) -> None:
    wheels, unpacked, home = tmp_path / "wheels", tmp_path / "unpacked", tmp_path / "home"
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(wheels), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True)
    [wheel] = wheels.glob("captain_agents-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(unpacked)
    home.mkdir()
    env = {"PATH": os.environ["PATH"], "HOME": str(home), "TMPDIR": str(home), "PYTHONPATH": str(unpacked)}

    where = [sys.executable, "-c", "import captain; print(captain.__file__)"]
    found = subprocess.run(where, capture_output=True, text=True, check=True, cwd=home, env=env)
    done = subprocess.run(
        [sys.executable, "-m", "captain", "demo", "--quiet", *ALLOW_ROOT],
        capture_output=True,
        text=True,
        check=False,
        cwd=home,
        env=env,
    )

    assert Path(found.stdout.strip()).is_relative_to(unpacked)
    assert (done.returncode, done.stderr) == (0, "")
    assert "succeeded: All 3 tasks are accepted and integrated" in done.stdout
    assert (unpacked / "captain" / "py.typed").exists()
