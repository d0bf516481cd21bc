"""CPU seconds of importing Captain, over those of a bare interpreter: the minimum of nine runs each."""

from __future__ import annotations

import resource
import subprocess
import sys

STATEMENTS = (
    "import captain",
    "import captain; captain.Captain",
    "import captain.models",
    "import captain.cli",
    "import openai",
    "import anthropic",
)


def cpu_s(statement: str) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", statement], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    bare_s = min(cpu_s("pass") for _ in range(9))
    print(f"{bare_s:.3f} s  a bare interpreter")
    for statement in STATEMENTS:
        print(f"{min(cpu_s(statement) for _ in range(9)) - bare_s:.3f} s  {statement}")


if __name__ == "__main__":
    main()
