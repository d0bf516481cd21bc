"""A disk that fills up during a run: a clear end, nothing that was acknowledged is lost, and space brings it on."""

from __future__ import annotations

import resource
import shutil
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from captain.core.events import RunOpened
from captain.models import call
from captain.runs import StoredRun, stored_runs
from captain.testing import git
from tests.orchestration.test_interruptions import Scene, script
from tests.root import ALLOW_ROOT
from tests.voyages import CALC_FIXED, fingerprint, fix_task, fix_triage, plan, review, write

pytestmark = pytest.mark.slow


class Whole(Scene):
    """A run that comes to its end if nothing hinders it; it says some 40 kB on the way."""

    def __init__(self, folder: Path, state: Path) -> None:
        super().__init__(folder)
        self.state = state
        talk = call("shell", command="seq 1 8000")
        self.crew = [
            f"--captain={script(folder / 'captain.json', fix_triage(), plan(fix_task()))}",
            f"--build={script(folder / 'build.json', talk, write('calc.py', CALC_FIXED), talk, 'Done.')}",
            f"--review={script(folder / 'review.json', *[review()] * 3)}",
        ]

    def run(self, limit_bytes: int | None = None) -> subprocess.CompletedProcess[str]:
        argv = self.captain("run", "Mend it", f"--repo={self.repo}", "--plain", *self.crew)
        limited = None
        if limit_bytes is not None:
            limited = partial(resource.setrlimit, resource.RLIMIT_FSIZE, (limit_bytes, limit_bytes))
        return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=120, preexec_fn=limited)

    def begun(self) -> list[StoredRun]:
        return [one for one in stored_runs(self.state) if any(isinstance(e.event, RunOpened) for e in one.events())]

    def goes_on(self, done: subprocess.CompletedProcess[str], before: str) -> None:
        """What was said of the full disk is clear, and with space the run comes to its end."""
        said = done.stdout + done.stderr
        assert done.returncode in {1, 3}, said
        assert "Traceback" not in said
        assert "error of its own" not in said
        assert "defect" not in said
        assert any(word in said for word in ("space", "too large", "full")), said
        assert fingerprint(self.repo) == before
        for stored in self.begun():
            kept = stored.events()
            again = self.finish("resume", stored.id, "--plain", *self.crew, *ALLOW_ROOT)
            if again.returncode == 2:  # it was through, and only its report could not be written
                assert "is over" in again.stderr, again.stderr
            else:
                assert again.returncode == 0, again.stdout + again.stderr
            assert stored.events()[: len(kept)] == kept
            assert git(self.repo, "show", f"captain/{stored.id}/result:calc.py") + "\n" == CALC_FIXED


@pytest.mark.parametrize("kilobytes", [1, 60, 180, 260, 340])
def test_a_file_that_may_not_grow_any_more_ends_a_run_clearly(tmp_path: Path, kilobytes: int) -> None:
    scene = Whole(tmp_path, tmp_path / "state")
    before = fingerprint(scene.repo)
    done = scene.run(kilobytes * 1024)
    scene.goes_on(done, before)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "small"
    folder.mkdir()
    argv = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(argv, check=False, capture_output=True).returncode:
        pytest.skip("a small disk cannot be mounted here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.parametrize("left_kilobytes", [40, 200, 500, 800])
def test_a_disk_that_is_full_ends_a_run_clearly_and_space_brings_it_on(
    tmp_path: Path, small_disk: Path, left_kilobytes: int
) -> None:
    scene = Whole(tmp_path, small_disk / "state")
    before = fingerprint(scene.repo)
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"x" * (4096 - left_kilobytes) * 1024)
    done = scene.run()
    ballast.unlink()
    scene.goes_on(done, before)
