"""The command as a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PROBE = """
import sys
sys.argv = ["captain", "--version"]
from captain.cli import main
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
heavy = {"openai", "pydantic", "rich", "httpx2", "genai_prices", "aiohttp"}
print(sorted(heavy & set(sys.modules)))
"""


def test_the_version_takes_no_heavy_library() -> None:
    done = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, text=True, check=True)

    assert done.stdout.splitlines()[-1] == "[]"


def test_the_package_can_be_run_as_a_module(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "captain", "--version"], capture_output=True, text=True, check=True, cwd=tmp_path
    )

    assert done.stdout.startswith("captain 0.")


def test_a_reader_that_goes_away_is_no_error() -> None:
    """Standard output is a pipe nobody reads."""
    with subprocess.Popen(
        [sys.executable, "-c", "import sys; sys.stdin.read(); from captain.cli import main; main()", "run", "--help"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        process.stdin.close()
        complaint = process.stderr.read()

    assert (process.returncode, complaint) == (141, b"")
