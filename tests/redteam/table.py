"""Writes what became of every attack in every sandbox, as root and as a user, into a page.

`python -m tests.redteam.table --try` tries them all as whoever runs it and records it; without it the page is made
of what was recorded.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import anyio

from tests.redteam.attacks import Attack, recorded_attacks
from tests.redteam.backends import BACKENDS, NAIVE, missing, sandbox
from tests.redteam.kinds import HOST_ONLY, OWN_KINDS, PROVEN, try_kind, try_proof
from tests.redteam.own import OWN
from tests.redteam.running import Outcome, try_attack

ROOT: Final = Path(__file__).parents[2]
RECORD: Final = ROOT / "docs" / "redteam.json"
PAGE: Final = ROOT / "docs" / "security.md"
_BEGIN: Final = "<!-- table: begins -->\n"
_END: Final = "<!-- table: ends -->\n"
_SIGNS: Final = {"contained": "held", "not contained": "**NOT held**", "unknown": "*unknown*", "not tried": "not tried"}
_WHO: Final = ("root", "user")


def everything() -> list[Attack]:
    return [*recorded_attacks(), *OWN, *OWN_KINDS]


def is_host_only(attack: Attack) -> bool:
    return attack.id in PROVEN or attack.kind in HOST_ONLY


def tried(name: str, attack: Attack) -> Outcome:
    """`name` is a sandbox; what needs none is the same in all."""
    if reason := missing(name):
        return Outcome(verdict="unknown", why=reason)
    if attack.id in PROVEN:
        return try_proof(attack)
    if attack.kind in ("shell", "terminal"):
        return anyio.run(try_attack, sandbox(name), attack)
    return anyio.run(try_kind, sandbox(name), attack)


def _try_all(names: list[str], ids: list[str], results: dict[str, dict[str, Any]]) -> dict[str, Any]:
    for attack in everything():
        if ids and attack.id not in ids:
            continue
        results[attack.id] = {}
        for name in ["host"] if is_host_only(attack) else names:
            began_s = time.monotonic()
            outcome = tried(BACKENDS[0] if name == "host" else name, attack)
            results[attack.id][name] = {"verdict": outcome.verdict, "why": "" if name == NAIVE else _plain(outcome.why)}
            _say(f"{attack.id} {name}: {outcome.verdict} ({time.monotonic() - began_s:.1f} s) {_plain(outcome.why)}")
    return results


def _plain(why: str) -> str:
    return " ".join("".join(character for character in why if " " <= character <= "~" or character == "\n").split())[
        :200
    ]


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def _machine() -> dict[str, str]:
    program = shutil.which("bwrap")
    version = (
        subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout if program else "none"
    )
    return {
        "date": datetime.now(tz=UTC).date().isoformat(),
        "kernel": platform.release(),
        "bubblewrap": version.strip().removeprefix("bubblewrap "),
        "python": platform.python_version(),
    }


def page(record: dict[str, Any]) -> str:
    return "".join(f"{line}\n" for line in _lines(record))


def _lines(record: dict[str, Any]) -> Iterator[str]:
    runs = {who: record[who] for who in _WHO if who in record}
    for who, run in runs.items():
        machine = run["machine"]
        yield (
            f"Tried as {who} on {machine['date']}: Linux {machine['kernel']}, bubblewrap {machine['bubblewrap']}, "
            f"Python {machine['python']}."
        )
    yield ""
    columns = [(name, who) for name in BACKENDS for who in runs]
    yield "| attack | " + " | ".join(f"{name}, {who}" for name, who in columns) + " |"
    yield "|---|" + "---|" * len(columns)
    for attack in everything():
        cells = [_cell(runs[who]["results"].get(attack.id, {}), name) for name, who in columns]
        yield f"| {attack.id} {attack.title} | " + " | ".join(cells) + " |"
    yield "| **held / tried** | " + " | ".join(_count(runs[who]["results"], name) for name, who in columns) + " |"
    yield ""
    yield "What was not held, or could not be told:"
    yield ""
    for who, run in runs.items():
        for id_, verdicts in run["results"].items():
            for name, outcome in verdicts.items():
                if outcome["verdict"] in ("not contained", "unknown") and name != NAIVE:
                    yield f"- {id_}, {name}, {who}: {outcome['verdict']}. `{outcome['why'].replace('`', '')}`"
    yield ""


def _cell(verdicts: dict[str, Any], name: str) -> str:
    if "host" in verdicts:
        return f"{_SIGNS[verdicts['host']['verdict']]} (host)" if name != NAIVE else "n/a"
    return _SIGNS[verdicts[name]["verdict"]] if name in verdicts else "n/a"


def _count(results: dict[str, Any], name: str) -> str:
    verdicts = [each[name]["verdict"] for each in results.values() if name in each]
    if name != NAIVE:
        verdicts += [each["host"]["verdict"] for each in results.values() if "host" in each]
    tried_here = [verdict for verdict in verdicts if verdict != "not tried"]
    return f"{tried_here.count('contained')} / {len(tried_here)}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--try", dest="attempt", action="store_true", help="try all attacks as this user first")
    parser.add_argument("--record", type=Path, default=RECORD)
    parser.add_argument("--only", nargs="*", default=list(BACKENDS), choices=BACKENDS)
    parser.add_argument("--attacks", nargs="*", default=[], help="these alone, and keep what is recorded of others")
    options = parser.parse_args()
    record = json.loads(options.record.read_text()) if options.record.is_file() else {}
    if options.attempt:
        who = "user" if os.geteuid() else "root"
        known = record.get(who, {}).get("results", {}) if options.attacks else {}
        record[who] = {"machine": _machine(), "results": _try_all(options.only, options.attacks, known)}
        options.record.write_text(json.dumps(record, indent=1, sort_keys=True) + "\n")
    if options.record == RECORD:
        before, _, rest = PAGE.read_text("utf-8").partition(_BEGIN)
        PAGE.write_text(before + _BEGIN + "\n" + page(record) + _END + rest.partition(_END)[2], "utf-8")


if __name__ == "__main__":
    main()
