"""Runs the suite as an ordinary user too, from a host that is root: `python -m tests.redteam.as_user [pytest's words]`.

The user is a number that nobody has, with a home, an environment and a copy of this project of its own. `--table`
tries every attack as that user and records it, in place of pytest.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

USER: Final = 64220
ROOT: Final = Path(__file__).parents[2]
_PYTHONS: Final = ("/usr/bin/python3", "/usr/local/bin/python3")


def main() -> None:
    if os.geteuid():
        sys.exit("This is for root: an ordinary user runs the tests as they are.")
    folder = Path(tempfile.mkdtemp(prefix="captain-as-user-", dir="/var/tmp"))
    folder.chmod(0o755)
    try:
        sys.exit(_run(folder, sys.argv[1:]))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run(folder: Path, words: list[str]) -> int:
    venv = Path(os.environ.get("CAPTAIN_USER_VENV") or folder / "venv")
    if not venv.exists():
        _make_environment(venv)
    project, home = folder / "project", folder / "home"
    shared = Path(os.environ.get("CAPTAIN_SHARED") or ROOT.parent / "shared")
    listed = subprocess.run(
        ["git", "ls-files", "-coz", "--exclude-standard"], cwd=ROOT, capture_output=True, check=True
    )
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (project / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, project / name)
    home.mkdir()
    if (ROOT / "docs/redteam.json").is_file():
        shutil.copy(ROOT / "docs/redteam.json", home / "record.json")
    for path in (folder, *folder.rglob("*")):
        if not path.is_relative_to(venv):
            os.chown(path, USER, USER, follow_symlinks=False)
    env = {
        "PATH": f"{venv}/bin:/usr/local/bin:/usr/bin:/bin",
        "HOME": str(home),
        "TMPDIR": "/tmp",
        "LANG": "C.UTF-8",
        "PYTHONPATH": str(project),
        "CAPTAIN_ATTACKS": os.environ.get("CAPTAIN_ATTACKS") or str(shared / "attacks.json"),
        "CAPTAIN_CONFORMANCE": os.environ.get("CAPTAIN_CONFORMANCE") or str(shared / "conformance"),
    }
    argv = ["-m", "pytest", "-q", "-m", "not slow", *(words or ["-n", "2"])]
    if words[:1] == ["--table"]:
        argv = ["-m", "tests.redteam.table", "--try", "--record", str(home / "record.json"), *words[1:]]
    as_user = [
        "setpriv",
        f"--reuid={USER}",
        f"--regid={USER}",
        "--clear-groups",
        "--inh-caps=-all",
        "--bounding-set=-all",
    ]
    done = subprocess.run([*as_user, str(venv / "bin/python"), *argv], cwd=project, env=env, check=False)
    if words[:1] == ["--table"] and done.returncode == 0:
        _take_over(home / "record.json")
    return done.returncode


def _make_environment(venv: Path) -> None:
    """With an interpreter that everybody may read, which the one that runs this need not be."""
    python = next((path for path in _PYTHONS if Path(path).exists()), sys.executable)
    subprocess.run([python, "-m", "venv", str(venv)], check=True)
    pip = [str(venv / "bin/python"), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    subprocess.run([*pip, "--editable", f"{ROOT}[dev]"], check=True)


def _take_over(record: Path) -> None:
    import json

    from tests.redteam.table import RECORD

    known = json.loads(RECORD.read_text()) if RECORD.is_file() else {}
    RECORD.write_text(
        json.dumps(known | {"user": json.loads(record.read_text())["user"]}, indent=1, sort_keys=True) + "\n"
    )


if __name__ == "__main__":
    main()
